//! Offers to the engine: one, and at a NUL another one for the same session. The first byte chooses the picture.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::{net::SocketAddr, sync::OnceLock, time::Instant};
use unisono_media::{Av1Config, AvcConfig, CodecConfig, Vp8Config};
use unisono_proto_webrtc::{Engine, Identity, OfferError, Source, SourceKind};

const AV1_SEQUENCE: &[u8] = &[0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10];
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];
const PPS: &[u8] = &[0x68, 0xee, 0x3c, 0x80];

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (offer, another) = text.split_once('\0').unwrap_or((text, ""));
    let avc = AvcConfig::new(Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]).expect("valid");
    let config = match first & 3 {
        0 => CodecConfig::Vp8(Vp8Config { profile: 0, width: 640, height: 360 }),
        1 => CodecConfig::Av1(Av1Config::new(AV1_SEQUENCE).expect("valid")),
        _ => CodecConfig::H264(avc),
    };
    let source = |key, kind| Source { key, kind, playout_delay: None };
    let mut sources: Vec<_> = (0..u32::from(first >> 5)).map(|key| source(key, SourceKind::Video(&config))).collect();
    sources.push(source(9, SourceKind::Audio));
    let now = Instant::now();
    let candidates = [SocketAddr::from(([192, 0, 2, 1], 8189))];
    let (mut engine, answer) = match Engine::accept_sources(identity(), offer, &candidates, &sources, now) {
        Ok(accepted) => accepted,
        Err(OfferError::Internal(words)) => panic!("{words}"),
        Err(_) => return,
    };
    // Nothing of the offer breaks out of its line.
    assert!(answer.split("\r\n").all(|line| !line.contains(['\r', '\n'])), "{answer}");
    assert!(answer.len() < 4 * offer.len() + 16_384, "{} bytes for {}", answer.len(), offer.len());
    let before = engine.senders().count();
    if engine.reoffer(now, another, &sources).is_err() {
        assert_eq!(engine.senders().count(), before, "a refused offer changes nothing");
    }
});
