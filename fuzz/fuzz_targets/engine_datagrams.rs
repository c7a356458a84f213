//! Datagrams at the door of an engine: STUN, DTLS, SRTP and SRTCP, from its peer and from strangers. Each is a byte that says
//! who sends it and how much time passes, two bytes of length, and its content. By the first byte of all, the peer has
//! sent a valid check before, without which everything but STUN is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};
use str0m::{
    crypto::from_feature_flags,
    ice::{StunMessage, TransId},
};
use bytes::Bytes;
use unisono_media::{AvcConfig, CodecConfig};
use unisono_proto_webrtc::{Engine, Identity, Session, Wanted};

const OFFER: &str = include_str!("../../crates/proto/webrtc/tests/peers/chromium-whep.sdp");

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];
const PPS: &[u8] = &[0x68, 0xee, 0x3c, 0x80];

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
}

/// A check with the answer's credentials.
fn check(answer: &str) -> Vec<u8> {
    let value = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).expect("a credential").trim().to_owned()
    };
    let username = format!("{}:{}", value(answer, "a=ice-ufrag:"), value(OFFER, "a=ice-ufrag:"));
    let request = StunMessage::binding_request(&username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 400];
    let hmac = |key: &[u8], parts: &[&[u8]]| from_feature_flags().sha1_hmac_provider.sha1_hmac(key, parts);
    let password = value(answer, "a=ice-pwd:");
    let length = request.to_bytes(Some(password.as_bytes()), &mut bytes, hmac).expect("fits");
    bytes.truncate(length);
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let server = SocketAddr::from(([192, 0, 2, 1], 8189));
    let [peer, stranger] = [2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 5000)));
    let mut now = Instant::now();
    let avc = AvcConfig::new(Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]).expect("valid");
    let config = CodecConfig::H264(avc);
    let wanted = Wanted { video: Some(&config), audio: true };
    let (mut session, answer) = Engine::accept(identity(), OFFER, &[server], wanted, now).expect("a real offer");
    if first & 1 == 0 {
        assert!(session.handle_datagram(now, peer, server, &check(&answer)), "a valid check counts");
    }
    let (mut received, mut sent) = (0, 0);
    while let Some((&[how, high, low], after)) = rest.split_first_chunk::<3>() {
        let (bytes, after) = after.split_at((usize::from(high) << 8 | usize::from(low)).min(after.len()));
        rest = after;
        let from = if how & 1 == 0 { peer } else { stranger };
        if from == peer {
            received += bytes.len();
        }
        now += Duration::from_millis(u64::from(how >> 1));
        session.handle_datagram(now, from, server, bytes);
        session.handle_timeout(now);
        while let Some(transmit) = session.poll_transmit() {
            assert_ne!(transmit.path.remote, stranger, "who has not shown the password gets nothing");
            sent += transmit.bytes.len();
        }
        while session.poll_event().is_some() {}
        while session.poll_resend().is_some() {}
        // Nobody can sign an answer to our check here, so the peer stays unproven.
        assert!(sent <= 3 * (received + 400), "{sent} bytes for {received}");
    }
});
