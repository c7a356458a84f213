//! AV1: a sequence header where the first byte is even, else a temporal unit.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use unisono_media::{Av1Config, CodecConfig, av1};
use unisono_mux::fmp4;

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    if first % 2 == 0 {
        let Ok(config) = Av1Config::new(rest) else { return };
        let config = CodecConfig::Av1(config);
        assert!(config.rfc6381().starts_with("av01."));
        fmp4::header(&config).expect("written");
        return;
    }
    let Ok(unit) = av1::store_temporal_unit(&Bytes::copy_from_slice(rest)) else { return };
    if unit.payload.is_empty() {
        return;
    }
    let again = av1::store_temporal_unit(&unit.payload).expect("the stored form can be read");
    assert_eq!((&again.payload, again.key), (&unit.payload, unit.key), "storing twice changes nothing");
    assert_eq!(again.payload.as_ptr(), unit.payload.as_ptr(), "and copies nothing");
    for obu in av1::obus(&unit.payload) {
        assert!(!matches!(
            obu.expect("whole").kind,
            av1::ObuKind::TemporalDelimiter | av1::ObuKind::TileList | av1::ObuKind::Padding
        ));
    }
});
