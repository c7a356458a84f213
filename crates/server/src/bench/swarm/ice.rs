//! ICE of a counted viewer: the controlling side against one address, as a browser does it. It nominates with its
//! first check, keeps its consent alive, and answers the server's checks.

use anyhow::Context;
use aws_lc_rs::hmac;
use rand::RngExt;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::ice::{StunMessage, TransId};

/// Between two checks until the first is answered.
const CHECK_EVERY: Duration = Duration::from_millis(50);
/// Afterwards, as Chromium does on a path that works.
const CONSENT_EVERY: Duration = Duration::from_millis(2_500);
/// Without an answer for so long, the server has taken its consent back (RFC 7675 §5.1).
const CONSENT_MAX: Duration = Duration::from_secs(30);
/// PRIORITY of a peer-reflexive candidate (RFC 8445 §5.1.2).
const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;
/// No STUN message here is longer.
pub(super) const MESSAGE_MAX: usize = 1_024;

/// User fragment and password of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) fragment: String,
    pub(super) password: String,
}

impl Credentials {
    pub(super) fn random() -> Self {
        let mut random = rand::rng();
        let mut text = |length| {
            const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
            (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
        };
        Self { fragment: text(8), password: text(24) }
    }
}

/// What a STUN message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A check of the server's; the answer is so many bytes long.
    Check(usize),
    /// The answer to ours.
    Answer,
    Foreign,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ice {
    local: Credentials,
    remote: Credentials,
    tie_breaker: u64,
    asked: Option<(TransId, Instant)>,
    next_check: Instant,
    last_answer: Option<Instant>,
    rtt: Duration,
}

impl Ice {
    pub(super) fn new(now: Instant, local: Credentials, remote: Credentials) -> Self {
        let tie_breaker = rand::rng().random();
        let rtt = CHECK_EVERY;
        Self { local, remote, tie_breaker, asked: None, next_check: now, last_answer: None, rtt }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Round trip of the last check.
    pub(super) fn rtt(&self) -> Duration {
        self.rtt
    }

    /// The server answered before, and has not for thirty seconds.
    pub(super) fn is_lost(&self, now: Instant) -> bool {
        self.last_answer.is_some_and(|last| now.saturating_duration_since(last) >= CONSENT_MAX)
    }

    /// Writes the check that is due into `out`, if one is.
    pub(super) fn poll_check(&mut self, now: Instant, out: &mut [u8; MESSAGE_MAX]) -> Option<usize> {
        if now < self.next_check {
            return None;
        }
        let id = TransId::new();
        self.asked = Some((id, now));
        self.next_check = now + if self.is_connected() { CONSENT_EVERY } else { CHECK_EVERY };
        let name = format!("{}:{}", self.remote.fragment, self.local.fragment);
        let check = StunMessage::binding_request(&name, id, true, self.tie_breaker, PRIORITY, true);
        check.to_bytes(Some(self.remote.password.as_bytes()), out, sha1).ok()
    }

    /// Takes a message of `from`; the answer to a check is written into `out`.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut [u8; MESSAGE_MAX],
    ) -> Heard {
        let Ok(message) = StunMessage::parse(bytes) else { return Heard::Foreign };
        if message.is_binding_request() {
            return self.answer(from, &message, out).map_or(Heard::Foreign, Heard::Check);
        }
        let is_answer =
            message.is_successful_binding_response() && message.verify(self.remote.password.as_bytes(), sha1);
        match self.asked {
            Some((id, at)) if is_answer && id == message.trans_id() => {
                self.asked = None;
                self.rtt = now.saturating_duration_since(at);
                if !self.is_connected() {
                    self.next_check = now + CONSENT_EVERY;
                }
                self.last_answer = Some(now);
                Heard::Answer
            }
            _ => Heard::Foreign,
        }
    }

    fn answer(
        &self,
        from: SocketAddr,
        check: &StunMessage<'_>,
        out: &mut [u8; MESSAGE_MAX],
    ) -> Option<usize> {
        let is_ours = check.split_username().is_some_and(|(fragment, _)| fragment == self.local.fragment);
        let password = self.local.password.as_bytes();
        if !is_ours || !check.verify(password, sha1) {
            return None;
        }
        StunMessage::binding_reply(check.trans_id(), from).to_bytes(Some(password), out, sha1).ok()
    }
}

fn sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    parts.iter().for_each(|part| context.update(part));
    let mut tag = [0; 20];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

/// `a=ice-ufrag` and `a=ice-pwd` of an SDP.
pub(super) fn credentials(sdp: &str) -> anyhow::Result<Credentials> {
    let value = |name: &str| sdp.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::to_owned);
    Ok(Credentials {
        fragment: value("a=ice-ufrag:").context("the answer has no a=ice-ufrag")?,
        password: value("a=ice-pwd:").context("the answer has no a=ice-pwd")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> SocketAddr {
        "127.0.0.1:4000".parse().expect("valid")
    }

    #[test]
    fn two_sides_check_each_other_and_the_pace_slows_down() {
        let start = Instant::now();
        let (a, b) = (Credentials::random(), Credentials::random());
        let mut viewer = Ice::new(start, a.clone(), b.clone());
        let mut server = Ice::new(start, b, a);
        let (mut check, mut answer) = ([0; MESSAGE_MAX], [0; MESSAGE_MAX]);
        let length = viewer.poll_check(start, &mut check).expect("due at once");
        assert_eq!(viewer.poll_check(start, &mut answer), None);
        let at = start + Duration::from_millis(7);
        let Heard::Check(replied) = server.handle(at, address(), &check[..length], &mut answer) else {
            panic!("a genuine check")
        };
        assert_eq!(viewer.handle(at, address(), &answer[..replied], &mut check), Heard::Answer);
        assert_eq!((viewer.is_connected(), viewer.rtt()), (true, Duration::from_millis(7)));
        assert_eq!(viewer.poll_check(at + Duration::from_secs(2), &mut check), None);
        assert!(!viewer.is_lost(at + Duration::from_secs(29)));
        assert!(viewer.is_lost(at + Duration::from_secs(30)));
    }

    #[test]
    fn a_stranger_is_neither_answered_nor_believed() {
        let start = Instant::now();
        let mut viewer = Ice::new(start, Credentials::random(), Credentials::random());
        let mut stranger = Ice::new(start, Credentials::random(), Credentials::random());
        let (mut check, mut out) = ([0; MESSAGE_MAX], [0; MESSAGE_MAX]);
        let length = stranger.poll_check(start, &mut check).expect("due");
        assert_eq!(viewer.handle(start, address(), &check[..length], &mut out), Heard::Foreign);
        assert_eq!(viewer.handle(start, address(), b"\x00garbage", &mut out), Heard::Foreign);
    }
}
