//! RTP payloads of one H.264 picture: each is a length byte and so many bytes; a length of zero ends the access unit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_media::h264::length_prefixed;
use unisono_mux::rtp::AccessUnitAssembler;

fuzz_target!(|data: &[u8]| {
    let mut assembler = AccessUnitAssembler::default();
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let (payload, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        if length > 0 {
            if assembler.push(payload).is_err() {
                assembler.reset();
            }
        } else if let Some(unit) = assembler.finish() {
            let payload = unit.payload.clone();
            assert!(length_prefixed(&payload).all(|unit| unit.is_ok()), "lengths add up");
            assert!(assembler.is_empty());
        }
    }
});
