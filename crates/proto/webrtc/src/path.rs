//! The addresses a peer was heard from, and how much may be sent to each: nobody can aim our media at a stranger.
//!
//! An ICE-lite endpoint only answers checks, and a check proves that its sender knows the password, not that it lives at
//! its source address. So each address that sent a valid check is asked back (a binding request of ours, RFC 8445 §7.3
//! has every agent answer it). Until it answers, it gets at most three times the bytes that came from it. After
//! that it is asked again every five seconds; an address that stays silent for thirty has taken its consent back
//! (RFC 7675 §5.1).

use crate::{Path as Route, Transmit, check, engine::Prefetch, integrity::hmac_sha1};
use is::{
    IceCreds,
    stun::{StunMessage, TransId},
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Addresses remembered; the one heard longest ago makes room.
const PATHS_MAX: usize = 8;
/// Bytes out for each byte in, before an address has answered.
const AMPLIFICATION_MAX: u64 = 3;
/// A ClientHello of ours and its repetitions, to whoever waits for it: FFmpeg 8.0 loses the first one and sends nothing in between. 120 bytes each.
const HELLOS_MAX: u32 = 5;
/// Between two checks of an address that has answered (RFC 7675 §5.1: 4 to 6 s).
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Between two checks of one that has not. It also has to send something in between, or there is nothing to spend.
const RETRY_EVERY: Duration = Duration::from_millis(250);
/// An address that has not consented for so long gets nothing more (RFC 7675 §5.1).
pub(crate) const CONSENT_MAX: Duration = Duration::from_secs(30);
/// PRIORITY of our checks: that of a peer-reflexive candidate (RFC 8445 §5.1.2). Nothing depends on it.
const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;
/// A check of ours is shorter: both user fragments have 256 bytes at most.
const CHECK_BYTES_MAX: usize = 1_024;

/// What a datagram turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stun {
    /// A binding request with our user fragment and the right integrity.
    Request,
    /// An answer to one of our checks.
    Answer,
    /// Nothing that this session asked for or answers.
    Foreign,
}

/// All addresses of one peer.
#[derive(Debug)]
pub(crate) struct Paths {
    local: IceCreds,
    /// Empty credentials where the offer had none; then nothing can be asked back.
    remote: IceCreds,
    tie_breaker: u64,
    known: VecDeque<Path>,
    /// Where DTLS and media last went.
    current: Option<Route>,
    /// We begin the DTLS handshake, and it is not done: the few bytes that an address may get are for that.
    begins_handshake: bool,
    /// ClientHellos that may still go to an address beyond what it sent.
    hellos: u32,
    /// What the peer sends after its handshake shows that it wants the session: a publisher gets reports and requests only.
    media_consents: bool,
    /// Nothing but STUN ever went to another address: whoever completes the DTLS handshake was at this one.
    is_single: bool,
    /// Datagrams not sent because their address had not answered.
    pub(crate) withheld: u64,
}

#[derive(Debug)]
struct Path {
    address: Route,
    received: u64,
    sent: u64,
    is_validated: bool,
    /// When it last showed that it wants to hear from us.
    consented: Instant,
    heard: Instant,
    /// The check on its way.
    asked: Option<TransId>,
    ask_at: Instant,
}

impl Paths {
    pub(crate) fn new(local: IceCreds, remote: IceCreds, tie_breaker: u64) -> Self {
        Self {
            local,
            remote,
            tie_breaker,
            known: VecDeque::new(),
            current: None,
            begins_handshake: false,
            hellos: HELLOS_MAX,
            media_consents: false,
            is_single: true,
            withheld: 0,
        }
    }

    /// The peer waits for our ClientHello. Some of those (FFmpeg 8.0) send one check, answer none, and listen to nothing but DTLS afterwards.
    pub(crate) fn begins_handshake(mut self, begins: bool) -> Self {
        self.begins_handshake = begins;
        self
    }

    /// The peer is a publisher: its media renews its consent, since FFmpeg 8.0 does nothing else (RFC 7675 wants answered checks, and guards
    /// those who are sent media, of which there is none here).
    pub(crate) fn media_consents(mut self, consents: bool) -> Self {
        self.media_consents = consents;
        self
    }

    /// ICE restarts: other credentials count from now on; what an address has shown stays shown.
    pub(crate) fn restart(&mut self, local: IceCreds, remote: IceCreds) {
        (self.local, self.remote) = (local, remote);
    }

    /// Asks for the addresses, which every packet is compared with.
    pub(crate) fn prefetch(&self, memory: &impl Prefetch) {
        memory.prefetch(self.known.as_slices().0);
    }

    /// True before the first valid check.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A check of this peer that left out its PRIORITY, with one; `None` for everything else.
    pub(crate) fn completed(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        check::completed(bytes, self.local.pass.as_bytes())
    }

    /// Looks at a STUN message; nothing is remembered of one that is not genuine.
    pub(crate) fn handle_stun(&mut self, now: Instant, from: Route, bytes: &[u8]) -> Stun {
        let Ok(message) = StunMessage::parse(bytes) else { return Stun::Foreign };
        if message.is_binding_request() {
            let is_ours = message.split_username().is_some_and(|(ufrag, _)| ufrag == self.local.ufrag);
            if !is_ours || !message.verify(self.local.pass.as_bytes(), hmac_sha1) {
                return Stun::Foreign;
            }
            self.requested(now, from);
            return Stun::Request;
        }
        let asked = self.known.iter_mut().find(|path| path.address == from);
        let Some(path) = asked.filter(|path| path.asked == Some(message.trans_id())) else {
            return Stun::Foreign;
        };
        let is_answer = message.is_successful_binding_response()
            && message.verify(self.remote.pass.as_bytes(), hmac_sha1);
        if !is_answer {
            return Stun::Foreign;
        }
        path.is_validated = true;
        path.asked = None;
        path.consented = now;
        path.ask_at = now + CHECK_EVERY;
        Stun::Answer
    }

