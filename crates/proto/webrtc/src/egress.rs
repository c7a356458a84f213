//! A WHEP viewer on str0m: the oracle. What [`crate::Engine`] does is held against it.

mod line;

use crate::{
    CloseReason, EgressEvent, EgressStats, HostCandidate, Identity, Mapping, OfferError, PatchError,
    PatchOutcome, Path, Session, Transmit, ViewerSession, Wanted, offer, patch,
    rtc::{Driver, Role},
};
use bytes::Bytes;
use line::Line;
use std::{
    collections::VecDeque,
    time::{Duration, Instant, UNIX_EPOCH},
};
use str0m::{
    Event,
    channel::ChannelId,
    media::MediaKind,
    rtp::{AbsCaptureTime, ExtensionValues, RtpWrite, SeqNo},
};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame, Kind, Packets};
use unisono_mux::rtp::VideoFormat;

/// Video frames remembered for [`Egress::acknowledged`].
const SENT_MAX: usize = 256;
/// Events waiting for the gateway; beyond it the oldest is dropped.
const EVENTS_MAX: usize = 64;
/// Bytes that may wait in the data channel.
const CHANNEL_BYTES_MAX: usize = 256 * 1024;

/// A viewer's session.
pub struct Egress {
    driver: Driver,
    video: Option<Line>,
    audio: Option<Line>,
    channel: Option<ChannelId>,
    events: VecDeque<EgressEvent>,
    /// Last sequence number and T of the video frames sent, oldest first.
    sent: VecDeque<(u64, MediaTime)>,
    acknowledged: Option<MediaTime>,
    rtt: Option<Span>,
    loss: Option<f32>,
    stats: EgressStats,
    told_closed: bool,
}

