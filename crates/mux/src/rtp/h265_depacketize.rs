//! RTP payloads to H.265 access units in stored form (RFC 7798). A sender that interleaves (`sprop-max-don-diff` above
//! 0, which no browser and no encoder we met does) is not read: its payloads have DON fields.

use super::{
    depacketize::{Depacketizer, FRAME_MAX, PayloadError, VideoFrame},
    h265::{AGGREGATION, FRAGMENTATION},
};
use bytes::{BufMut, Bytes, BytesMut};
use unisono_media::{
    CodecConfig, HevcConfig,
    h265::{nal, nal_type, store},
};

/// NAL units of one access unit: slices, parameter sets, SEI.
const UNITS_MAX: usize = 1_024;
/// The standard allows 64 picture parameter sets.
const PPS_MAX: usize = 64;

/// See [`Depacketizer`].
#[derive(Debug, Default)]
pub(super) struct H265Depacketizer {
    units: Vec<Bytes>,
    fragment: Option<BytesMut>,
    length: usize,
    vps: Bytes,
    sps: Bytes,
    pps: Vec<Bytes>,
}

impl Depacketizer for H265Depacketizer {
    fn is_start(&self, payload: &[u8]) -> bool {
        let is_set = |unit: &[u8]| matches!(nal_type(unit), Some(nal::VPS | nal::SPS | nal::AUD));
        match nal_type(payload) {
            Some(AGGREGATION) => payload.get(4..).is_some_and(is_set),
            _ => is_set(payload),
        }
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let kind = nal_type(payload).ok_or(PayloadError::Short(payload.len()))?;
        self.length += payload.len();
        if self.length > FRAME_MAX {
            return Err(PayloadError::TooBig);
        }
        match kind {
            AGGREGATION => self.aggregate(&payload[2..]),
            FRAGMENTATION => self.fragment(payload),
            0..=47 => {
                self.fragment = None;
                self.unit(Bytes::copy_from_slice(payload))
            }
            other => Err(PayloadError::Type(other)),
        }
    }

    fn finish(&mut self) -> Option<VideoFrame> {
        let whole = self.fragment.is_none();
        let unit = store(std::mem::take(&mut self.units).iter());
        self.reset();
        let has_sets = unit.vps.is_some() || unit.sps.is_some() || !unit.pps.is_empty();
        self.vps = unit.vps.clone().unwrap_or_else(|| std::mem::take(&mut self.vps));
        self.sps = unit.sps.clone().unwrap_or_else(|| std::mem::take(&mut self.sps));
        if !unit.pps.is_empty() {
            self.pps = unit.pps.iter().take(PPS_MAX).cloned().collect();
        }
        if !whole || unit.payload.is_empty() {
            return None;
        }
        let config = HevcConfig::new(self.vps.clone(), self.sps.clone(), self.pps.clone());
        let droppable = config.as_ref().is_ok_and(|config| config.is_droppable(&unit));
        let config = config.ok().filter(|_| has_sets).map(CodecConfig::H265);
        Some(VideoFrame { payload: unit.payload, key: unit.key, droppable, config })
    }

    fn reset(&mut self) {
        self.units.clear();
        self.fragment = None;
        self.length = 0;
    }
}

impl H265Depacketizer {
    fn unit(&mut self, unit: Bytes) -> Result<(), PayloadError> {
        if self.units.len() == UNITS_MAX {
            return Err(PayloadError::TooBig);
        }
        self.units.push(unit);
        Ok(())
    }

