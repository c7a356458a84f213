//! What the viewer says by RTCP.

use super::{
    Engine, EngineEvent,
    rtcp::{self, Lost, Message, ReceiverReference, ReportBlock, write_goodbye, write_reference_answer},
    session::{RESENDS_MAX, Slot},
};
use std::time::Instant;
use unisono_media::Kind;

/// RTCP packets of peers are shorter than a datagram on any usual path.
const PACKET_MAX: usize = 1_500;
/// The second byte of RTCP (RFC 5761 §4).
const RTCP: std::ops::RangeInclusive<u8> = 192..=223;

impl Engine {
    /// A packet from the peer's address that may be SRTCP. RTP is not expected, and dropped.
    pub(super) fn handle_srtp(&mut self, now: Instant, packet: &[u8]) {
        let is_rtcp = packet.get(1).is_some_and(|kind| RTCP.contains(kind)) && packet.len() <= PACKET_MAX;
        if !is_rtcp {
            return;
        }
        // Taken out meanwhile, since what is opened changes the rest.
        let Some(mut opener) = self.cold.opener.take() else { return };
        let mut plain = [0; PACKET_MAX];
        match opener.open_rtcp(packet, &mut plain) {
            Ok(compound) => self.handle_rtcp(now, compound),
            Err(error) => tracing::debug!(%error, "RTCP dropped"),
        }
        self.cold.opener = Some(opener);
    }

    fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        let mut reference = None;
        for message in rtcp::read(compound) {
            match message {
                Message::Report(block) => self.handle_report(now, &block),
                Message::Nack { media, lost } => self.handle_nack(now, media, lost),
                Message::PictureLoss { media } => self.wants_keyframe(media),
                Message::FullIntra(targets) => targets.for_each(|(media, _)| self.wants_keyframe(media)),
                Message::TransportFeedback(feedback) => self.bwe.feedback(now, &feedback),
                Message::Reference(heard) => reference = Some(heard),
                // Its receivers may come again; the session ends by DTLS or silence.
                Message::Goodbye(_) => {}
            }
        }
        if let Some(reference) = reference {
            self.answer_reference(now, reference);
        }
    }

    fn handle_report(&mut self, now: Instant, block: &ReportBlock) {
        let Some(clock) = self.clock(now) else { return };
        let has_video = self.senders.iter().any(|slot| slot.sender.kind() == Kind::Video);
        let Some(Slot { sender, .. }) = self.of(block.ssrc) else { return };
        let is_leading = sender.kind() == Kind::Video || !has_video;
        let reception = sender.handle_report(clock, block);
        self.cold.rtt = reception.rtt.or(self.cold.rtt);
        if is_leading {
            self.cold.loss = Some(reception.loss);
            self.bwe.reception(now, reception.loss, reception.rtt);
        }
    }

    fn handle_nack(&mut self, now: Instant, media: u32, lost: Lost<'_>) {
        self.cold.nacks += 1;
        let waiting = self.cold.resends.len();
        let Some(Slot { sender, .. }) = self.of(media) else { return };
        let found: Vec<_> =
            lost.filter_map(|sequence| sender.find_lost(now, sequence)).take(RESENDS_MAX - waiting).collect();
        self.cold.resends.extend(found);
    }

    fn wants_keyframe(&mut self, media: u32) {
        let Some(&mut Slot { id, .. }) = self.of(media) else { return };
        self.cold.plis += 1;
        self.cold.emit(EngineEvent::KeyframeRequest(id));
    }

    fn answer_reference(&mut self, now: Instant, reference: ReceiverReference) {
        let (Some(clock), Some(slot)) = (self.clock(now), self.senders.first()) else { return };
        let mut packet = Vec::with_capacity(64);
        write_reference_answer(&mut packet, slot.sender.ssrc(), reference, clock, clock);
        self.send_control(packet);
    }

    /// These streams end.
    pub(super) fn say_goodbye(&mut self, sources: &[u32]) {
        for sources in sources.chunks(31) {
            let mut packet = Vec::with_capacity(32 + 4 * sources.len());
            write_goodbye(&mut packet, sources);
            self.send_control(packet);
        }
    }

    /// The sender of this media.
    fn of(&mut self, ssrc: u32) -> Option<&mut Slot> {
        self.senders.iter_mut().find(|slot| slot.sender.ssrc() == ssrc)
    }
}
