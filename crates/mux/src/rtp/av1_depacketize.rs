//! RTP payloads to AV1 temporal units in stored form (RTP payload format for AV1, version 1.0).

use super::{
    av1::{CONTINUES, GOES_ON, NEW_SEQUENCE},
    depacketize::{Depacketizer, FRAME_MAX, PayloadError, VideoFrame},
};
use bytes::{Bytes, BytesMut};
use unisono_media::{
    Av1Config, CodecConfig,
    av1::{Obu, leb128, store},
};

/// OBUs of one temporal unit; a picture of 64 tiles has fewer.
const OBUS_MAX: usize = 256;

/// See [`Depacketizer`].
#[derive(Debug, Default)]
pub(super) struct Av1Depacketizer {
    elements: Vec<Bytes>,
    /// An element that goes on in the next packet.
    open: Option<BytesMut>,
    length: usize,
}

impl Depacketizer for Av1Depacketizer {
    /// Only the start of a coded video sequence says so; after a hole nothing else would do.
    fn is_start(&self, payload: &[u8]) -> bool {
        payload.first().is_some_and(|header| header & NEW_SEQUENCE != 0 && header & CONTINUES == 0)
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let (&header, mut rest) = payload.split_first().ok_or(PayloadError::Short(0))?;
        self.length += rest.len();
        if self.length > FRAME_MAX {
            return Err(PayloadError::TooBig);
        }
        let (continues, goes_on) = (header & CONTINUES != 0, header & GOES_ON != 0);
        if continues != self.open.is_some() {
            return Err(PayloadError::Fragment);
        }
        let count = usize::from(header >> 4 & 3);
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            let element;
            (element, rest) = element_of(rest, index == count)?;
            let is_first = index == 1 && continues;
            let is_last = rest.is_empty();
            self.element(element, is_first, is_last && goes_on)?;
            if count > 0 && index == count && !is_last {
                return Err(PayloadError::Aggregate);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Option<VideoFrame> {
        let whole = self.open.is_none();
        let units: Option<Vec<Obu>> = self.elements.iter().map(Obu::from_element).collect();
        self.reset();
        let unit = store(units.filter(|_| whole)?.iter());
        if unit.payload.is_empty() {
            return None;
        }
        let config = unit.sequence.as_deref().and_then(|sequence| Av1Config::new(sequence).ok());
        let config = config.map(CodecConfig::Av1);
        Some(VideoFrame { payload: unit.payload, key: unit.key, droppable: false, config })
    }

    fn reset(&mut self) {
        self.elements.clear();
        self.open = None;
        self.length = 0;
    }
}

impl Av1Depacketizer {
    fn element(&mut self, bytes: &[u8], continues: bool, goes_on: bool) -> Result<(), PayloadError> {
        let mut whole = match self.open.take().filter(|_| continues) {
            Some(open) => open,
            None => BytesMut::with_capacity(bytes.len()),
        };
        whole.extend_from_slice(bytes);
        if goes_on {
            self.open = Some(whole);
        } else if !whole.is_empty() {
            if self.elements.len() == OBUS_MAX {
                return Err(PayloadError::TooBig);
            }
            self.elements.push(whole.freeze());
        }
        Ok(())
    }
}

/// The element at the start of `bytes` and what follows it; `is_bare`: it has no length and takes all.
fn element_of(bytes: &[u8], is_bare: bool) -> Result<(&[u8], &[u8]), PayloadError> {
    if is_bare {
        return Ok((bytes, &[]));
    }
    let (length, used) = leb128(bytes).ok_or(PayloadError::Aggregate)?;
    bytes[used..].split_at_checked(length).ok_or(PayloadError::Aggregate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packetize_av1;
    use bytes::BufMut;
    use proptest::prelude::*;
    use unisono_base::MediaTime;
    use unisono_media::Frame;

    /// libaom, 640x360.
    const SEQUENCE: [u8; 11] = [0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10];

    fn config() -> Av1Config {
        Av1Config::new(&SEQUENCE).expect("valid")
    }

    /// A temporal unit of frame OBUs of these sizes; the first of a key one is a shown keyframe.
    fn frame(sizes: &[usize], key: bool) -> Frame {
        let mut payload = BytesMut::new();
        if key {
            payload.put_slice(&config().sequence_obu);
        }
        for size in sizes {
            let mut body = vec![if key { 0x10 } else { 0x30 }];
            body.extend((1..*size).map(|i| i as u8));
            unisono_media::av1::write_obu(&mut payload, 0x30, &body);
        }
        let t = MediaTime::from_micros(0);
        let mut frame = Frame::new(t, t, payload.freeze());
        frame.key = key;
        frame
    }

    fn back(packets: &unisono_media::Packets) -> VideoFrame {
        let mut depacketizer = Av1Depacketizer::default();
        packets.list.iter().for_each(|packet| depacketizer.push(&packet.payload).expect("valid"));
        depacketizer.finish().expect("whole")
    }

    #[test]
    fn a_keyframe_without_sequence_header_gets_one() {
        let mut bare = frame(&[3_000], true);
        bare.payload = bare.payload.slice(13..);
        let packets = packetize_av1(&bare, &config(), 1_148);
        assert!(Av1Depacketizer::default().is_start(&packets.list[0].payload));
        assert!(!Av1Depacketizer::default().is_start(&packets.list[1].payload));
        let back = back(&packets);
        assert_eq!(back.payload, frame(&[3_000], true).payload);
        assert_eq!(back.config, Some(CodecConfig::Av1(config())));
    }

    #[test]
    fn what_chromium_sends_is_read() {
        // W = 2, N: the sequence header behind its length, then a frame without one.
        let mut payload = vec![0x28, 12, 0x08];
        payload.extend(SEQUENCE);
        payload.extend([0x30, 0x10, 1, 2]);
        let mut depacketizer = Av1Depacketizer::default();
        depacketizer.push(&payload).expect("valid");
        let frame = depacketizer.finish().expect("whole");
        assert!(frame.key && frame.config.is_some());
        assert_eq!(frame.payload[13..], [0x32, 3, 0x10, 1, 2]);
    }

    #[test]
    fn a_part_without_its_neighbour_is_refused() {
        let mut depacketizer = Av1Depacketizer::default();
        assert_eq!(depacketizer.push(&[CONTINUES, 1, 9]), Err(PayloadError::Fragment));
        depacketizer.reset();
        depacketizer.push(&[GOES_ON, 2, 0x30, 9]).expect("valid");
        assert!(depacketizer.finish().is_none());
    }

    proptest! {
        #[test]
        fn what_was_packetized_comes_back(
            sizes in proptest::collection::vec(1usize..4_000, 1..6), payload_max in 64usize..1_400, key in any::<bool>(),
        ) {
            let frame = frame(&sizes, key);
            let packets = packetize_av1(&frame, &config(), payload_max);
            prop_assert!(packets.list.iter().all(|packet| packet.payload.len() <= payload_max));
            prop_assert_eq!(packets.list.iter().filter(|packet| packet.marker).count(), 1);
            let back = back(&packets);
            prop_assert_eq!(back.payload, frame.payload);
            prop_assert_eq!(back.key, key);
        }

        #[test]
        fn garbage_never_panics(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut depacketizer = Av1Depacketizer::default();
            for payload in payloads {
                if depacketizer.push(&payload).is_err() {
                    depacketizer.reset();
                }
            }
            let _ = depacketizer.finish();
        }
    }
}
