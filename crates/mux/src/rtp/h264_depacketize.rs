//! RTP payloads to H.264 access units in stored form (RFC 6184), one copy.

use super::{
    depacketize::{Depacketizer, FRAME_MAX, PayloadError, VideoFrame},
    h264::{FU_A, STAP_A},
};
use bytes::{BufMut, Bytes, BytesMut};
use unisono_media::{
    AvcConfig, CodecConfig,
    h264::{AccessUnit, nal},
};

/// H.264 allows 256 picture parameter sets.
const PPS_MAX: usize = 256;

/// See [`Depacketizer`]: access units, and the parameter sets that were seen.
#[derive(Debug, Default)]
pub(super) struct H264Depacketizer {
    assembler: AccessUnitAssembler,
    sps: Option<Bytes>,
    pps: Vec<Bytes>,
}

impl Depacketizer for H264Depacketizer {
    /// One that begins with parameter sets or a delimiter.
    fn is_start(&self, payload: &[u8]) -> bool {
        let kind = |at: usize| payload.get(at).map(|header| header & 0x1f);
        match kind(0) {
            Some(STAP_A) => kind(3) == Some(nal::SPS),
            first => matches!(first, Some(nal::SPS | nal::AUD)),
        }
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        self.assembler.push(payload)
    }

    fn finish(&mut self) -> Option<VideoFrame> {
        let unit = self.assembler.finish()?;
        let config = self.learn(&unit);
        let AccessUnit { payload, key, droppable, .. } = unit;
        Some(VideoFrame { payload, key, droppable, config })
    }

    fn reset(&mut self) {
        self.assembler.reset();
    }
}

impl H264Depacketizer {
    fn learn(&mut self, unit: &AccessUnit) -> Option<CodecConfig> {
        if unit.sps.is_none() && unit.pps.is_empty() {
            return None;
        }
        if unit.sps.is_some() {
            self.sps.clone_from(&unit.sps);
        }
        if !unit.pps.is_empty() {
            self.pps.clone_from(&unit.pps);
        }
        AvcConfig::new(self.sps.clone()?, self.pps.clone()).ok().map(CodecConfig::H264)
    }
}

/// Puts the payloads of one access unit together, in order; parameter sets, delimiters and filler are taken out
/// on the way.
#[derive(Debug, Default)]
pub struct AccessUnitAssembler {
    payload: BytesMut,
    /// Where the length field of the unit being put together stands, and whether it will be kept.
    fragment: Option<Fragment>,
    sps: Option<Bytes>,
    pps: Vec<Bytes>,
    key: bool,
    has_slice: bool,
    has_reference: bool,
}

#[derive(Debug)]
struct Fragment {
    start: usize,
}

