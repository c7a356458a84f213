//! PATCH bodies of one session, cut at NULs: trickled candidates and ICE restarts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{net::SocketAddr, sync::OnceLock, time::Instant};
use unisono_proto_webrtc::{Identity, Ingress, PatchOutcome, Session};

const OFFER: &str = include_str!("../../crates/proto/webrtc/tests/peers/chromium-whip.sdp");

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
}

fuzz_target!(|text: &str| {
    let now = Instant::now();
    let candidates = [SocketAddr::from(([192, 0, 2, 1], 8189))];
    let (mut session, _) = Ingress::accept(identity(), OFFER, &candidates, now).expect("a real offer");
    for fragment in text.split('\0').take(16) {
        let before = session.local_ufrag().to_owned();
        let outcome = session.handle_patch(now, fragment);
        let restarted = matches!(outcome, Ok(PatchOutcome::Restarted { .. }));
        assert_eq!(restarted, before != session.local_ufrag(), "new credentials are a restart");
    }
});
