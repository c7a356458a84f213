//! What a session's packets travel over, and which of several such paths its media takes.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// What carries packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each.
    Udp,
    /// A stream of frames ([`crate::Deframer`]) on a connection that the peer opened (RFC 6544, passive for us).
    Tcp,
}

/// One of our host candidates, as a peer reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostCandidate {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl HostCandidate {
    /// A UDP candidate.
    pub const fn udp(address: SocketAddr) -> Self {
        Self { transport: Transport::Udp, address }
    }

    /// A passive TCP candidate.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, address }
    }
}

/// A bare address is a UDP candidate.
impl From<SocketAddr> for HostCandidate {
    fn from(address: SocketAddr) -> Self {
        Self::udp(address)
    }
}

/// The two ends of what carries a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// What carries it.
    pub transport: Transport,
    /// The peer.
    pub remote: SocketAddr,
    /// The candidate of ours that the peer talks to.
    pub local: SocketAddr,
}

impl Path {
    /// Datagrams between `remote` and our candidate `local`.
    pub const fn udp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { transport: Transport::Udp, remote, local }
    }

    /// Frames on a connection from `remote` to our candidate `local`.
    pub const fn tcp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, remote, local }
    }
}

/// A path gives way to a nominated one, of whatever priority, once the peer has not used it for so long.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(1);

/// What the peer sends by another path while the one before was quiet for so long was not merely overtaken on the way.
const DATA_MOVES_AFTER: Duration = Duration::from_millis(100);

/// The path of everything that is not STUN.
///
/// An ICE-lite agent sends no checks, so the words on which path works are the peer's: USE-CANDIDATE (RFC 8445 §7.3.1.5),
/// and the path it takes itself, which Chromium changes up to 2.5 s before its next USE-CANDIDATE. str0m goes by priority
/// among all paths that were ever nominated and finds out about a dead one after 15 s; a viewer whose network changed
/// would see a still picture for as long.
#[derive(Debug, Default)]
pub(crate) struct Nomination {
    current: Option<Nominated>,
}

#[derive(Clone, Copy, Debug)]
struct Nominated {
    path: Path,
    /// The peer's PRIORITY.
    priority: u32,
    /// The last USE-CANDIDATE or data on it; `None` after an ICE restart, which asks for a new choice.
    used: Option<Instant>,
}

impl Nomination {
    /// A valid binding request with USE-CANDIDATE came over `path`. True when media takes another path from now on.
    pub(crate) fn handle(&mut self, now: Instant, path: Path, priority: u32) -> bool {
        let chosen = Nominated { path, priority, used: Some(now) };
        let Some(current) = &mut self.current else {
            self.current = Some(chosen);
            return true;
        };
        let is_other = current.path != path;
        let gives_way = current.used.is_none_or(|at| now.saturating_duration_since(at) >= GIVES_WAY_AFTER);
        if !is_other || gives_way || priority > current.priority {
            *current = chosen;
            return is_other;
        }
        false
    }

    /// DTLS or SRTP came over `path`, which is a valid one. True when media takes another path from now on.
    pub(crate) fn handle_data(&mut self, now: Instant, path: Path) -> bool {
        let Some(current) = &mut self.current else { return false };
        if current.path == path {
            // After a restart the old path goes on being used, and is no choice.
            current.used = current.used.map(|_| now);
            return false;
        }
        if current.used.is_some_and(|at| now.saturating_duration_since(at) < DATA_MOVES_AFTER) {
            return false;
        }
        current.path = path;
        current.used = Some(now);
        true
    }

    /// The credentials are new: the path stays until the peer has chosen one with them.
    pub(crate) fn restart(&mut self) {
        if let Some(current) = &mut self.current {
            current.used = None;
        }
    }

    /// Where media goes.
    pub(crate) fn path(&self) -> Option<Path> {
        self.current.map(|nominated| nominated.path)
    }
}

/// PRIORITY of a binding request that carries USE-CANDIDATE (RFC 8445 §16.1); `None` for every other packet.
pub(crate) fn nominating(packet: &[u8]) -> Option<u32> {
    const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
    const PRIORITY: [u8; 2] = [0x00, 0x24];
    const USE_CANDIDATE: [u8; 2] = [0x00, 0x25];
    let (header, mut attributes) = packet.split_at_checked(20)?;
    if header[..2] != BINDING_REQUEST {
        return None;
    }
    let (mut priority, mut is_nominated) = (0, false);
    while let Some((&[t0, t1, l0, l1], rest)) = attributes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        match ([t0, t1], rest.get(..length)?) {
            (PRIORITY, &[a, b, c, d]) => priority = u32::from_be_bytes([a, b, c, d]),
            (USE_CANDIDATE, _) => is_nominated = true,
            _ => {}
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    is_nominated.then_some(priority)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]
mod tests {
    use super::*;

    fn path(remote: &str) -> Path {
        Path::udp(remote.parse().expect("an address"), "192.0.2.1:8189".parse().expect("an address"))
    }

    #[test]
    fn a_better_path_is_taken_at_once_and_a_worse_one_when_the_first_falls_silent() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let (good, poor) = (path("192.0.2.2:1"), path("198.51.100.2:1"));
        let mut nomination = Nomination::default();
        assert!(nomination.handle(start, poor, 10));
        assert!(nomination.handle(start + ms(1), good, 20));
        // An aggressive nominator repeats itself on all paths.
        assert!(!nomination.handle(start + ms(500), poor, 10));
        assert!(!nomination.handle(start + ms(600), good, 20));
        assert!(!nomination.handle(start + ms(1_500), poor, 10));
        assert_eq!(nomination.path(), Some(good));
        assert!(nomination.handle(start + ms(1_700), poor, 10), "the good one was silent for a second");
        assert_eq!(nomination.path(), Some(poor));
    }

    #[test]
    fn media_follows_what_the_peer_sends() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let (wire, air) = (path("192.0.2.2:1"), path("198.51.100.2:1"));
        let mut nomination = Nomination::default();
        assert!(!nomination.handle_data(start, air), "nothing is nominated yet");
        nomination.handle(start, wire, 20);
        assert!(!nomination.handle_data(start + ms(1_000), wire));
        assert!(!nomination.handle_data(start + ms(1_050), air), "overtaken on the way, perhaps");
        assert!(nomination.handle_data(start + ms(1_150), air));
        assert_eq!(nomination.path(), Some(air));
    }

    #[test]
    fn after_a_restart_media_stays_until_the_peer_chooses() {
        let now = Instant::now();
        let (old, new) = (path("192.0.2.2:1"), path("198.51.100.2:1"));
        let mut nomination = Nomination::default();
        nomination.handle(now, old, 20);
        nomination.restart();
        assert_eq!(nomination.path(), Some(old));
        assert!(nomination.handle(now, new, 10));
        assert_eq!(nomination.path(), Some(new));
    }

    #[test]
    fn only_a_whole_binding_request_nominates() {
        let mut request = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        request.extend([7; 12]);
        request.extend([0, 0x24, 0, 4, 0, 0, 1, 2]);
        assert_eq!(nominating(&request), None, "a check alone");
        request.extend([0, 0x25, 0, 0]);
        assert_eq!(nominating(&request), Some(258));
        request[1] = 2;
        assert_eq!(nominating(&request), None);
        assert_eq!(nominating(&[0, 1, 0]), None);
    }
}
