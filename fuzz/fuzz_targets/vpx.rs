//! The first bytes of a VP8 frame where the first byte is even, else of a VP9 frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_media::{CodecConfig, vp8, vp9};
use unisono_mux::fmp4;

fuzz_target!(|data: &[u8]| {
    let Some((&first, frame)) = data.split_first() else { return };
    let key = match first % 2 {
        0 => vp8::Header::parse(frame).ok().and_then(|header| header.key).map(CodecConfig::Vp8),
        _ => vp9::Header::parse(frame).ok().and_then(|header| header.key).map(CodecConfig::Vp9),
    };
    let Some(config) = key else { return };
    let picture = config.picture().expect("video");
    assert!(picture.width > 0 && picture.height > 0);
    assert!(config.rfc6381().starts_with("vp0"));
    // A side of 65536 does not fit.
    assert!(fmp4::header(&config).is_ok() || picture.width.max(picture.height) > u16::MAX.into());
});
