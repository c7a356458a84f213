//! The send time inside a frame: an SEI message (user_data_unregistered, ITU-T H.264 §D.1.7) that every server
//! passes on, because it belongs to the access unit.
//!
//! ```text
//! 06 | 05 | 32 | UUID, 16 bytes | Unix microseconds as 16 hexadecimal digits | 80
//! ```
//! Digits instead of a number: no byte of it needs emulation prevention.

use std::time::{SystemTime, UNIX_EPOCH};

const UUID: [u8; 16] = *b"\xd3\x1c\x5au\x6e\x69\x73\x4f\xb1\x6e\x63\x68\x77\x61\x74\x63";
const DIGITS: usize = 16;
/// Parameter sets that may stand before the message in an aggregation packet are shorter than this.
const SEARCHED: usize = 160;

/// Microseconds since the Unix epoch by the system's clock, which sender and receiver share.
pub(super) fn unix_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// The SEI NAL unit for `micros`.
pub(super) fn sei(micros: u64) -> Vec<u8> {
    let mut unit = vec![0x06, 0x05, (UUID.len() + DIGITS) as u8];
    unit.extend_from_slice(&UUID);
    unit.extend_from_slice(format!("{micros:016x}").as_bytes());
    unit.push(0x80);
    unit
}

/// The send time in an RTP payload, alone or aggregated with other units.
pub(super) fn find(payload: &[u8]) -> Option<u64> {
    let head = &payload[..payload.len().min(SEARCHED)];
    let at = head.windows(UUID.len()).position(|window| window == UUID)? + UUID.len();
    let digits = std::str::from_utf8(head.get(at..at + DIGITS)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_behind_other_units() {
        let unit = sei(1_763_700_000_123_456);
        let mut payload = vec![24, 0, 2, 0x67, 0x42, 0, unit.len() as u8];
        payload.extend_from_slice(&unit);
        assert_eq!(find(&payload), Some(1_763_700_000_123_456));
        assert_eq!(find(&unit[..30]), None, "cut off");
    }

    #[test]
    fn it_needs_no_emulation_prevention() {
        assert!(sei(0).windows(2).all(|pair| pair != [0, 0]));
    }
}
