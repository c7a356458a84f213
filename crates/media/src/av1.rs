//! AV1 as far as a server must read it: OBUs, the sequence header, the stored form of a temporal unit.

mod obu;
mod sequence;

pub use obu::{Obu, ObuKind, leb128, obus, put_leb128, write_obu};
pub use sequence::SequenceHeader;

use crate::bits::Bits;
use bytes::{Bytes, BytesMut};

/// Why AV1 data was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An OBU runs past the end, or its size is no leb128.
    #[error("AV1 OBU at byte {offset} runs past the temporal unit of {total} bytes")]
    ObuLength {
        /// Where its header stands.
        offset: usize,
        /// Size of the temporal unit.
        total: usize,
    },
    /// The sequence header ends early or is longer than 256 bytes.
    #[error("AV1 sequence header of {0} bytes is truncated or over-long")]
    SequenceLength(usize),
    /// A value no encoder produces.
    #[error("AV1 sequence header has an impossible {0}")]
    SequenceValue(&'static str),
}

/// Configuration of an AV1 track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Av1Config {
    /// The sequence header OBU, header and size field included: the `configOBUs` of `av1C`.
    pub sequence_obu: Bytes,
    /// The parsed sequence header.
    pub sequence: SequenceHeader,
}

impl Av1Config {
    /// From the payload of a sequence header OBU, without OBU header.
    pub fn new(sequence_payload: &[u8]) -> Result<Self, Error> {
        let sequence = SequenceHeader::parse(sequence_payload)?;
        let mut sequence_obu = BytesMut::with_capacity(sequence_payload.len() + 3);
        write_obu(&mut sequence_obu, ObuKind::SequenceHeader.header(), sequence_payload);
        Ok(Self { sequence_obu: sequence_obu.freeze(), sequence })
    }

    /// The codecs parameter (AV1 codec ISO media file format binding §5): `av01.0.04M.08`.
    pub fn rfc6381(&self) -> String {
        let s = &self.sequence;
        let tier = if s.is_high_tier { 'H' } else { 'M' };
        format!("av01.{}.{:02}{tier}.{:02}", s.profile, s.level_idx, s.bit_depth)
    }
}

/// What ingest learns from one temporal unit besides its bytes.
#[derive(Debug, Default)]
pub struct TemporalUnit {
    /// Stored form: OBUs with size fields, without temporal delimiters, tile lists and padding. Empty where no
    /// picture is in it.
    pub payload: Bytes,
    /// Its first picture is a shown keyframe: decoding can start here, given the sequence header.
    pub key: bool,
    /// Payload of the sequence header found in it, last one wins.
    pub sequence: Option<Bytes>,
    has_picture: bool,
}

/// Sorts OBUs into stored form.
pub fn store<'a>(units: impl Iterator<Item = &'a Obu>) -> TemporalUnit {
    let mut unit = TemporalUnit::default();
    let mut payload = BytesMut::new();
    for obu in units.filter(|obu| is_kept(obu.kind)) {
        unit.note(obu);
        payload.reserve(obu.written_len());
        obu.write(&mut payload);
    }
    unit.payload = if unit.has_picture { payload.freeze() } else { Bytes::new() };
    unit
}

/// [`store`] for a temporal unit in the low-overhead format (FLV, MP4), whose last OBU may lack its size field. When
/// nothing has to be taken out but delimiters at its start, the payload is a view of `bytes` and no byte is copied.
pub fn store_temporal_unit(bytes: &Bytes) -> Result<TemporalUnit, Error> {
    let units = obu::placed(bytes).collect::<Result<Vec<_>, _>>()?;
    let delimiters = units.iter().take_while(|(obu, _)| obu.kind == ObuKind::TemporalDelimiter).count();
    let kept = &units[delimiters..];
    if !kept.iter().all(|(obu, place)| is_kept(obu.kind) && obu.is_as_written(bytes, place)) {
        return Ok(store(kept.iter().map(|(obu, _)| obu)));
    }
    let mut unit = TemporalUnit::default();
    kept.iter().for_each(|(obu, _)| unit.note(obu));
    if let Some((_, first)) = kept.first().filter(|_| unit.has_picture) {
        unit.payload = bytes.slice(first.start..);
    }
    Ok(unit)
}