    fn aggregate(&mut self, mut rest: &[u8]) -> Result<(), PayloadError> {
        self.fragment = None;
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<2>().ok_or(PayloadError::Aggregate)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, after) = after.split_at_checked(length).ok_or(PayloadError::Aggregate)?;
            self.unit(Bytes::copy_from_slice(unit))?;
            rest = after;
        }
        Ok(())
    }

    fn fragment(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let [first, second, fu_header, body @ ..] = payload else {
            return Err(PayloadError::Short(payload.len()));
        };
        let (is_start, is_end) = (fu_header & 0x80 != 0, fu_header & 0x40 != 0);
        if is_start {
            let mut unit = BytesMut::with_capacity(body.len() * 4);
            unit.put_slice(&[first & 0x81 | (fu_header & 0x3f) << 1, *second]);
            self.fragment = Some(unit);
        }
        let mut unit = self.fragment.take().ok_or(PayloadError::Fragment)?;
        unit.put_slice(body);
        if is_end {
            return self.unit(unit.freeze());
        }
        self.fragment = Some(unit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packetize_h265;
    use proptest::prelude::*;
    use unisono_base::MediaTime;
    use unisono_media::Frame;

    const VPS: [u8; 3] = [0x40, 0x01, 0x0c];
    const PPS: [u8; 3] = [0x44, 0x01, 0xc0];
    /// x265, 640x360, Main.
    const SPS: [u8; 45] = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3f, 0xa0, 0x05, 0x02, 0x01, 0x71, 0xf2, 0xe5, 0xba, 0x4a, 0x4c, 0x2f, 0x01, 0x68, 0x08, 0x00, 0x00,
        0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x40, 0x00, 0x00,
    ];

    fn config() -> HevcConfig {
        let pps = vec![Bytes::from_static(&PPS)];
        HevcConfig::new(Bytes::from_static(&VPS), Bytes::from_static(&SPS), pps).expect("valid")
    }

    fn frame(sizes: &[usize], key: bool) -> Frame {
        let mut payload = BytesMut::new();
        for size in sizes {
            payload.put_u32(*size as u32 + 2);
            payload.put_slice(&[if key { 0x26 } else { 0x02 }, 1]);
            (0..*size).for_each(|i| payload.put_u8(i as u8));
        }
        let t = MediaTime::from_micros(0);
        let mut frame = Frame::new(t, t, payload.freeze());
        frame.key = key;
        frame
    }

    #[test]
    fn a_keyframe_carries_its_parameter_sets() {
        let packets = packetize_h265(&frame(&[5_000], true), &config(), 1_148);
        let mut depacketizer = H265Depacketizer::default();
        assert!(depacketizer.is_start(&packets.list[0].payload));
        assert!(!depacketizer.is_start(&packets.list[1].payload));
        packets.list.iter().for_each(|packet| depacketizer.push(&packet.payload).expect("valid"));
        let back = depacketizer.finish().expect("whole");
        assert_eq!(back.config, Some(CodecConfig::H265(config())));
        assert!(back.key && back.payload == frame(&[5_000], true).payload);
    }

    #[test]
    fn parameter_sets_of_an_earlier_unit_count() {
        let mut depacketizer = H265Depacketizer::default();
        for set in [&VPS[..], &SPS] {
            depacketizer.push(set).expect("valid");
        }
        assert!(depacketizer.finish().is_none(), "no picture");
        depacketizer.push(&PPS).expect("valid");
        depacketizer.push(&[0x26, 1, 7]).expect("valid");
        assert_eq!(depacketizer.finish().expect("whole").config, Some(CodecConfig::H265(config())));
    }

    #[test]
    fn a_fragment_without_its_start_or_end_is_no_frame() {
        let mut depacketizer = H265Depacketizer::default();
        assert_eq!(depacketizer.push(&[0x62, 1, 0x01, 9]), Err(PayloadError::Fragment));
        depacketizer.reset();
        depacketizer.push(&[0x62, 1, 0x81, 9]).expect("valid");
        assert!(depacketizer.finish().is_none());
    }

    proptest! {
        #[test]
        fn what_was_packetized_comes_back(
            sizes in proptest::collection::vec(1usize..4_000, 1..6), payload_max in 64usize..1_400, key in any::<bool>(),
        ) {
            let frame = frame(&sizes, key);
            let packets = packetize_h265(&frame, &config(), payload_max);
            let mut depacketizer = H265Depacketizer::default();
            for packet in &packets.list {
                prop_assert!(packet.payload.len() <= payload_max);
                depacketizer.push(&packet.payload).expect("valid");
            }
            let back = depacketizer.finish().expect("whole");
            prop_assert_eq!(back.payload, frame.payload);
            prop_assert_eq!(back.key, key);
        }

        #[test]
        fn garbage_never_panics(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..40)) {
            let mut depacketizer = H265Depacketizer::default();
            for payload in payloads {
                if depacketizer.push(&payload).is_err() {
                    depacketizer.reset();
                }
            }
            let _ = depacketizer.finish();
        }
    }
}
