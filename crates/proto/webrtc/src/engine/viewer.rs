//! An [`Engine`] that stands alone: it remembers its frames by itself and sends them as any other packet.
//!
//! For tests and for a viewer without a worker. A worker with many viewers shares one list of frames and one train buffer
//! between them instead.

use super::{Engine, EngineEvent, Moment, Outlet, sender::Outgoing};
use crate::{
    CloseReason, EgressEvent, EgressStats, HostCandidate, Identity, Mapping, OfferError, PatchError,
    PatchOutcome, Path, Session, Transmit, ViewerSession, Wanted,
};
use std::{collections::VecDeque, time::Instant};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packet, Packets};

/// Frames remembered, sound and picture together: more than two seconds.
const FRAMES_MAX: usize = 192;
/// Packets waiting for the gateway, which drains after every input; beyond it the oldest is dropped.
const TRANSMITS_MAX: usize = 8_192;

/// See the module.
pub struct Viewer {
    engine: Engine,
    recent: VecDeque<(u64, Vec<Packet>)>,
    next_number: u64,
    media: Media,
}

/// What was sealed and is not sent.
#[derive(Default)]
struct Media(VecDeque<Transmit>);

impl Outlet for Media {
    fn packet(&mut self, path: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        let mut bytes = vec![0; length];
        fill(&mut bytes);
        if self.0.len() == TRANSMITS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Transmit { path: *path, bytes, segment_size: None });
    }
}

impl Viewer {
    /// Around a session that has sent nothing.
    pub fn new(engine: Engine) -> Self {
        Self { engine, recent: VecDeque::new(), next_number: 0, media: Media::default() }
    }

    /// What it drives.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The same, to change it: a new offer, or another source than the first of its kind.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Sends a frame of any sender. The first of a kind is what [`ViewerSession::send_video`] and
    /// [`ViewerSession::send_audio`] use.
    pub fn send(
        &mut self,
        sender: super::SenderId,
        moment: Moment,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        let number = self.next_number;
        let outgoing = Outgoing { epoch, number, frame, packets };
        if !self.engine.send_frame(sender, moment, outgoing, &mut self.media) {
            return false;
        }
        self.next_number += 1;
        if self.recent.len() == FRAMES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((number, packets.list.clone()));
        true
    }

    fn send_kind(
        &mut self,
        kind: Kind,
        moment: Moment,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.engine.sender(kind).is_some_and(|sender| self.send(sender, moment, epoch, frame, packets))
    }

    fn resend(&mut self, now: Instant) {
        while let Some(request) = self.engine.poll_resend() {
            let frame = self.recent.iter().find(|(number, _)| *number == request.frame_number);
            let packet = frame.and_then(|(_, packets)| packets.get(usize::from(request.packet_index)));
            if let Some(packet) = packet {
                self.engine.resend(now, &request, packet, &mut self.media);
            }
        }
    }
}

impl Session for Viewer {
    fn local_ufrag(&self) -> &str {
        self.engine.local_ufrag()
    }

    fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> bool {
        let used = self.engine.handle_packet(now, path, bytes);
        self.resend(now);
        used
    }

    fn is_reached(&self) -> bool {
        self.engine.is_reached()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.engine.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.engine.poll_transmit().or_else(|| self.media.0.pop_front())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }

    fn closed(&self) -> Option<&CloseReason> {
        self.engine.closed()
    }

    fn close(&mut self, now: Instant) {
        self.engine.close(now);
    }
}

impl ViewerSession for Viewer {
    fn accept_viewer(
        identity: &Identity,
        offer: &str,
        candidates: &[HostCandidate],
        wanted: Wanted<'_>,
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let (engine, answer) = Engine::accept(identity, offer, candidates, wanted, now)?;
        Ok((Self::new(engine), answer))
    }

    fn poll_event(&mut self) -> Option<EgressEvent> {
        Some(match self.engine.poll_event()? {
            EngineEvent::Connected => EgressEvent::Connected,
            EngineEvent::Ready => EgressEvent::Ready,
            EngineEvent::KeyframeRequest(_) => EgressEvent::KeyframeRequest,
            EngineEvent::Message(message) => EgressEvent::Message(message),
            EngineEvent::Closed(reason) => EgressEvent::Closed(reason),
        })
    }

    fn takes(&self, kind: Kind) -> bool {
        self.engine.sender(kind).is_some()
    }

    fn send_video(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.send_kind(Kind::Video, Moment { now, clock }, epoch, frame, packets)
    }

    fn send_audio(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.send_kind(Kind::Audio, Moment { now, clock }, epoch, frame, packets)
    }

    fn send_message(&mut self, now: Instant, text: &str) -> bool {
        self.engine.send_message(now, text)
    }

    fn mapping(&self, kind: Kind) -> Option<Mapping> {
        self.engine.mapping(self.engine.sender(kind)?)
    }

    fn acknowledged(&self) -> Option<MediaTime> {
        self.engine.acknowledged(self.engine.sender(Kind::Video)?)
    }

    fn rtt(&self) -> Option<Span> {
        self.engine.rtt()
    }

    fn loss(&self) -> Option<f32> {
        self.engine.loss()
    }

    fn stats(&self) -> EgressStats {
        self.engine.stats()
    }

    fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        self.engine.handle_patch(now, fragment)
    }
}
