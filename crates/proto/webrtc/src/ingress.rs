//! A WHIP publisher: RTP in, whole frames in stored form on one publisher clock out.

use crate::{CloseReason, Identity, OfferError, PatchError, PatchOutcome, Session, Transmit};
use bytes::Bytes;
use std::{net::SocketAddr, time::Instant};
use unisono_base::Span;
use unisono_media::{CodecConfig, Kind};

/// A publisher's session.
#[derive(Debug)]
pub struct Ingress {}

/// What a publisher's session reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IngressEvent {
    /// ICE and DTLS are up.
    Connected,
    /// A track begins; its first frame follows.
    Track(CodecConfig),
    /// A complete frame, in order within its kind.
    Frame(IngressFrame),
    /// Packets that did not come in time. Video is silent from here to its next keyframe, which has been asked for.
    Lost {
        /// Of which track.
        kind: Kind,
        /// How many.
        packets: u64,
    },
    /// Over; nothing follows.
    Closed(CloseReason),
}

/// One access unit.
#[derive(Clone, Debug)]
pub struct IngressFrame {
    /// Video or audio.
    pub kind: Kind,
    /// Set when the codec configuration changes with this frame, which is then a keyframe.
    pub config: Option<CodecConfig>,
    /// Presentation time on the publisher's clock, any origin, common to sound and picture; never goes back
    /// within a kind.
    pub pts: Span,
    /// For Opus from the packet; zero for video.
    pub duration: Span,
    /// Decoding can start here.
    pub key: bool,
    /// Nothing refers to it.
    pub droppable: bool,
    /// Stored form, see `unisono_media`.
    pub payload: Bytes,
}

/// Totals since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngressStats {
    /// Frames handed out.
    pub frames: u64,
    /// RTP packets received, each counted once.
    pub packets: u64,
    /// Bytes of RTP payload received.
    pub bytes: u64,
    /// NACK messages sent.
    pub nacks: u64,
    /// Keyframe requests sent.
    pub plis: u64,
    /// Packets given up.
    pub lost: u64,
}

impl Ingress {
    /// Answers a publisher's offer. `candidates` are our host addresses as the publisher can reach them.
    pub fn accept(identity: &Identity, offer: &str, candidates: &[SocketAddr], now: Instant) -> Result<(Self, String), OfferError>;

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<IngressEvent>;

    /// Asks for a keyframe (PLI); further wishes within 500 ms are one with it.
    pub fn request_keyframe(&mut self, now: Instant);

    /// Round trip by the publisher's answers to our extended reports (RFC 3611 §4.5); `None` where it sends none.
    pub fn rtt(&self) -> Option<Span>;

    /// See [`IngressStats`].
    pub fn stats(&self) -> IngressStats;

    /// Trickled candidates or an ICE restart (RFC 9725 §4.3), an `application/trickle-ice-sdpfrag`.
    pub fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError>;
}

impl Session for Ingress {}
