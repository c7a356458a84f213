//! What carries media and messages: ICE finds the way, DTLS proves the peer and makes keys, SCTP runs inside it.

use super::{
    channel::{Channel, ChannelEvent},
    dtls::{Dtls, Outcome},
    ice::{Ice, Taken},
    sdp::{Fingerprint, Setup},
    srtp::{Keys, Profile, Side},
};
use crate::{CloseReason, Identity, Path, Transmit, guard::guarded};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// A viewer that sent no valid packet for this long is gone. ICE peers ask every 2.5 s (RFC 7675 allows 5 s).
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// From the answer to a finished DTLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// From the answer to the first valid check: a peer that sent none by then cannot reach the media port.
const FIRST_CHECK_MAX: Duration = Duration::from_secs(10);
/// Packets waiting for the gateway; it drains after every input, so this is reached only by a gateway that does not, and
/// then the oldest is dropped.
const TRANSMITS_MAX: usize = 1_024;
/// Rounds between SCTP and DTLS after one input.
const ROUNDS_MAX: usize = 64;
/// Packets of a handshake that wait for the address to show that it is there; beyond it the oldest is left to the next flight.
const HELD_MAX: usize = 16;
/// DTLS and SRTP by their first byte (RFC 7983 §7).
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;
const SRTP: std::ops::RangeInclusive<u8> = 128..=191;

/// What the session learns.
pub(super) enum News {
    /// The handshake is done.
    Connected(Keys),
    /// From the data channel.
    Channel(ChannelEvent),
}

/// What a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing for this session.
    Foreign,
    /// Dealt with.
    Done,
    /// SRTP or SRTCP of the peer.
    Srtp,
}

enum Handshake {
    /// Nothing has been heard: a peer that cannot reach us costs no handshake state.
    Waiting(Identity),
    Running(Box<Dtls>),
    Over,
}

enum Sctp {
    /// The offer had no section for it.
    Absent,
    /// Up to this many bytes in a message of ours.
    Offered(u32),
    Running(Box<Channel>),
}

/// See the module.
pub(super) struct Connection {
    pub(super) ice: Ice,
    handshake: Handshake,
    /// Of our certificate.
    fingerprint: Arc<str>,
    /// Of the peer's.
    expected: Fingerprint,
    setup: Setup,
    sctp: Sctp,
    keys: Option<Keys>,
    is_connected: bool,
    opened: Instant,
    last_heard: Instant,
    transmits: VecDeque<Transmit>,
    /// Of the handshake, for an address that has not answered yet and may get no more; empty after the handshake.
    held: VecDeque<Vec<u8>>,
    news: VecDeque<News>,
    closed: Option<CloseReason>,
}

impl Connection {
    pub(super) fn new(
        ice: Ice,
        identity: &Identity,
        expected: Fingerprint,
        setup: Setup,
        now: Instant,
    ) -> Self {
        Self {
            ice,
            handshake: Handshake::Waiting(identity.clone()),
            fingerprint: Arc::clone(&identity.fingerprint),
            expected,
            setup,
            sctp: Sctp::Absent,
            keys: None,
            is_connected: false,
            opened: now,
            last_heard: now,
            transmits: VecDeque::new(),
            held: VecDeque::new(),
            news: VecDeque::new(),
            closed: None,
        }
    }

    /// A section for the data channel was answered; messages of ours have `send_max` bytes at most.
    pub(super) fn offer_channel(&mut self, now: Instant, send_max: u32) {
        if matches!(self.sctp, Sctp::Absent) {
            self.sctp = Sctp::Offered(send_max);
            if self.is_connected && self.begins() {
                self.begin_sctp();
                self.pump(now);
            }
        }
    }

    pub(super) fn setup(&self) -> Setup {
        self.setup
    }

