//! AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1), the AVC sequence header.
//!
//! ```text
//! version=1(8) profile(8) compatibility(8) level(8) reserved(6) length size - 1 (2)
//! reserved(3) SPS count(5) { length(16) SPS }  PPS count(8) { length(16) PPS }  [extensions, not read]
//! ```

use super::FlvError;
use bytes::Bytes;
use unisono_media::AvcConfig;

/// The record, read.
pub(super) struct Avcc {
    pub(super) config: AvcConfig,
    /// Bytes of each NAL unit's length field in what follows: 1 to 4.
    pub(super) length_size: usize,
}

pub(super) fn parse(record: &Bytes) -> Result<Avcc, FlvError> {
    let &[version, _, _, _, lengths, sps_count, ..] = &record[..] else {
        return Err(FlvError::SequenceHeader("shorter than six bytes"));
    };
    if version != 1 {
        return Err(FlvError::SequenceHeader("version is not 1"));
    }
    let mut at = 6;
    let mut sps = None;
    // Encoders send one; of several the first is the one in use.
    for _ in 0..sps_count & 0x1f {
        let unit = nal_unit(record, &mut at)?;
        sps.get_or_insert(unit);
    }
    let sps = sps.ok_or(FlvError::SequenceHeader("it has no SPS"))?;
    let &pps_count = record.get(at).ok_or(FlvError::SequenceHeader("it ends before the PPS"))?;
    at += 1;
    let pps = (0..pps_count).map(|_| nal_unit(record, &mut at)).collect::<Result<Vec<_>, _>>()?;
    let config = AvcConfig::new(sps, pps).map_err(FlvError::Configuration)?;
    Ok(Avcc { config, length_size: usize::from(lengths & 3) + 1 })
}

fn nal_unit(record: &Bytes, at: &mut usize) -> Result<Bytes, FlvError> {
    let short = FlvError::SequenceHeader("a parameter set runs past its end");
    let Some(length) = record.get(*at..).and_then(|rest| rest.first_chunk()) else { return Err(short) };
    let from = *at + 2;
    let to = from + usize::from(u16::from_be_bytes(*length));
    if to > record.len() || to == from {
        return Err(short);
    }
    *at = to;
    // A copy of its own: a view would hold the whole message for as long as the configuration lives.
    Ok(Bytes::copy_from_slice(&record[from..to]))
}