impl Egress {
    fn line(&self, kind: Kind) -> Option<&Line> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
            Kind::Data => None,
        }
    }

    fn send(
        &mut self,
        kind: Kind,
        (now, clock): (Instant, MediaTime),
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        if !self.driver.is_connected() || self.driver.closed().is_some() {
            return false;
        }
        let line = if kind == Kind::Video { self.video.as_mut() } else { self.audio.as_mut() };
        let Some(line) = line else { return false };
        let rtp = line.clock.stamp(epoch, frame);
        let captured = instant_of((now, clock), frame.t);
        let mut api = self.driver.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(line.mid, None) else { return false };
        // On every packet: a train for segmentation offload needs headers of one length (decisions 19).
        let capture_time = capture_time(frame.t);
        for packet in &packets.list {
            let sequence = SeqNo::from(line.next_sequence);
            line.next_sequence += 1;
            self.stats.bytes += packet.payload.len() as u64;
            let write = RtpWrite::new(line.pt, sequence, rtp, captured, packet.payload.clone())
                .marker(packet.marker)
                .nackable(kind == Kind::Video)
                .ext_vals(capture_time.clone());
            stream.write_rtp(write);
        }
        self.stats.frames += 1;
        self.stats.packets += packets.list.len() as u64;
        self.tell_mapping(now, kind);
        // Nothing leaves before time has been told.
        self.driver.handle_timeout(now);
        true
    }

    fn work(&mut self, now: Instant) {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Connected => self.emit(EgressEvent::Connected),
                Event::ChannelOpen(id, _) if self.channel.is_none() => {
                    self.channel = Some(id);
                    self.emit(EgressEvent::Ready);
                    self.tell_mapping(now, Kind::Video);
                    self.tell_mapping(now, Kind::Audio);
                }
                Event::ChannelClose(id) if self.channel == Some(id) => self.channel = None,
                Event::ChannelData(data) => self.emit(EgressEvent::Message(Bytes::from(data.data))),
                Event::KeyframeRequest(_) => {
                    self.stats.plis += 1;
                    self.emit(EgressEvent::KeyframeRequest);
                }
                Event::MediaEgressStats(stats) if self.video.as_ref().is_none_or(|l| l.mid == stats.mid) => {
                    self.rtt = stats.rtt.map(|rtt| Span::from_micros(rtt.as_micros() as i64)).or(self.rtt);
                    self.loss = stats.loss.or(self.loss);
                    self.stats.nacks = stats.nacks;
                    if let Some(remote) = stats.remote {
                        self.acknowledge(*remote.maximum_sequence_number);
                    }
                }
                _ => {}
            }
        }
    }

    /// The viewer has everything up to `sequence`; its lower 16 bits count, so that any extension of theirs will do.
    fn acknowledge(&mut self, sequence: u64) {
        let Some((newest, _)) = self.sent.back() else { return };
        let behind = (*newest as u16).wrapping_sub(sequence as u16);
        let received = newest.saturating_sub(u64::from(behind));
        while self.sent.front().is_some_and(|(last, _)| *last <= received) {
            self.acknowledged = self.sent.pop_front().map(|(_, t)| t);
        }
    }

    fn tell_mapping(&mut self, now: Instant, kind: Kind) {
        let Some(mapping) = self.line(kind).and_then(|line| line.clock.due(now)) else { return };
        if self.write(&mapping.to_json()) {
            let line = if kind == Kind::Video { self.video.as_mut() } else { self.audio.as_mut() };
            line.into_iter().for_each(|line| line.clock.set_told(mapping, now));
        }
    }

    fn write(&mut self, text: &str) -> bool {
        // After a contained panic str0m may be torn: it is not looked at again.
        if self.driver.closed().is_some() {
            return false;
        }
        let Some(mut channel) = self.channel.and_then(|id| self.driver.rtc.channel(id)) else { return false };
        let has_room = channel.buffered_amount() + text.len() <= CHANNEL_BYTES_MAX;
        has_room && channel.write(false, text.as_bytes()).unwrap_or(false)
    }

    fn emit(&mut self, event: EgressEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Session for Egress {
    fn local_ufrag(&self) -> &str {
        self.driver.ufrag()
    }

    fn is_reached(&self) -> bool {
        self.driver.is_reached()
    }

    fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> bool {
        let used = self.driver.handle_packet(now, path, bytes);
        if used {
            self.work(now);
        }
        used
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.driver.handle_timeout(now);
        self.work(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.driver.poll_transmit()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.driver.poll_timeout()
    }

    fn closed(&self) -> Option<&CloseReason> {
        self.driver.closed()
    }

    fn close(&mut self, now: Instant) {
        self.driver.close(now);
    }
}

fn video_format(config: &CodecConfig) -> Option<VideoFormat> {
    match config {
        CodecConfig::H264(_) => Some(VideoFormat::H264),
        CodecConfig::H265(_) => Some(VideoFormat::H265),
        CodecConfig::Vp8(_) => Some(VideoFormat::Vp8),
        CodecConfig::Vp9(_) => Some(VideoFormat::Vp9),
        CodecConfig::Av1(_) => Some(VideoFormat::Av1),
        CodecConfig::Aac(_) | CodecConfig::Opus(_) | CodecConfig::Events => None,
    }
}

/// T as abs-capture-time; goes out where the viewer negotiated it.
fn capture_time(t: MediaTime) -> ExtensionValues {
    let capture_time = UNIX_EPOCH + Duration::from_micros(t.as_micros().max(0) as u64);
    ExtensionValues {
        abs_capture_time: Some(AbsCaptureTime { capture_time, clock_offset: Some(0) }),
        ..ExtensionValues::default()
    }
}

/// The instant at which the timeline clock reads `t`, given one reading of it.
fn instant_of((instant, clock): (Instant, MediaTime), t: MediaTime) -> Instant {
    let distance = (t - clock).as_micros();
    let by = Duration::from_micros(distance.unsigned_abs());
    // Never ahead of the instant itself: a sender report cannot speak of the future. T runs ahead of the clock by less
    // than a frame, if at all.
    if distance >= 0 { instant } else { instant.checked_sub(by).unwrap_or(instant) }
}

impl ViewerSession for Egress {
    fn accept_viewer(
        identity: &Identity,
        offer: &str,
        candidates: &[HostCandidate],
        wanted: Wanted<'_>,
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let role = Role::Viewer(wanted.video.and_then(video_format));
        let (mut driver, sections, answer) = Driver::accept(identity, role, offer, candidates, now)?;
        let video = wanted.video.and_then(|config| Line::video(&mut driver, &sections, config));
        let has_video_section = sections.iter().any(|section| section.kind == MediaKind::Video);
        if let Some(config) = wanted.video.filter(|_| has_video_section && video.is_none()) {
            return Err(offer::no_common_codec(config, offer));
        }
        let audio = wanted.audio.then(|| Line::audio(&mut driver, &sections)).flatten();
        if video.is_none() && audio.is_none() {
            return Err(OfferError::Direction(
                "a viewer must offer a=recvonly video or audio that the stream has",
            ));
        }
        let session = Self {
            driver,
            video,
            audio,
            channel: None,
            events: VecDeque::new(),
            sent: VecDeque::new(),
            acknowledged: None,
            rtt: None,
            loss: None,
            stats: EgressStats::default(),
            told_closed: false,
        };
        Ok((session, answer))
    }

    fn poll_event(&mut self) -> Option<EgressEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let reason = self.driver.closed()?;
        (!std::mem::replace(&mut self.told_closed, true)).then(|| EgressEvent::Closed(reason.clone()))
    }

    fn takes(&self, kind: Kind) -> bool {
        self.line(kind).is_some()
    }

    fn send_video(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        let is_sent = self.send(Kind::Video, (now, clock), epoch, frame, packets);
        if let Some(line) = self.video.as_ref().filter(|_| is_sent) {
            if self.sent.len() == SENT_MAX {
                self.sent.pop_front();
            }
            self.sent.push_back((line.next_sequence - 1, frame.t));
        }
        is_sent
    }

    fn send_audio(
        &mut self,
        now: Instant,
        clock: MediaTime,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.send(Kind::Audio, (now, clock), epoch, frame, packets)
    }

    fn send_message(&mut self, now: Instant, text: &str) -> bool {
        let is_sent = self.write(text);
        if is_sent {
            self.driver.handle_timeout(now);
        }
        is_sent
    }

    fn mapping(&self, kind: Kind) -> Option<Mapping> {
        self.line(kind)?.clock.mapping()
    }

    fn acknowledged(&self) -> Option<MediaTime> {
        self.acknowledged
    }

    fn rtt(&self) -> Option<Span> {
        self.rtt
    }

    fn loss(&self) -> Option<f32> {
        self.loss
    }

    fn stats(&self) -> EgressStats {
        self.stats
    }

    fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        let outcome = patch::apply(&mut self.driver, fragment)?;
        self.work(now);
        Ok(outcome)
    }
}
