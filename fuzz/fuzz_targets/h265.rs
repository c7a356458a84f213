//! H.265: a parameter set where the first byte is even, else a length-prefixed access unit.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use unisono_media::{
    CodecConfig, HevcConfig,
    h265::{self, Sps},
};
use unisono_mux::fmp4;

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    if first % 2 == 0 {
        return parameter_set(rest);
    }
    let Ok(unit) = h265::store_length_prefixed(&Bytes::copy_from_slice(rest)) else { return };
    if unit.payload.is_empty() {
        return;
    }
    let again = h265::store_length_prefixed(&unit.payload).expect("the stored form can be read");
    assert_eq!((&again.payload, again.key), (&unit.payload, unit.key), "storing twice changes nothing");
    assert!(again.sps.is_none() && again.vps.is_none() && again.pps.is_empty());
});

fn parameter_set(sps: &[u8]) {
    let Ok(parsed) = Sps::parse(sps) else { return };
    assert!(parsed.width > 0 && parsed.height > 0 && parsed.sub_layers <= 7);
    let unit = Bytes::from_static(&[0x40, 0x01]);
    let config = HevcConfig::new(unit.clone(), Bytes::copy_from_slice(sps), vec![unit]);
    let config = CodecConfig::H265(config.expect("its SPS can be read"));
    assert!(config.rfc6381().starts_with("hvc1."));
    fmp4::header(&config).expect("written");
}
