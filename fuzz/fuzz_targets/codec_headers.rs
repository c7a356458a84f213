//! Codec configurations and access units as publishers send them: the first byte chooses the reader.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use unisono_media::{AacConfig, AvcConfig, h264, opus_packet_duration};

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(rest);
    match first % 5 {
        0 => drop(h264::Sps::parse(&bytes)),
        1 => drop(AacConfig::parse(bytes)),
        2 => {
            let cut = bytes.len() / 2;
            drop(AvcConfig::new(bytes.slice(..cut), vec![bytes.slice(cut..)]));
        }
        3 => {
            if let Ok(unit) = h264::store_length_prefixed(&bytes) {
                assert!(h264::length_prefixed(&unit.payload).all(|unit| unit.is_ok()), "lengths add up");
            }
            let _ = h264::annex_b(&bytes).count();
        }
        _ => {
            if let Some(duration) = opus_packet_duration(&bytes) {
                // RFC 6716 §3.2.5: at most 120 ms.
                assert!((1..=120_000).contains(&duration.as_micros()), "{duration}");
            }
        }
    }
});
