//! RTP payloads to VP9 frames, flexible and non-flexible mode (RFC 9628). The spatial layers of a picture become one
//! superframe (VP9 bitstream specification Annex B).
//!
//! ```text
//!  |I|P|L|F|B|E|V|Z|   required
//!  |M| PICTURE ID  |   if I; 15 bits if M
//!  | TID |U| SID |D|   if L
//!  |   TL0PICIDX   |   if L and not F
//!  |   P_DIFF    |N|   if F and P, up to three
//!  | structure ... |   if V
//! ```

use super::{
    depacketize::{Depacketizer, FRAME_MAX, PayloadError, VideoFrame},
    vp9::{BEGIN, END, PREDICTED, STRUCTURE},
};
use bytes::{BufMut, BytesMut};
use unisono_media::{CodecConfig, vp9::Header};

/// Layer frames of one picture; a superframe holds no more.
const LAYERS_MAX: usize = 8;

/// See [`Depacketizer`].
#[derive(Debug, Default)]
pub(super) struct Vp9Depacketizer {
    payload: BytesMut,
    /// Where each finished layer frame ends.
    ends: Vec<usize>,
    is_open: bool,
}

impl Depacketizer for Vp9Depacketizer {
    fn is_start(&self, payload: &[u8]) -> bool {
        descriptor(payload).is_ok_and(|(descriptor, _)| descriptor.begins && descriptor.spatial_id == 0)
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let (descriptor, body) = descriptor(payload)?;
        if self.payload.len() + body.len() > FRAME_MAX {
            return Err(PayloadError::TooBig);
        }
        if descriptor.begins {
            // A layer frame without an end: what came of it is not decodable.
            let whole = self.ends.last().copied().unwrap_or(0);
            self.payload.truncate(whole);
            self.is_open = true;
        }
        if !self.is_open {
            return Err(PayloadError::Fragment);
        }
        self.payload.extend_from_slice(body);
        if descriptor.ends {
            if self.ends.len() == LAYERS_MAX {
                return Err(PayloadError::Aggregate);
            }
            self.ends.push(self.payload.len());
            self.is_open = false;
        }
        Ok(())
    }

    fn finish(&mut self) -> Option<VideoFrame> {
        let whole = !self.is_open && !self.ends.is_empty();
        if whole && self.ends.len() > 1 {
            self.write_index();
        }
        let payload = self.payload.split().freeze();
        self.reset();
        let header = Header::parse(&payload).ok().filter(|_| whole)?;
        let config = header.key.map(CodecConfig::Vp9);
        Some(VideoFrame { key: config.is_some(), droppable: false, config, payload })
    }

    fn reset(&mut self) {
        self.payload.clear();
        self.ends.clear();
        self.is_open = false;
    }
}

impl Vp9Depacketizer {
    /// The superframe index: sizes of four bytes between two marker bytes.
    fn write_index(&mut self) {
        let marker = 0b1101_1000 | (self.ends.len() - 1) as u8;
        self.payload.put_u8(marker);
        let mut start = 0;
        for end in &self.ends {
            self.payload.put_u32_le((end - start) as u32);
            start = *end;
        }
        self.payload.put_u8(marker);
    }
}

struct Descriptor {
    begins: bool,
    ends: bool,
    spatial_id: u8,
}

