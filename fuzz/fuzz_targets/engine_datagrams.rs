//! Datagrams at the door of a viewer's engine.

#![no_main]

mod door;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use unisono_media::{AvcConfig, CodecConfig};
use unisono_proto_webrtc::{Engine, Wanted};

const OFFER: &str = include_str!("../../crates/proto/webrtc/tests/peers/chromium-whep.sdp");

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];
const PPS: &[u8] = &[0x68, 0xee, 0x3c, 0x80];

fuzz_target!(|data: &[u8]| {
    let avc = AvcConfig::new(Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]).expect("valid");
    let config = CodecConfig::H264(avc);
    let wanted = Wanted { video: Some(&config), audio: true };
    let accept = |now| {
        Engine::accept(door::identity(), OFFER, &[door::server()], wanted, now).expect("a real offer")
    };
    door::knock(data, OFFER, accept, |session| {
        while session.poll_event().is_some() {}
        while session.poll_resend().is_some() {}
    });
});
