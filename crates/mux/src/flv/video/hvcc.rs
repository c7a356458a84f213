//! HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1), the H.265 sequence header.
//!
//! ```text
//! version=1(8) profile, tier, level and formats(160)  ... length size - 1 (2)
//! array count(8) { completeness(1) reserved(1) NAL unit type(6) count(16) { length(16) unit } }
//! ```

use crate::flv::{FlvError, nal};
use bytes::Bytes;
use unisono_media::{HevcConfig, h265};

/// Where the length size stands, in its two low bits.
const LENGTH_SIZE_AT: usize = 21;
/// Where the arrays begin: behind their count.
const ARRAYS_AT: usize = 23;

/// The record, read.
pub(super) struct Hvcc {
    /// `None` for a record without parameter sets: they come in band.
    pub(super) config: Option<HevcConfig>,
    /// Bytes of each NAL unit's length field in what follows: 1 to 4.
    pub(super) length_size: usize,
}

pub(super) fn parse(record: &Bytes) -> Result<Hvcc, FlvError> {
    let malformed = |fault| FlvError::SequenceHeader { codec: "H.265", fault };
    let (Some(&lengths), Some(&arrays)) = (record.get(LENGTH_SIZE_AT), record.get(ARRAYS_AT - 1)) else {
        return Err(malformed("shorter than 23 bytes"));
    };
    // Old muxers wrote version 0 for the same layout.
    if record[0] > 1 {
        return Err(malformed("version is not 1"));
    }
    let (mut vps, mut sps, mut pps) = (None, None, Vec::new());
    let mut at = ARRAYS_AT;
    for _ in 0..arrays {
        let Some(&[kind, high, low]) = record.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Err(malformed("it ends inside an array"));
        };
        at += 3;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let unit = nal::parameter_set(record, &mut at)
                .ok_or(malformed("a parameter set is empty or runs past its end"))?;
            match kind & 0x3f {
                h265::nal::VPS => drop(vps.get_or_insert(unit)),
                h265::nal::SPS => drop(sps.get_or_insert(unit)),
                h265::nal::PPS => nal::merge_pps(&mut pps, vec![unit], h265::HEADER_BYTES),
                _ => {} // SEI and the like
            }
        }
    }
    let length_size = usize::from(lengths & 3) + 1;
    let Some(sps) = sps else { return Ok(Hvcc { config: None, length_size }) };
    let config = HevcConfig::new(vps.unwrap_or_default(), sps, pps);
    let config = config.map_err(|error| FlvError::Configuration(error.into()))?;
    Ok(Hvcc { config: Some(config), length_size })
}