/// The descriptor (§4.2) and what follows it.
fn descriptor(payload: &[u8]) -> Result<(Descriptor, &[u8]), PayloadError> {
    let short = PayloadError::Short(payload.len());
    let mut rest = payload;
    let mut next = || -> Result<u8, PayloadError> {
        let (&byte, after) = rest.split_first().ok_or(short)?;
        rest = after;
        Ok(byte)
    };
    let flags = next()?;
    let (has_id, has_layers, is_flexible) = (flags & 0x80 != 0, flags & 0x20 != 0, flags & 0x10 != 0);
    if has_id && next()? & 0x80 != 0 {
        next()?;
    }
    let mut spatial_id = 0;
    if has_layers {
        spatial_id = next()? >> 1 & 7;
        if !is_flexible {
            next()?; // TL0PICIDX
        }
    }
    if is_flexible && flags & PREDICTED != 0 {
        let mut references = 1;
        while next()? & 1 == 1 {
            references += 1;
            if references > 3 {
                return Err(PayloadError::Aggregate);
            }
        }
    }
    if flags & STRUCTURE != 0 {
        let structure = next()?;
        let mut skipped = if structure & 0x10 != 0 { 4 * (usize::from(structure >> 5) + 1) } else { 0 };
        while skipped > 0 {
            next()?;
            skipped -= 1;
        }
        if structure & 0x08 != 0 {
            for _ in 0..next()? {
                for _ in 0..next()? >> 2 & 3 {
                    next()?;
                }
            }
        }
    }
    Ok((Descriptor { begins: flags & BEGIN != 0, ends: flags & END != 0, spatial_id }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packetize_vp9;
    use proptest::prelude::*;
    use unisono_base::MediaTime;
    use unisono_media::{Frame, Vp9Config};

    /// Shown keyframe of 640x360, and a frame that refers to it.
    const KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0x00];
    const DELTA: [u8; 3] = [0x86, 0, 1];

    fn config() -> Vp9Config {
        Header::parse(&KEY).expect("valid").key.expect("a keyframe")
    }

    fn frame(start: &[u8], length: usize, key: bool) -> Frame {
        let mut payload = start.to_vec();
        payload.extend((0..length).map(|i| i as u8));
        let t = MediaTime::from_micros(0);
        let mut frame = Frame::new(t, t, payload.into());
        frame.key = key;
        frame
    }

    #[test]
    fn what_chromium_sends_is_read() {
        // I, L, B, E, V: 15-bit picture id, layer, TL0PICIDX, structure with size and one picture of one reference.
        let mut payload = vec![0b1010_1110, 0x80, 0x12, 0, 7, 0x18, 2, 128, 1, 104, 1, 0b0000_0100, 1];
        payload.extend(KEY);
        let mut depacketizer = Vp9Depacketizer::default();
        assert!(depacketizer.is_start(&payload));
        depacketizer.push(&payload).expect("valid");
        let frame = depacketizer.finish().expect("a frame");
        assert_eq!(frame.payload[..], KEY);
        assert_eq!(frame.config, Some(CodecConfig::Vp9(config())));
    }

    #[test]
    fn spatial_layers_become_a_superframe() {
        let mut depacketizer = Vp9Depacketizer::default();
        // Flexible mode; the second layer refers to the first by P_DIFF.
        for (spatial, body) in [(0u8, &KEY[..]), (1, &DELTA[..])] {
            let mut payload = vec![0b1011_1100 | if spatial == 1 { PREDICTED } else { 0 }, 5, spatial << 1];
            if spatial == 1 {
                payload.push(0);
            }
            payload.extend(body);
            assert_eq!(depacketizer.is_start(&payload), spatial == 0);
            depacketizer.push(&payload).expect("valid");
        }
        let frame = depacketizer.finish().expect("a frame");
        assert!(frame.key);
        assert_eq!(frame.payload[13..], [0xd9, 10, 0, 0, 0, 3, 0, 0, 0, 0xd9]);
    }

    #[test]
    fn a_frame_without_its_end_is_none() {
        let mut depacketizer = Vp9Depacketizer::default();
        assert_eq!(depacketizer.push(&[END, 1]), Err(PayloadError::Fragment));
        depacketizer.push(&[BEGIN, 0x86, 1]).expect("valid");
        assert!(depacketizer.finish().is_none());
    }

    proptest! {
        #[test]
        fn what_was_packetized_comes_back(length in 0usize..5_000, payload_max in 64usize..1_400, key in any::<bool>()) {
            let frame = frame(if key { &KEY } else { &DELTA }, length, key);
            let packets = packetize_vp9(&frame, &config(), payload_max);
            let mut depacketizer = Vp9Depacketizer::default();
            for packet in &packets.list {
                prop_assert!(packet.payload.len() <= payload_max);
                depacketizer.push(&packet.payload).expect("valid");
            }
            let back = depacketizer.finish().expect("whole");
            prop_assert_eq!(back.payload, frame.payload);
            prop_assert_eq!(back.key, key);
        }

        #[test]
        fn garbage_never_panics(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut depacketizer = Vp9Depacketizer::default();
            for payload in payloads {
                if depacketizer.push(&payload).is_err() {
                    depacketizer.reset();
                }
            }
            let _ = depacketizer.finish();
        }
    }
}