    /// A valid check came: the address is known from now on. Where it has answered before, that is consent, too.
    fn requested(&mut self, now: Instant, from: Route) {
        if let Some(path) = self.known.iter_mut().find(|path| path.address == from) {
            path.consented = now;
            return;
        }
        if self.known.len() == PATHS_MAX {
            let oldest = (0..PATHS_MAX).min_by_key(|index| self.known[*index].heard).unwrap_or_default();
            self.known.remove(oldest);
        }
        self.known.push_back(Path {
            address: from,
            received: 0,
            sent: 0,
            is_validated: false,
            consented: now,
            heard: now,
            asked: None,
            ask_at: now,
        });
    }

    /// Bytes that the session took from `from`. False where the address never sent a valid check.
    pub(crate) fn handle_received(&mut self, now: Instant, from: Route, length: usize) -> bool {
        let Some(path) = self.known.iter_mut().find(|path| path.address == from) else { return false };
        path.received += length as u64;
        path.heard = now;
        if self.media_consents && path.is_validated {
            path.consented = now;
        }
        true
    }

    /// The DTLS handshake was completed by a datagram of `from`. Who did that has read what we sent, so the address
    /// is validated, also where its owner does not answer checks; unless what we sent went elsewhere as well.
    pub(crate) fn handshake_done(&mut self, from: Route) {
        self.begins_handshake = false;
        if self.is_single && self.current == Some(from) {
            for path in self.known.iter_mut().filter(|path| path.address == from) {
                path.is_validated = true;
            }
        }
    }

    /// May these bytes go to `to`? Counted as sent if so.
    pub(crate) fn allows(&mut self, to: Route, bytes: &[u8]) -> bool {
        let is_stun = bytes.first().is_some_and(|first| *first < 4);
        let length = bytes.len() as u64;
        let Some(path) = self.known.iter_mut().find(|path| path.address == to) else {
            self.withheld += 1;
            return false;
        };
        if !path.is_validated && path.sent + length > path.received * AMPLIFICATION_MAX {
            let is_hello = self.begins_handshake && !is_stun && self.hellos > 0;
            if !is_hello {
                self.withheld += 1;
                return false;
            }
            self.hellos -= 1;
        }
        path.sent += length;
        if !is_stun {
            self.is_single &= self.current.is_none_or(|current| current == to);
            self.current = Some(to);
        }
        true
    }

    /// True where anything may be sent without counting.
    pub(crate) fn is_validated(&self, to: Route) -> bool {
        self.known.iter().any(|path| path.address == to && path.is_validated)
    }

    /// Media goes to `to` from now on, which is validated: its consent is what counts.
    pub(crate) fn carries(&mut self, to: Route) {
        self.is_single &= self.current.is_none_or(|current| current == to);
        self.current = Some(to);
    }

    /// May a packet of media of `length` bytes go to `to`? Counted as sent if so.
    pub(crate) fn allows_media(&mut self, to: Route, length: usize) -> bool {
        let Some(path) = self.known.iter_mut().find(|path| path.address == to) else { return false };
        let length = length as u64;
        if !path.is_validated && path.sent + length > path.received * AMPLIFICATION_MAX {
            self.withheld += 1;
            return false;
        }
        path.sent += length;
        self.carries(to);
        true
    }

    /// We ask by ourselves.
    fn checks(&self) -> bool {
        !self.remote.pass.is_empty() && !self.begins_handshake
    }

    /// The next check to send now, if one is due.
    pub(crate) fn poll_check(&mut self, now: Instant) -> Option<Transmit> {
        if !self.checks() {
            return None;
        }
        let index = self.known.iter().position(|path| path.is_due(now))?;
        let path = &mut self.known[index];
        let id = TransId::new();
        path.asked = Some(id);
        path.ask_at = now + if path.is_validated { CHECK_EVERY } else { RETRY_EVERY };
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let request = StunMessage::binding_request(&username, id, false, self.tie_breaker, PRIORITY, false);
        let mut bytes = vec![0; CHECK_BYTES_MAX];
        let length = request.to_bytes(Some(self.remote.pass.as_bytes()), &mut bytes, hmac_sha1).ok()?;
        bytes.truncate(length);
        let dst = path.address;
        self.allows(dst, &bytes).then_some(Transmit { path: dst, bytes, segment_size: None })
    }

    /// When [`Self::poll_check`] or [`Self::is_revoked`] has something new.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let consent = self.current_path().map(|path| path.consented + CONSENT_MAX);
        let checks =
            self.known.iter().filter(|path| path.is_wanted() && self.checks()).map(|path| path.ask_at);
        checks.chain(consent).min()
    }

    /// True once the address that gets our media has not consented for 30 s.
    pub(crate) fn is_revoked(&self, now: Instant) -> bool {
        self.current_path().is_some_and(|path| now >= path.consented + CONSENT_MAX)
    }

    fn current_path(&self) -> Option<&Path> {
        self.known.iter().find(|path| Some(path.address) == self.current)
    }
}

impl Path {
    /// Worth another check: heard since the consent would have ended.
    fn is_wanted(&self) -> bool {
        self.ask_at < self.heard + CONSENT_MAX
    }

    fn is_due(&self, now: Instant) -> bool {
        self.is_wanted() && self.ask_at <= now
    }
}
