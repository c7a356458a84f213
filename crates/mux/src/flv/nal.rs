//! NAL units as FLV carries them: length fields of one to four bytes, parameter sets in records and in band.

use bytes::{BufMut, Bytes, BytesMut};
use unisono_media::h264;

/// Picture parameter sets kept; H.264 allows 256 and H.265 64, encoders use one or two.
const PPS_MAX: usize = 32;

/// The access unit with length fields of four bytes, as the stored form has them; no copy where it has.
pub(super) fn widen(data: &Bytes, size: usize) -> Result<Bytes, h264::Error> {
    if size == 4 {
        return Ok(data.clone());
    }
    let mut out = BytesMut::with_capacity(data.len() + data.len() / 16 + 16);
    let mut at = 0;
    while at < data.len() {
        let length = data.iter().skip(at).take(size).fold(0usize, |l, byte| l << 8 | usize::from(*byte));
        let Some(unit) = data.get(at + size..at + size + length) else {
            return Err(h264::Error::NalLength { length, offset: at, total: data.len() });
        };
        out.put_u32(length as u32);
        out.put_slice(unit);
        at += size + length;
    }
    Ok(out.freeze())
}

/// The parameter set behind a 16-bit length at `at` of a configuration record; `None` where it is empty or runs past
/// the end.
pub(super) fn parameter_set(record: &Bytes, at: &mut usize) -> Option<Bytes> {
    let length = record.get(*at..)?.first_chunk()?;
    let from = *at + 2;
    let to = from + usize::from(u16::from_be_bytes(*length));
    if to > record.len() || to == from {
        return None;
    }
    *at = to;
    Some(copied(&record.slice(from..to)))
}

/// A copy of its own: a view would hold the whole message for as long as the configuration lives.
pub(super) fn copied(unit: &Bytes) -> Bytes {
    Bytes::copy_from_slice(unit)
}

/// Puts new picture parameter sets among those there are, each in the place of the one of its id. `header` is the length
/// of a NAL unit's header.
pub(super) fn merge_pps(kept: &mut Vec<Bytes>, new: Vec<Bytes>, header: usize) {
    for unit in new {
        let id = pps_id(&unit, header);
        match kept.iter().position(|known| pps_id(known, header) == id) {
            Some(place) => kept[place] = unit,
            None if kept.len() < PPS_MAX => kept.push(unit),
            None => {}
        }
    }
}

/// `pic_parameter_set_id`, the first field of a PPS (H.264 §7.3.2.2, H.265 §7.3.2.3.1), or its first bytes where that is
/// garbage.
fn pps_id(unit: &Bytes, header: usize) -> u32 {
    let word =
        unit.iter().skip(header).chain(&[0; 4]).take(4).fold(0u32, |w, byte| w << 8 | u32::from(*byte));
    match word.leading_zeros() {
        zeros @ 0..=8 => (word >> (31 - 2 * zeros)) - 1,
        _ => word,
    }
}