impl AccessUnitAssembler {
    /// Adds the next payload in sequence order. After an error, call [`Self::reset`] and wait for the next
    /// access unit.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let &first = payload.first().ok_or(PayloadError::Short(0))?;
        if self.payload.len() + payload.len() > FRAME_MAX {
            return Err(PayloadError::TooBig);
        }
        match first & 0x1f {
            1..=23 => {
                self.abandon_fragment();
                self.unit(payload)
            }
            STAP_A => self.aggregate(&payload[1..]),
            FU_A => self.fragment(first, payload),
            other => Err(PayloadError::Type(other)),
        }
    }

    /// The access unit put together so far, and a fresh start. `None` when it has no slice; parameter sets seen
    /// alone are kept for the access unit that follows.
    pub fn finish(&mut self) -> Option<AccessUnit> {
        let unfinished = self.fragment.take().is_some();
        if !self.has_slice || unfinished {
            self.payload.clear();
            self.has_slice = false;
            return None;
        }
        let unit = AccessUnit {
            payload: self.payload.split().freeze(),
            key: self.key,
            droppable: !self.has_reference,
            sps: self.sps.take(),
            pps: std::mem::take(&mut self.pps),
        };
        self.reset();
        Some(unit)
    }

    /// Forgets what has been put together.
    pub fn reset(&mut self) {
        self.payload.clear();
        self.fragment = None;
        self.sps = None;
        self.pps.clear();
        (self.key, self.has_slice, self.has_reference) = (false, false, false);
    }

    /// True while nothing of an access unit is held.
    pub fn is_empty(&self) -> bool {
        self.payload.is_empty() && self.fragment.is_none()
    }

    fn aggregate(&mut self, mut rest: &[u8]) -> Result<(), PayloadError> {
        self.abandon_fragment();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<2>().ok_or(PayloadError::Aggregate)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, after) = after.split_at_checked(length).ok_or(PayloadError::Aggregate)?;
            self.unit(unit)?;
            rest = after;
        }
        Ok(())
    }

    fn fragment(&mut self, indicator: u8, payload: &[u8]) -> Result<(), PayloadError> {
        let [_, fu_header, body @ ..] = payload else { return Err(PayloadError::Short(payload.len())) };
        let (is_start, is_end) = (fu_header & 0x80 != 0, fu_header & 0x40 != 0);
        if is_start {
            self.abandon_fragment();
            let start = self.payload.len();
            self.payload.put_u32(0);
            self.payload.put_u8(indicator & 0xe0 | fu_header & 0x1f);
            self.fragment = Some(Fragment { start });
        }
        let Some(Fragment { start }) = self.fragment else { return Err(PayloadError::Fragment) };
        self.payload.extend_from_slice(body);
        if is_end {
            self.fragment = None;
            let length = self.payload.len() - start - 4;
            self.payload[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
            let header = self.payload[start + 4];
            if !self.note(header) {
                let unit = self.payload.split_off(start).freeze().slice(4..);
                self.keep_aside(&unit);
            }
        }
        Ok(())
    }

    /// Takes back a unit whose last fragment did not come before another unit: its length field is still empty.
    fn abandon_fragment(&mut self) {
        if let Some(Fragment { start }) = self.fragment.take() {
            self.payload.truncate(start);
        }
    }

    /// A whole NAL unit.
    fn unit(&mut self, unit: &[u8]) -> Result<(), PayloadError> {
        let Some(&header) = unit.first() else { return Ok(()) };
        if self.note(header) {
            self.payload.put_u32(unit.len() as u32);
            self.payload.extend_from_slice(unit);
        } else {
            self.keep_aside(&Bytes::copy_from_slice(unit));
        }
        Ok(())
    }

    /// Learns from a unit's header; true when the unit belongs into the payload.
    fn note(&mut self, header: u8) -> bool {
        let kind = header & 0x1f;
        if (nal::SLICE..=nal::IDR).contains(&kind) {
            self.has_slice = true;
            self.key |= kind == nal::IDR;
            self.has_reference |= header & 0x60 != 0;
        }
        !matches!(kind, nal::SPS | nal::PPS | nal::AUD | nal::FILLER)
    }

    fn keep_aside(&mut self, unit: &Bytes) {
        match unit[0] & 0x1f {
            nal::SPS => self.sps = Some(unit.clone()),
            nal::PPS if self.pps.len() < PPS_MAX => self.pps.push(unit.clone()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packetize_h264;
    use proptest::prelude::*;
    use unisono_base::MediaTime;
    use unisono_media::{AvcConfig, Frame};

    const SPS: [u8; 25] = [
        0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
        0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
    ];

    fn config() -> AvcConfig {
        AvcConfig::new(Bytes::from_static(&SPS), vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])])
            .expect("valid")
    }

    fn frame(units: &[Vec<u8>], key: bool) -> Frame {
        let mut payload = BytesMut::new();
        for unit in units {
            payload.put_u32(unit.len() as u32);
            payload.extend_from_slice(unit);
        }
        let t = MediaTime::from_micros(0);
        let mut frame = Frame::new(t, t, payload.freeze());
        frame.key = key;
        frame
    }

    #[test]
    fn a_keyframe_carries_its_parameter_sets_and_fragments_of_equal_length() {
        let mut idr = vec![0x65];
        idr.extend((0..5_000u32).map(|i| i as u8));
        let frame = frame(&[idr], true);
        let packets = packetize_h264(&frame, &config(), 1_148);
        let sizes: Vec<_> = packets.list.iter().map(|p| p.payload.len()).collect();
        assert_eq!(&sizes[1..5], &[1_148; 4]);
        assert_eq!(packets.list.iter().filter(|p| p.marker).count(), 1);
        let mut assembler = AccessUnitAssembler::default();
        packets.list.iter().for_each(|p| assembler.push(&p.payload).expect("valid"));
        let unit = assembler.finish().expect("complete");
        assert_eq!(unit.payload, frame.payload);
        assert_eq!((unit.sps.as_deref(), unit.pps.len(), unit.key), (Some(&SPS[..]), 1, true));
    }

    /// Found by fuzzing: the half unit stayed in the payload, with a length of zero before it.
    #[test]
    fn a_fragment_that_never_ends_leaves_nothing_behind() {
        let start: &[u8] = &[0x7c, 0x85, 0xff, 0xff, 0xff];
        let nexts: [(&[&[u8]], &[u8]); 3] = [
            (&[&[0x7c, 0x85, 1, 2], &[0x7c, 0x45, 3]], &[0, 0, 0, 4, 0x65, 1, 2, 3]),
            (&[&[0x65, 1, 2]], &[0, 0, 0, 3, 0x65, 1, 2]),
            (&[&[0x78, 0, 2, 0x65, 9]], &[0, 0, 0, 2, 0x65, 9]),
        ];
        for (next, expected) in nexts {
            let mut assembler = AccessUnitAssembler::default();
            std::iter::once(&start).chain(next).for_each(|p| assembler.push(p).expect("valid"));
            assert_eq!(assembler.finish().expect("complete").payload, expected);
        }
    }

    proptest! {
        #[test]
        fn what_was_packetized_comes_back(
            sizes in proptest::collection::vec(1usize..4_000, 1..6), payload_max in 100usize..1_400,
        ) {
            let units: Vec<_> = sizes.iter().map(|n| {
                let mut unit = vec![0x41];
                unit.extend((1..*n).map(|i| i as u8));
                unit
            }).collect();
            let frame = frame(&units, false);
            let packets = packetize_h264(&frame, &config(), payload_max);
            let mut assembler = AccessUnitAssembler::default();
            for packet in &packets.list {
                prop_assert!(packet.payload.len() <= payload_max);
                assembler.push(&packet.payload).expect("valid");
            }
            prop_assert_eq!(assembler.finish().expect("complete").payload, frame.payload);
        }

        #[test]
        fn garbage_never_panics(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..40)) {
            let mut assembler = AccessUnitAssembler::default();
            for payload in payloads {
                if assembler.push(&payload).is_err() {
                    assembler.reset();
                }
            }
            let _ = assembler.finish();
        }
    }
}