/// Belongs into the stored form.
fn is_kept(kind: ObuKind) -> bool {
    !matches!(kind, ObuKind::TemporalDelimiter | ObuKind::TileList | ObuKind::Padding)
}

impl TemporalUnit {
    /// Takes in what an OBU says of the unit.
    fn note(&mut self, obu: &Obu) {
        match obu.kind {
            ObuKind::SequenceHeader => self.sequence = Some(obu.payload.clone()),
            ObuKind::Frame | ObuKind::FrameHeader => {
                self.key |= !self.has_picture && is_shown_keyframe(&obu.payload);
                self.has_picture = true;
            }
            _ => {}
        }
    }
}

/// `show_existing_frame == 0`, `frame_type == KEY_FRAME`, `show_frame == 1` (AV1 §5.9.2). A reduced still picture
/// has no such bits; live video is none.
fn is_shown_keyframe(frame_header: &[u8]) -> bool {
    let mut bits = Bits::new(frame_header);
    bits.read(4).is_some_and(|start| start == 0b0001)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// libaom, 640x360, Main profile, level 3.0 is enough for 30 fps.
    const SEQUENCE: [u8; 11] = [0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10];

    #[test]
    fn a_sequence_header_gives_size_and_profile() {
        let config = Av1Config::new(&SEQUENCE).expect("valid");
        let sequence = config.sequence;
        assert_eq!((sequence.width, sequence.height), (640, 360));
        assert_eq!((sequence.profile, sequence.bit_depth, sequence.is_monochrome), (0, 8, false));
        assert_eq!((sequence.subsampling_x, sequence.subsampling_y), (true, true));
        assert_eq!(config.rfc6381(), "av01.0.01M.08");
        assert_eq!(config.sequence_obu[..2], [0x0a, 11]);
    }

    fn frame(first: u8) -> Obu {
        Obu { kind: ObuKind::Frame, extension: None, payload: Bytes::copy_from_slice(&[first, 1, 2]) }
    }

    #[test]
    fn a_keyframe_is_known_and_the_delimiter_left_out() {
        let delimiter = Obu { kind: ObuKind::TemporalDelimiter, extension: None, payload: Bytes::new() };
        let sequence =
            Obu { kind: ObuKind::SequenceHeader, extension: None, payload: Bytes::from_static(&SEQUENCE) };
        let unit = store([&delimiter, &sequence, &frame(0x10)].into_iter());
        assert!(unit.key);
        assert_eq!(unit.sequence.as_deref(), Some(&SEQUENCE[..]));
        assert_eq!(unit.payload[..2], [0x0a, 11]);
        assert_eq!(unit.payload[13..], [0x32, 3, 0x10, 1, 2]);
    }

    #[test]
    fn a_delta_frame_is_no_keyframe() {
        assert!(!store([&frame(0x30)].into_iter()).key);
    }

    #[test]
    fn the_last_obu_may_lack_its_size() {
        let unit = store_temporal_unit(&Bytes::from_static(&[0x12, 0x00, 0x30, 0x10, 9])).expect("whole");
        assert_eq!(&unit.payload[..], &[0x32, 2, 0x10, 9]);
    }

    #[test]
    fn an_obu_past_the_end_is_refused() {
        let error = store_temporal_unit(&Bytes::from_static(&[0x32, 9, 1])).expect_err("refused");
        assert_eq!(error, Error::ObuLength { offset: 0, total: 3 });
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = SequenceHeader::parse(&bytes);
            let _ = store_temporal_unit(&Bytes::from(bytes));
        }
    }
}
