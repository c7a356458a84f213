//! Open bitstream units (AV1 bitstream specification §5.3 to §5.5).

use super::Error;
use bytes::{BufMut, Bytes, BytesMut};
use std::ops::Range;

/// `obu_has_size_field` in an OBU header.
const HAS_SIZE: u8 = 2;

/// Kind of an OBU (AV1 §6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ObuKind {
    SequenceHeader,
    TemporalDelimiter,
    FrameHeader,
    TileGroup,
    Metadata,
    Frame,
    RedundantFrameHeader,
    TileList,
    Padding,
    Reserved(u8),
}

impl ObuKind {
    /// From the four bits of an OBU header.
    pub const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::SequenceHeader,
            2 => Self::TemporalDelimiter,
            3 => Self::FrameHeader,
            4 => Self::TileGroup,
            5 => Self::Metadata,
            6 => Self::Frame,
            7 => Self::RedundantFrameHeader,
            8 => Self::TileList,
            15 => Self::Padding,
            other => Self::Reserved(other),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::SequenceHeader => 1,
            Self::TemporalDelimiter => 2,
            Self::FrameHeader => 3,
            Self::TileGroup => 4,
            Self::Metadata => 5,
            Self::Frame => 6,
            Self::RedundantFrameHeader => 7,
            Self::TileList => 8,
            Self::Padding => 15,
            Self::Reserved(bits) => bits & 15,
        }
    }

    /// The OBU header byte with neither extension nor size flag.
    pub const fn header(self) -> u8 {
        self.bits() << 3
    }
}

/// One OBU, its size field taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obu {
    /// What it holds.
    pub kind: ObuKind,
    /// `temporal_id`, `spatial_id` and three reserved bits, where the header has them.
    pub extension: Option<u8>,
    /// What follows header and size.
    pub payload: Bytes,
}

impl Obu {
    /// Reads one without size field: all of `unit` is the OBU, as in RTP. Also takes one that has the field and is
    /// no longer than it says. `None` where it is cut short.
    pub fn from_element(unit: &Bytes) -> Option<Self> {
        let (obu, used) = read(unit)?;
        (used <= unit.len()).then_some(obu)
    }

    /// Writes its header, extension included, without a size field.
    pub fn write_header(&self, out: &mut BytesMut) {
        out.put_u8(self.kind.header() | if self.extension.is_some() { 4 } else { 0 });
        if let Some(extension) = self.extension {
            out.put_u8(extension);
        }
    }

    /// Stands at `place` of `unit` as [`Self::write`] would write it.
    pub(super) fn is_as_written(&self, unit: &[u8], place: &Range<usize>) -> bool {
        unit[place.start] & HAS_SIZE != 0 && place.len() == self.written_len()
    }

    /// Bytes that [`Self::write`] makes of it.
    pub(super) fn written_len(&self) -> usize {
        let size_bytes = self.payload.len().max(1).ilog2() as usize / 7 + 1;
        1 + usize::from(self.extension.is_some()) + size_bytes + self.payload.len()
    }

    /// Writes it with a size field.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.kind.header() | if self.extension.is_some() { 6 } else { 2 });
        if let Some(extension) = self.extension {
            out.put_u8(extension);
        }
        put_leb128(out, self.payload.len());
        out.put_slice(&self.payload);
    }
}

/// Writes an OBU with a size field from its header byte (without flags) and payload.
pub fn write_obu(out: &mut BytesMut, header: u8, payload: &[u8]) {
    out.put_u8(header | HAS_SIZE);
    put_leb128(out, payload.len());
    out.put_slice(payload);
}

/// The OBUs of a temporal unit in the low-overhead format (§5.2); one without size field takes all that is left.
pub fn obus(unit: &Bytes) -> impl Iterator<Item = Result<Obu, Error>> + '_ {
    placed(unit).map(|placed| placed.map(|(obu, _)| obu))
}

/// [`obus`], each with the bytes it takes up.
pub(super) fn placed(unit: &Bytes) -> impl Iterator<Item = Result<(Obu, Range<usize>), Error>> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if offset >= unit.len() {
            return None;
        }
        let at = offset;
        match read(&unit.slice(at..)) {
            Some((obu, used)) => {
                offset += used;
                Some(Ok((obu, at..offset)))
            }
            None => {
                offset = unit.len();
                Some(Err(Error::ObuLength { offset: at, total: unit.len() }))
            }
        }
    })
}

/// The OBU at the start of `bytes`, and how many bytes it takes.
fn read(bytes: &Bytes) -> Option<(Obu, usize)> {
    let &header = bytes.first()?;
    let mut at = 1;
    let extension = match header & 4 {
        0 => None,
        _ => {
            at += 1;
            Some(*bytes.get(1)?)
        }
    };
    let length = match header & HAS_SIZE {
        0 => bytes.len() - at,
        _ => {
            let (value, size) = leb128(&bytes[at..])?;
            at += size;
            value
        }
    };
    let end = at.checked_add(length).filter(|end| *end <= bytes.len())?;
    let kind = ObuKind::from_bits(header >> 3 & 15);
    Some((Obu { kind, extension, payload: bytes.slice(at..end) }, end))
}

/// A number of at most 32 bits in leb128 (§4.10.5), and how many bytes it takes. `None` where it is cut short or
/// larger.
pub fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()? as usize, index + 1));
        }
    }
    None
}

/// Writes a number in leb128 (§4.10.5).
pub fn put_leb128(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
