//! AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1), the H.264 sequence header.
//!
//! ```text
//! version=1(8) profile(8) compatibility(8) level(8) reserved(6) length size - 1 (2)
//! reserved(3) SPS count(5) { length(16) SPS }  PPS count(8) { length(16) PPS }  [extensions, not read]
//! ```

use crate::flv::{FlvError, nal};
use bytes::Bytes;
use unisono_media::AvcConfig;

/// The record, read.
pub(super) struct Avcc {
    pub(super) config: AvcConfig,
    /// Bytes of each NAL unit's length field in what follows: 1 to 4.
    pub(super) length_size: usize,
}

pub(super) fn parse(record: &Bytes) -> Result<Avcc, FlvError> {
    let malformed = |fault| FlvError::SequenceHeader { codec: "H.264", fault };
    let &[version, _, _, _, lengths, sps_count, ..] = &record[..] else {
        return Err(malformed("shorter than six bytes"));
    };
    if version != 1 {
        return Err(malformed("version is not 1"));
    }
    let mut at = 6;
    let next = |at: &mut usize| {
        nal::parameter_set(record, at).ok_or(malformed("a parameter set is empty or runs past its end"))
    };
    let mut sps = None;
    // Encoders send one; of several the first is the one in use.
    for _ in 0..sps_count & 0x1f {
        let unit = next(&mut at)?;
        sps.get_or_insert(unit);
    }
    let sps = sps.ok_or(malformed("it has no SPS"))?;
    let &pps_count = record.get(at).ok_or(malformed("it ends before the PPS"))?;
    at += 1;
    let pps = (0..pps_count).map(|_| next(&mut at)).collect::<Result<Vec<_>, _>>()?;
    let config = AvcConfig::new(sps, pps).map_err(|error| FlvError::Configuration(error.into()))?;
    Ok(Avcc { config, length_size: usize::from(lengths & 3) + 1 })
}
