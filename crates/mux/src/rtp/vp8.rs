//! VP8 frame to RTP payloads and back (RFC 7741).
//!
//! ```text
//!  |X|R|N|S|R| PID |   required
//!  |I|L|T|K| RSV   |   if X
//!  |M| PictureID   |   if I; 15 bits if M
//!  |   TL0PICIDX   |   if L
//!  |TID|Y| KEYIDX  |   if T or K
//! ```

use super::{
    depacketize::{Depacketizer, FRAME_MAX, PayloadError, VideoFrame},
    payload::Slab,
};
use bytes::{BufMut, BytesMut};
use unisono_media::{CodecConfig, Frame, Packets, vp8::Header};

/// `S`: start of a partition.
const START: u8 = 0x10;
/// `N`: nothing refers to the frame.
const NON_REFERENCE: u8 = 0x20;
const EXTENDED: u8 = 0x80;

/// Makes the RTP payloads of one frame, of equal length, the last one shorter. No picture id: a viewer's packets have
/// no holes of our making.
pub fn packetize_vp8(frame: &Frame, payload_max: usize) -> Packets {
    let mut slab = Slab::new(frame.payload.len());
    let droppable = if frame.droppable { NON_REFERENCE } else { 0 };
    slab.chunks(&frame.payload, payload_max.max(64) - 1, |out, first, _| {
        out.put_u8(droppable | if first { START } else { 0 });
    });
    slab.into_packets()
}

/// See [`Depacketizer`].
#[derive(Debug, Default)]
pub(super) struct Vp8Depacketizer {
    payload: BytesMut,
    is_droppable: bool,
}

impl Depacketizer for Vp8Depacketizer {
    fn is_start(&self, payload: &[u8]) -> bool {
        descriptor(payload).is_ok_and(|(descriptor, _)| descriptor.is_start)
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let (descriptor, body) = descriptor(payload)?;
        if self.payload.len() + body.len() > FRAME_MAX {
            return Err(PayloadError::TooBig);
        }
        if self.payload.is_empty() {
            if !descriptor.is_start {
                return Err(PayloadError::Fragment);
            }
            self.is_droppable = descriptor.is_droppable;
        }
        self.payload.extend_from_slice(body);
        Ok(())
    }

    fn finish(&mut self) -> Option<VideoFrame> {
        let (payload, droppable) = (self.payload.split().freeze(), self.is_droppable);
        self.reset();
        let header = Header::parse(&payload).ok()?;
        let config = header.key.map(CodecConfig::Vp8);
        Some(VideoFrame { key: config.is_some(), droppable, config, payload })
    }

    fn reset(&mut self) {
        self.payload.clear();
        self.is_droppable = false;
    }
}

struct Descriptor {
    /// The first packet of a frame: start of partition 0.
    is_start: bool,
    is_droppable: bool,
}

/// The descriptor (§4.2) and what follows it.
fn descriptor(payload: &[u8]) -> Result<(Descriptor, &[u8]), PayloadError> {
    let short = PayloadError::Short(payload.len());
    let (&first, mut rest) = payload.split_first().ok_or(short)?;
    if first & EXTENDED != 0 {
        let (&flags, after) = rest.split_first().ok_or(short)?;
        rest = after;
        if flags & 0x80 != 0 {
            let &id = rest.first().ok_or(short)?;
            rest = rest.get(if id & 0x80 != 0 { 2 } else { 1 }..).ok_or(short)?;
        }
        let more = usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
        rest = rest.get(more..).ok_or(short)?;
    }
    let is_start = first & START != 0 && first & 0x07 == 0;
    Ok((Descriptor { is_start, is_droppable: first & NON_REFERENCE != 0 }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unisono_base::MediaTime;

    const KEY: [u8; 10] = [0x50, 0x42, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

    fn frame(length: usize) -> Frame {
        let mut payload = KEY.to_vec();
        payload.extend((0..length).map(|i| i as u8));
        let t = MediaTime::from_micros(0);
        Frame::new(t, t, payload.into())
    }

    #[test]
    fn what_chromium_sends_is_read() {
        // X, S, partition 0; I, L, T, K; 15-bit picture id; TL0PICIDX; TID and KEYIDX.
        let mut payload = vec![0x90, 0xf0, 0x80 | 0x12, 0x34, 7, 0x20];
        payload.extend(KEY);
        let mut depacketizer = Vp8Depacketizer::default();
        assert!(depacketizer.is_start(&payload));
        depacketizer.push(&payload).expect("valid");
        let frame = depacketizer.finish().expect("a frame");
        assert!(frame.key && frame.payload[..] == KEY);
        let picture = frame.config.and_then(|config| config.picture()).expect("a picture");
        assert_eq!((picture.width, picture.height), (640, 360));
    }

    #[test]
    fn a_frame_whose_start_is_gone_is_refused() {
        let mut depacketizer = Vp8Depacketizer::default();
        assert_eq!(depacketizer.push(&[0x00, 1, 2]), Err(PayloadError::Fragment));
        assert!(depacketizer.finish().is_none());
    }

    proptest! {
        #[test]
        fn what_was_packetized_comes_back(length in 0usize..5_000, payload_max in 64usize..1_400) {
            let frame = frame(length);
            let packets = packetize_vp8(&frame, payload_max);
            let mut depacketizer = Vp8Depacketizer::default();
            for packet in &packets.list {
                prop_assert!(packet.payload.len() <= payload_max);
                depacketizer.push(&packet.payload).expect("valid");
            }
            prop_assert_eq!(packets.list.iter().filter(|packet| packet.marker).count(), 1);
            prop_assert_eq!(depacketizer.finish().expect("whole").payload, frame.payload);
        }

        #[test]
        fn garbage_never_panics(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut depacketizer = Vp8Depacketizer::default();
            for payload in payloads {
                if depacketizer.push(&payload).is_err() {
                    depacketizer.reset();
                }
            }
            let _ = depacketizer.finish();
        }
    }
}