    /// Of our certificate, as it stands in an answer.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// True for the fingerprint of the first offer.
    pub(super) fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.expected == *fingerprint
    }

    pub(super) fn closed(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        let next = self.transmits.pop_front();
        if self.transmits.is_empty() && self.is_connected {
            // What a handshake needed is not kept for a viewer that now gets a report a second.
            self.transmits.shrink_to(4);
        }
        next
    }

    /// Something waits in [`Self::poll_transmit`].
    pub(super) fn has_transmits(&self) -> bool {
        !self.transmits.is_empty()
    }

    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Runs what libraries make of outside bytes. A panic in there costs this session, and never the worker with all others.
    fn guard<T>(&mut self, otherwise: T, work: impl FnOnce(&mut Self) -> T) -> T {
        guarded(|| work(self)).unwrap_or_else(|words| {
            self.end(CloseReason::Protocol(words));
            otherwise
        })
    }

    pub(super) fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> Received {
        self.guard(Received::Foreign, |this| this.receive(now, path, bytes))
    }

    fn receive(&mut self, now: Instant, path: Path, bytes: &[u8]) -> Received {
        let received = match self.ice.handle_packet(now, path, bytes, &mut self.transmits) {
            Taken::Foreign => return Received::Foreign,
            Taken::Stun => Received::Done,
            Taken::Data => match bytes.first() {
                Some(first) if DTLS.contains(first) => {
                    self.handle_record(now, path, bytes);
                    Received::Done
                }
                Some(first) if SRTP.contains(first) && self.is_connected => Received::Srtp,
                _ => return Received::Foreign,
            },
        };
        self.last_heard = now;
        self.release();
        if self.begins() && matches!(self.handshake, Handshake::Waiting(_)) {
            self.begin_handshake(now);
        }
        self.pump(now);
        received
    }

    fn handle_record(&mut self, now: Instant, path: Path, bytes: &[u8]) {
        if matches!(self.handshake, Handshake::Waiting(_)) {
            self.begin_handshake(now);
        }
        let Handshake::Running(dtls) = &mut self.handshake else { return };
        let outcome = dtls.handle_packet(now, bytes);
        let was_connected = self.is_connected;
        self.take(now, outcome);
        if self.is_connected && !was_connected {
            self.ice.handshake_done(path);
        }
    }

    fn begin_handshake(&mut self, now: Instant) {
        let is_client = self.begins();
        let Handshake::Waiting(identity) = std::mem::replace(&mut self.handshake, Handshake::Over) else {
            return;
        };
        let Some(mut dtls) = Dtls::new(&identity, self.expected.clone(), is_client, now) else {
            return self.end(CloseReason::Protocol("no DTLS configuration".to_owned()));
        };
        let outcome = dtls.handle_timeout(now);
        self.handshake = Handshake::Running(Box::new(dtls));
        self.take(now, outcome);
    }

    /// We are the DTLS client.
    fn begins(&self) -> bool {
        self.setup == Setup::Passive
    }

    fn side(&self) -> Side {
        if self.begins() { Side::Client } else { Side::Server }
    }

    fn take(&mut self, now: Instant, outcome: Outcome) {
        for record in outcome.records {
            self.send(record);
        }
        if let Some((material, profile)) = outcome.keys {
            let keys =
                Profile::from_dtls(profile).map(|profile| Keys::from_dtls(profile, &material, self.side()));
            match keys {
                Some(Ok(keys)) => self.keys = Some(keys),
                Some(Err(error)) => return self.end(CloseReason::Protocol(error.to_string())),
                None => {
                    return self
                        .end(CloseReason::Protocol(format!("DTLS: unknown SRTP profile {profile:?}")));
                }
            }
        }
        if outcome.is_connected {
            let Some(keys) = self.keys.take() else {
                return self
                    .end(CloseReason::Protocol("DTLS: no SRTP profile in common (RFC 5764)".to_owned()));
            };
            self.is_connected = true;
            self.news.push_back(News::Connected(keys));
            if self.begins() {
                self.begin_sctp();
            }
        }
        for message in outcome.data {
            self.begin_sctp();
            if let Sctp::Running(channel) = &mut self.sctp {
                channel.handle_packet(now, message);
            }
        }
        if let Some(reason) = outcome.closed {
            self.end(reason);
        }
    }

    fn begin_sctp(&mut self) {
        if let Sctp::Offered(send_max) = self.sctp {
            self.sctp = Sctp::Running(Box::new(Channel::new(self.begins(), send_max)));
        }
    }

    /// Moves what SCTP has to say into DTLS, and what has happened into the news; then asks addresses back.
    fn pump(&mut self, now: Instant) {
        let (mut packets, mut events) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS_MAX {
            let Sctp::Running(channel) = &mut self.sctp else { break };
            channel.poll_events(&mut events);
            channel.poll_transmit(now, &mut packets);
            self.news.extend(events.drain(..).map(News::Channel));
            if packets.is_empty() {
                break;
            }
            for packet in packets.drain(..) {
                let Handshake::Running(dtls) = &mut self.handshake else { return };
                let outcome = dtls.send(&packet);
                self.take(now, outcome);
            }
        }
        while self.closed.is_none()
            && let Some(check) = self.ice.poll_check(now)
        {
            self.push(check);
        }
    }

    /// Queues a text on the data channel.
    pub(super) fn write(&mut self, now: Instant, text: &str) -> bool {
        self.guard(false, |this| {
            let Sctp::Running(channel) = &mut this.sctp else { return false };
            let is_written = this.closed.is_none() && channel.write(text);
            if is_written {
                this.pump(now);
            }
            is_written
        })
    }

    /// Sends a packet that is no STUN where media goes, as far as that address may get it.
    pub(super) fn send(&mut self, bytes: Vec<u8>) {
        let Some(path) = self.ice.route() else { return };
        if self.ice.allows(path, &bytes) {
            self.push(Transmit { path, bytes, segment_size: None });
        } else if !self.is_connected {
            if self.held.len() == HELD_MAX {
                self.held.pop_front();
            }
            self.held.push_back(bytes);
        }
    }

    /// Sends what was held back, once its address has answered: a client would ask for that flight again only a second later.
    fn release(&mut self) {
        while let Some(bytes) = self.held.pop_front() {
            let path = self.ice.route();
            let Some(path) = path.filter(|path| self.ice.allows(*path, &bytes)) else {
                return self.held.push_front(bytes);
            };
            self.push(Transmit { path, bytes, segment_size: None });
        }
        self.held.shrink_to(0);
    }

    /// The same for one that was counted already.
    pub(super) fn push(&mut self, transmit: Transmit) {
        if self.transmits.len() == TRANSMITS_MAX {
            self.transmits.pop_front();
        }
        self.transmits.push_back(transmit);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_none() {
            self.guard((), |this| this.work(now));
        }
    }

    fn work(&mut self, now: Instant) {
        if let Some(reason) = self.expired(now) {
            return self.end(reason);
        }
        if let Handshake::Running(dtls) = &mut self.handshake
            && dtls.poll_timeout().is_some_and(|at| at <= now)
        {
            let outcome = dtls.handle_timeout(now);
            self.take(now, outcome);
        }
        if let Sctp::Running(channel) = &mut self.sctp
            && channel.poll_timeout().is_some_and(|at| at <= now)
        {
            channel.handle_timeout(now);
        }
        self.pump(now);
    }

    fn expired(&self, now: Instant) -> Option<CloseReason> {
        let open = now.saturating_duration_since(self.opened);
        let silent = now.saturating_duration_since(self.last_heard);
        if !self.is_connected && open >= CONNECT_MAX {
            return Some(CloseReason::NeverConnected);
        }
        if !self.ice.is_reached() && open >= FIRST_CHECK_MAX {
            return Some(CloseReason::Unreachable);
        }
        if self.ice.is_revoked(now) {
            return Some(CloseReason::ConsentEnded);
        }
        (self.is_connected && silent >= SILENCE_MAX).then_some(CloseReason::Silent)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let liveness = match (self.is_connected, self.ice.is_reached()) {
            (true, _) => self.last_heard + SILENCE_MAX,
            (false, false) => self.opened + FIRST_CHECK_MAX,
            (false, true) => self.opened + CONNECT_MAX,
        };
        let dtls = if let Handshake::Running(dtls) = &self.handshake { dtls.poll_timeout() } else { None };
        let sctp = if let Sctp::Running(channel) = &self.sctp { channel.poll_timeout() } else { None };
        [Some(liveness), dtls, sctp, self.ice.poll_timeout()].into_iter().flatten().min()
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.guard((), |this| {
            if let Handshake::Running(dtls) = &mut this.handshake {
                let outcome = dtls.close();
                this.take(now, outcome);
            }
        });
        self.end(CloseReason::Local);
    }

    /// What was queued before is still sent: our goodbye, an alert that says what was wrong.
    pub(super) fn end(&mut self, reason: CloseReason) {
        self.closed.get_or_insert(reason);
        self.handshake = Handshake::Over;
        self.sctp = Sctp::Absent;
    }
}
