//! What every session has in common: bytes in, bytes out, deadlines.

use crate::Path;
use std::{net::SocketAddr, time::Instant};

/// A packet to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to, from where, and how.
    pub path: Path,
    /// UDP payload or TCP frame, or several of `segment_size` each, the last one possibly shorter.
    pub bytes: Vec<u8>,
    /// Set when `bytes` is a train for segmentation offload.
    pub segment_size: Option<usize>,
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed DTLS.
    ByPeer,
    /// We closed it, see [`Session::close`].
    Local,
    /// No valid datagram for so long that the peer must be gone.
    Silent,
    /// The peer never completed ICE and DTLS.
    NeverConnected,
    /// No valid STUN message came: the media port cannot be reached from where the peer is, or it has gone away.
    Unreachable,
    /// The address that got our media has not answered for 30 s (RFC 7675).
    ConsentEnded,
    /// The peer broke the protocol; the words say how.
    Protocol(String),
}

impl CloseReason {
    /// Label for logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ByPeer => "closed_by_peer",
            Self::Local => "closed",
            Self::Silent => "silent",
            Self::NeverConnected => "never_connected",
            Self::Unreachable => "unreachable",
            Self::ConsentEnded => "consent_ended",
            Self::Protocol(_) => "protocol_error",
        }
    }
}

/// The driving contract of [`crate::Ingress`] and [`crate::Engine`]; see the crate.
pub trait Session {
    /// ICE user fragment of ours: a binding request whose USERNAME starts with it belongs to this session. Changes
    /// with an ICE restart.
    fn local_ufrag(&self) -> &str;

    /// A datagram from `from` that arrived at our address `to`, which must be one of the candidates given at
    /// accept. Garbage is ignored; returns false when the session had no use for it.
    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> bool {
        self.handle_packet(now, Path::udp(from, to), bytes)
    }

    /// The same for a packet of any transport.
    fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> bool;

    /// True once a packet of this peer came: STUN with our password, so its network reaches ours.
    fn is_reached(&self) -> bool;

    /// Time has reached `now`. Early calls are harmless.
    fn handle_timeout(&mut self, now: Instant);

    /// The next datagram to send, in order.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// When to call [`Self::handle_timeout`] next; `None` once closed.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Why it is over; `None` while it is not.
    fn closed(&self) -> Option<&CloseReason>;

    /// Says goodbye: DTLS close_notify waits in `poll_transmit` afterwards.
    fn close(&mut self, now: Instant);
}
