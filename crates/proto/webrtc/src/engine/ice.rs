//! The lite side of ICE (RFC 8445 §2.5): answers checks, follows the peer's choice of a path, and asks each address
//! whether it is there before much is sent to it ([`crate::path`]).

use super::{Prefetch, random};
use crate::{
    HostCandidate, Path, Transmit,
    integrity::hmac_sha1,
    path::{Paths, Stun},
    route::{Nomination, nominating},
};
use is::{IceCreds, stun::StunMessage};
use std::{collections::VecDeque, time::Instant};

/// A binding success of ours: header, mapped address of IPv6, integrity, fingerprint.
const ANSWER_BYTES_MAX: usize = 128;

/// What a packet means to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// STUN of the peer; nothing else is in it.
    Stun,
    /// From an address that showed the password: to be read as DTLS or SRTP.
    Data,
    /// Nothing to us.
    Foreign,
}

/// The peer's addresses, and where media goes.
#[derive(Debug)]
pub(super) struct Ice {
    local: IceCreds,
    remote_ufrag: String,
    candidates: Box<[HostCandidate]>,
    nomination: Nomination,
    paths: Paths,
    /// Where DTLS goes before the peer has nominated: where it last came from, first of all where a check came from.
    heard_from: Option<Path>,
}

impl Ice {
    /// `begins_handshake`: we are the DTLS client.
    pub(super) fn new(remote: IceCreds, candidates: Box<[HostCandidate]>, begins_handshake: bool) -> Self {
        let local = credentials();
        let remote_ufrag = remote.ufrag.clone();
        let paths = Paths::new(local.clone(), remote, random::u64()).begins_handshake(begins_handshake);
        Self { local, remote_ufrag, candidates, nomination: Nomination::default(), paths, heard_from: None }
    }

    pub(super) fn ufrag(&self) -> &str {
        &self.local.ufrag
    }

    pub(super) fn password(&self) -> &str {
        &self.local.pass
    }

    pub(super) fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    pub(super) fn candidates(&self) -> &[HostCandidate] {
        &self.candidates
    }

    /// A valid check came.
    pub(super) fn is_reached(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Looks at a packet. An answer to a check goes into `out`.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        out: &mut VecDeque<Transmit>,
    ) -> Taken {
        let completed = self.paths.completed(bytes);
        let bytes = completed.as_deref().unwrap_or(bytes);
        let is_stun = is_stun(bytes);
        let stun = is_stun.then(|| self.paths.handle_stun(now, path, bytes));
        // DTLS and SRTP count only from an address that sent a valid check.
        if stun == Some(Stun::Foreign) || !self.paths.handle_received(now, path, bytes.len()) {
            return Taken::Foreign;
        }
        let is_moved = match stun {
            None => {
                self.heard_from = Some(path);
                self.nomination.handle_data(now, path)
            }
            Some(Stun::Request) => {
                self.heard_from.get_or_insert(path);
                out.extend(self.answer(path, bytes));
                nominating(bytes).is_some_and(|priority| self.nomination.handle(now, path, priority))
            }
            Some(Stun::Answer | Stun::Foreign) => false,
        };
        if is_moved {
            tracing::debug!(?path, "media takes this path");
        }
        if is_stun { Taken::Stun } else { Taken::Data }
    }

    /// Binding success (RFC 8489 §6.3.1.1). Roles are not disputed: a lite agent is controlled (RFC 8445 §6.1.1).
    fn answer(&mut self, path: Path, request: &[u8]) -> Option<Transmit> {
        let id = StunMessage::parse(request).ok()?.trans_id();
        let mut bytes = vec![0; ANSWER_BYTES_MAX];
        let reply = StunMessage::binding_reply(id, path.remote);
        let length = reply.to_bytes(Some(self.local.pass.as_bytes()), &mut bytes, hmac_sha1).ok()?;
        bytes.truncate(length);
        self.paths.allows(path, &bytes).then_some(Transmit { path, bytes, segment_size: None })
    }

    /// See [`Engine::prefetch_input`](super::Engine::prefetch_input).
    pub(super) fn prefetch(&self, memory: &impl Prefetch) {
        self.paths.prefetch(memory);
    }

    /// Where everything but STUN goes; `None` before the first valid check.
    pub(super) fn route(&self) -> Option<Path> {
        self.nomination.path().or(self.heard_from)
    }

    /// True where media may go to `to` without counting; consent of that address is what counts from now on.
    pub(super) fn is_proven(&mut self, to: Path) -> bool {
        let is_validated = self.paths.is_validated(to);
        if is_validated {
            self.paths.carries(to);
        }
        is_validated
    }

    /// May a packet of media of `length` bytes go to `to`? Counted as sent if so.
    pub(super) fn allows_media(&mut self, to: Path, length: usize) -> bool {
        self.paths.allows_media(to, length)
    }

    /// May these bytes go to `to`? Counted as sent if so.
    pub(super) fn allows(&mut self, to: Path, bytes: &[u8]) -> bool {
        self.paths.allows(to, bytes)
    }

    /// The DTLS handshake was completed by a datagram of `from`.
    pub(super) fn handshake_done(&mut self, from: Path) {
        self.paths.handshake_done(from);
    }

    /// New credentials on both sides. DTLS and SRTP go on; the peer's next checks may come from anywhere.
    pub(super) fn restart(&mut self, remote: IceCreds) {
        self.local = credentials();
        self.remote_ufrag.clone_from(&remote.ufrag);
        self.nomination.restart();
        self.paths.restart(self.local.clone(), remote);
    }

    /// The next check of an address of the peer's, if one is due.
    pub(super) fn poll_check(&mut self, now: Instant) -> Option<Transmit> {
        self.paths.poll_check(now)
    }

    /// True once the address that gets our media has not consented for 30 s.
    pub(super) fn is_revoked(&self, now: Instant) -> bool {
        self.paths.is_revoked(now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.paths.poll_timeout()
    }
}

/// The first byte of STUN, DTLS, SRTP and SRTCP tells them apart (RFC 7983 §7).
fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

/// Of 48 and 144 bits (RFC 8445 §5.3 wants 24 and 128 at least).
fn credentials() -> IceCreds {
    IceCreds { ufrag: random::token(8), pass: random::token(24) }
}
