//! Datagrams at the door of a publisher's session.

#![no_main]

mod door;

use libfuzzer_sys::fuzz_target;
use unisono_proto_webrtc::Ingress;

const OFFER: &str = include_str!("../../crates/proto/webrtc/tests/peers/chromium-whip.sdp");

fuzz_target!(|data: &[u8]| {
    let accept =
        |now| Ingress::accept(door::identity(), OFFER, &[door::server()], now).expect("a real offer");
    door::knock(data, OFFER, accept, |session| while session.poll_event().is_some() {});
});
