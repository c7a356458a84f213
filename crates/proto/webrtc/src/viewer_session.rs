//! What a viewer's session does, on whatever it is built: the same tests run against both egresses.

use crate::{CloseReason, HostCandidate, Identity, Mapping, OfferError, PatchError, PatchOutcome, Session};
use bytes::Bytes;
use std::time::Instant;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame, Kind, Packets};

/// A viewer's session that sends its media through [`Session::poll_transmit`]. The methods mean what they mean on
/// the oracle.
pub trait ViewerSession: Session + Sized {
    /// Answers a viewer's offer.
    fn accept_viewer(
        identity: &Identity,
        offer: &str,
        candidates: &[HostCandidate],
        wanted: Wanted<'_>,
        now: Instant,
    ) -> Result<(Self, String), OfferError>;

    /// The next event, in order.
    fn poll_event(&mut self) -> Option<EgressEvent>;

    /// True when the viewer takes this kind of track.
    fn takes(&self, kind: Kind) -> bool;

    /// Sends one video frame at once. `clock` is T at `now`.
    fn send_video(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool;

    /// Sends one Opus packet.
    fn send_audio(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool;

    /// Sends a text on the data channel.
    fn send_message(&mut self, now: Instant, text: &str) -> bool;

    /// The mapping in force for a kind.
    fn mapping(&self, kind: Kind) -> Option<Mapping>;

    /// T of the newest video frame of which the viewer has acknowledged all packets.
    fn acknowledged(&self) -> Option<MediaTime>;

    /// Round trip by the viewer's reports.
    fn rtt(&self) -> Option<Span>;

    /// Share of packets the viewer lost, 0 to 1.
    fn loss(&self) -> Option<f32>;

    /// Totals.
    fn stats(&self) -> EgressStats;

    /// Trickled candidates or an ICE restart.
    fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError>;
}

/// What the stream can give this viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The stream's video; `None` when it has none.
    pub video: Option<&'a CodecConfig>,
    /// The stream has sound, as Opus or about to be turned into it.
    pub audio: bool,
}

/// What a viewer's session reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EgressEvent {
    /// ICE and DTLS are up: frames can be sent from now on.
    Connected,
    /// The data channel is open: [`ViewerSession::send_message`] works from now on.
    Ready,
    /// The viewer asks for a keyframe (PLI or FIR); see [`ViewerSession::acknowledged`] for what to do (decisions 15).
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
    /// RTP packets sent, resent ones left out.
    pub packets: u64,
    /// Bytes of RTP payload of them.
    pub bytes: u64,
    /// Packets sent again after a NACK; the oracle does not count them.
    pub resent: u64,
    /// NACK messages received.
    pub nacks: u64,
    /// Keyframe requests received.
    pub plis: u64,
}
