//! A session's door, for the targets that throw datagrams at one: STUN, DTLS, SRTP and SRTCP, from its peer and from
//! strangers. Each is a byte that says who sends it and how much time passes, two bytes of length, and its content. By
//! the first byte of all, the peer has sent a valid check before, without which everything but STUN is refused.

use std::{
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};
use str0m::{
    crypto::from_feature_flags,
    ice::{StunMessage, TransId},
};
use unisono_proto_webrtc::{Identity, Session};

/// Where the session listens.
pub(crate) fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 8189))
}

pub(crate) fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
}

/// A check with the credentials of the offer and of the answer to it.
fn check(offer: &str, answer: &str) -> Vec<u8> {
    let value = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).expect("a credential").trim().to_owned()
    };
    let username = format!("{}:{}", value(answer, "a=ice-ufrag:"), value(offer, "a=ice-ufrag:"));
    let request = StunMessage::binding_request(&username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 400];
    let hmac = |key: &[u8], parts: &[&[u8]]| from_feature_flags().sha1_hmac_provider.sha1_hmac(key, parts);
    let password = value(answer, "a=ice-pwd:");
    let length = request.to_bytes(Some(password.as_bytes()), &mut bytes, hmac).expect("fits");
    bytes.truncate(length);
    bytes
}

/// Throws `data` at a session that `accept` makes of an offer, with its answer. `drain` takes what is its own from it.
pub(crate) fn knock<S: Session>(
    data: &[u8],
    offer: &str,
    accept: impl FnOnce(Instant) -> (S, String),
    drain: impl Fn(&mut S),
) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let [peer, stranger] = [2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 5000)));
    let mut now = Instant::now();
    let (mut session, answer) = accept(now);
    if first & 1 == 0 {
        let check = check(offer, &answer);
        assert!(session.handle_datagram(now, peer, server(), &check), "a valid check counts");
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
        session.handle_datagram(now, from, server(), bytes);
        session.handle_timeout(now);
        while let Some(transmit) = session.poll_transmit() {
            assert_ne!(transmit.path.remote, stranger, "who has not shown the password gets nothing");
            sent += transmit.bytes.len();
        }
        drain(&mut session);
        // Nobody can sign an answer to our check here, so the peer stays unproven.
        assert!(sent <= 3 * (received + 400), "{sent} bytes for {received}");
    }
}
