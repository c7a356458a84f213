//! What a viewer's session does, on whatever it is built: the same tests run against both egresses.

use crate::{
    Egress, EgressEvent, EgressStats, HostCandidate, Identity, Mapping, OfferError, PatchError, PatchOutcome,
    Session, Wanted,
};
use std::time::Instant;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packets};

/// A viewer's session that sends its media through [`Session::poll_transmit`]. The methods mean what they mean on
/// [`Egress`].
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

impl ViewerSession for Egress {
    fn accept_viewer(
        identity: &Identity,
        offer: &str,
        candidates: &[HostCandidate],
        wanted: Wanted<'_>,
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        Self::accept(identity, offer, candidates, wanted, now)
    }

    fn poll_event(&mut self) -> Option<EgressEvent> {
        self.poll_event()
    }

    fn takes(&self, kind: Kind) -> bool {
        self.takes(kind)
    }

    fn send_video(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.send_video(now, clock, epoch, frame, packets)
    }

    fn send_audio(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.send_audio(now, clock, epoch, frame, packets)
    }

    fn send_message(&mut self, now: Instant, text: &str) -> bool {
        self.send_message(now, text)
    }

    fn mapping(&self, kind: Kind) -> Option<Mapping> {
        self.mapping(kind)
    }

    fn acknowledged(&self) -> Option<MediaTime> {
        self.acknowledged()
    }

    fn rtt(&self) -> Option<Span> {
        self.rtt()
    }

    fn loss(&self) -> Option<f32> {
        self.loss()
    }

    fn stats(&self) -> EgressStats {
        self.stats()
    }

    fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        self.handle_patch(now, fragment)
    }
}
