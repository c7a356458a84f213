//! A WHEP viewer: frames with their T in, RTP out, and the mapping between the two on the data channel.

use crate::{CloseReason, Identity, Mapping, OfferError, PatchError, PatchOutcome, Session, Transmit};
use bytes::Bytes;
use std::{net::SocketAddr, time::Instant};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{AvcConfig, Frame, Kind, Packets};

/// What the stream can give this viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The stream's H.264; `None` when it has no video.
    pub video: Option<&'a AvcConfig>,
    /// The stream has sound, as Opus or about to be turned into it.
    pub audio: bool,
}

/// A viewer's session.
#[derive(Debug)]
pub struct Egress {}

/// What a viewer's session reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EgressEvent {
    /// ICE and DTLS are up: frames can be sent from now on.
    Connected,
    /// The data channel is open: [`Egress::send_message`] works from now on.
    Ready,
    /// The viewer asks for a keyframe (PLI or FIR); see [`Egress::acknowledged`] for what to do (decisions 15).
    KeyframeRequest,
    /// A message from the viewer on the data channel, at most 16 KiB.
    Message(Bytes),
    /// Over; nothing follows.
    Closed(CloseReason),
}

/// Totals since the session began. Those the viewer reports are at most a second old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EgressStats {
    /// Frames sent, sound and picture.
    pub frames: u64,
    /// RTP packets sent, resent ones included.
    pub packets: u64,
    /// Bytes of RTP payload sent, resent ones included.
    pub bytes: u64,
    /// NACK messages received.
    pub nacks: u64,
    /// Packets sent again.
    pub resent: u64,
    /// Keyframe requests received.
    pub plis: u64,
}

impl Egress {
    /// Answers a viewer's offer. `candidates` are our host addresses as the viewer can reach them.
    pub fn accept(
        identity: &Identity, offer: &str, candidates: &[SocketAddr], wanted: Wanted<'_>, now: Instant,
    ) -> Result<(Self, String), OfferError>;

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<EgressEvent>;

    /// True when the viewer takes this kind of track.
    pub fn takes(&self, kind: Kind) -> bool;

    /// Sends one video frame at once, all packets of it; pacing is the caller's. `clock` is T at `now`; it gives the
    /// sender reports their time. Frames must come in order of T; epochs may change and frames be left out at any
    /// time, the RTP time keeps the distance. Ignored (false) before [`EgressEvent::Connected`] or without video.
    pub fn send_video(&mut self, now: Instant, clock: MediaTime, epoch: Epoch, frame: &Frame, packets: &Packets) -> bool;

    /// Sends one Opus packet, as [`Self::send_video`]. RTP time counts samples (decisions 16): it only leaves a gap
    /// where T does, by more than a packet.
    pub fn send_audio(&mut self, now: Instant, clock: MediaTime, epoch: Epoch, frame: &Frame, packets: &Packets) -> bool;

    /// Sends a text on the data channel. False, and nothing sent, while no channel is open or more than 256 KiB
    /// wait in it. Mappings need no help: the session sends its own when the channel opens, every 2 s, at each new
    /// epoch, and when one is off by more than 1 ms.
    pub fn send_message(&mut self, now: Instant, text: &str) -> bool;

    /// The mapping in force for a kind; `None` before its first frame.
    pub fn mapping(&self, kind: Kind) -> Option<Mapping>;

    /// T of the newest video frame of which the viewer has acknowledged all packets (receiver reports: up to a
    /// second late). `None`: as far as we know it has shown nothing yet.
    pub fn acknowledged(&self) -> Option<MediaTime>;

    /// Round trip by the viewer's receiver reports.
    pub fn rtt(&self) -> Option<Span>;

    /// Share of packets the viewer lost, 0 to 1, by its last report.
    pub fn loss(&self) -> Option<f32>;

    /// See [`EgressStats`].
    pub fn stats(&self) -> EgressStats;

    /// Trickled candidates or an ICE restart (RFC 9725 §4.3), an `application/trickle-ice-sdpfrag`.
    pub fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError>;
}

impl Session for Egress {}
