//! A WHIP publisher: RTP in, whole frames in stored form on one publisher clock out.

mod video;

use crate::{
    CloseReason, HostCandidate, Identity, OfferError, PatchError, PatchOutcome, Path, Session, Transmit,
    clock::{TrackClock, Unwrapper, since},
    jitter::{Jitter, Output, Packet},
    offer, patch,
    rtc::{Driver, Role, Section, video_format},
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use str0m::{
    Event,
    format::Codec,
    media::{KeyframeRequestKind, MediaKind, Mid, Pt},
    rtp::{RtpPacket, Ssrc},
};
use unisono_base::Span;
use unisono_media::{CodecConfig, Kind, OpusConfig, opus_packet_duration};
use video::{Assembled, Video};

/// How long a missing video packet is waited for: several retransmissions at 100 ms of round trip.
const VIDEO_WAIT_MAX: Duration = Duration::from_millis(500);
/// Audio is rarely retransmitted; a short wait repairs reordering only.
const AUDIO_WAIT_MAX: Duration = Duration::from_millis(100);
/// Keyframe requests are spaced by this much.
const PLI_SPACING: Duration = Duration::from_millis(500);
/// Without a keyframe the request is repeated, since RTCP can be lost too.
const PLI_REPEAT: Duration = Duration::from_secs(1);
/// From the last frame of one SSRC to the first of the next, where that does not seem to have arrived later.
const PTS_STEP_MIN: Span = Span::from_millis(1);
/// Frames waiting for the gateway, which drains after every input; beyond it the oldest is dropped.
const EVENTS_MAX: usize = 4_096;

/// What a publisher's session reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IngressEvent {
    /// ICE and DTLS are up.
    Connected,
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
    /// Set with a track's first frame, and when the codec configuration changes with this frame, a keyframe.
    pub config: Option<CodecConfig>,
    /// Presentation time on the publisher's clock, any origin, common to sound and picture; never goes back
    /// within a kind.
    pub pts: Span,
    /// When its last packet arrived.
    pub arrived: Instant,
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
    /// NACK messages sent, at most a second old.
    pub nacks: u64,
    /// Keyframe requests sent.
    pub plis: u64,
    /// Packets given up.
    pub lost: u64,
}

/// A publisher's session.
pub struct Ingress {
    driver: Driver,
    started: Instant,
    video: Option<(Track, Video)>,
    audio: Option<(Track, AudioState)>,
    keyframe_wanted: bool,
    /// SSRC of the video stream for which NACK is on.
    asks_for_losses: Option<Ssrc>,
    last_pli: Option<Instant>,
    rtt: Option<Span>,
    stats: IngressStats,
    events: VecDeque<IngressEvent>,
    told_closed: bool,
}

/// A track's way from packets to the publisher's clock.
struct Track {
    mid: Mid,
    payload_types: Vec<(Pt, Codec)>,
    jitter: Jitter,
    unwrapper: Unwrapper,
    clock: TrackClock,
    /// RTP clock rate.
    rate: u32,
    newest_pts: Option<Span>,
    /// After another SSRC came: its first frame goes on behind this.
    goes_on_behind: Option<Span>,
    /// NACK messages sent for it.
    nacks: u64,
}

impl Track {
    fn codec(&self, payload_type: Pt) -> Option<Codec> {
        self.payload_types.iter().find(|(known, _)| *known == payload_type).map(|(_, codec)| *codec)
    }

    /// The publisher's clock at an RTP time of a frame that arrived `since_start` after the session began.
    fn pts(&mut self, time: u32, since_start: Duration, target: Option<Span>) -> Span {
        let goes_on = self.goes_on_behind.take();
        let goes_on =
            goes_on.map(|last| Span::from_micros(since_start.as_micros() as i64).max(last + PTS_STEP_MIN));
        let rtp = self.unwrapper.unwrap(time);
        let pts = self.clock.pts(rtp, since_start, goes_on.or(target));
        self.newest_pts = self.newest_pts.max(Some(pts));
        pts
    }

    /// Another SSRC: its RTP time begins anywhere, while the publisher's clock goes on.
    fn begin_anew(&mut self) {
        self.unwrapper = Unwrapper::default();
        self.clock = TrackClock::new(self.rate);
        self.goes_on_behind = self.newest_pts;
    }
}

/// Whether the track has been announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AudioState {
    New,
    Announced,
}

impl Ingress {
    /// Answers a publisher's offer: one video track in any of the formats offered that we know, H.264 preferred, and
    /// Opus, receive only. `candidates` are our host addresses as the
    /// publisher can reach them.
    pub fn accept(
        identity: &Identity,
        offer: &str,
        candidates: &[impl Into<HostCandidate> + Copy],
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let (driver, sections, answer) = Driver::accept(identity, Role::Publisher, offer, candidates, now)?;
        let video = track(&driver, &sections, MediaKind::Video, VIDEO_WAIT_MAX, 90_000);
        let audio = track(&driver, &sections, MediaKind::Audio, AUDIO_WAIT_MAX, 48_000);
        if video.is_none() && audio.is_none() {
            return Err(match sections.is_empty() {
                true => OfferError::Direction("a publisher must offer a=sendonly or a=sendrecv media"),
                false => OfferError::NoCommonCodec(format!(
                    "send H.264 (packetization-mode=1), AV1, VP9, VP8 or H.265 video and Opus audio; offered is {}",
                    offer::encodings(offer, &["video", "audio"])
                )),
            });
        }
        let session = Self {
            driver,
            started: now,
            video: video.map(|track| (track, Video::default())),
            audio: audio.map(|track| (track, AudioState::New)),
            keyframe_wanted: false,
            asks_for_losses: None,
            last_pli: None,
            rtt: None,
            stats: IngressStats::default(),
            events: VecDeque::new(),
            told_closed: false,
        };
        Ok((session, answer))
    }

    /// True when this kind of track was negotiated; its frames may still fail to come.
    pub fn offers(&self, kind: Kind) -> bool {
        match kind {
            Kind::Video => self.video.is_some(),
            Kind::Audio => self.audio.is_some(),
            Kind::Data => false,
        }
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<IngressEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let reason = self.driver.closed()?;
        (!std::mem::replace(&mut self.told_closed, true)).then(|| IngressEvent::Closed(reason.clone()))
    }

    /// Asks for a keyframe (PLI, RFC 4585 §6.3.1); further wishes within 500 ms are one with it.
    pub fn request_keyframe(&mut self, now: Instant) {
        self.keyframe_wanted = self.video.is_some();
        self.work(now);
    }

    /// Round trip by the publisher's answers to our extended reports (RFC 3611 §4.5); `None` where it sends none.
    pub fn rtt(&self) -> Option<Span> {
        self.rtt
    }

    /// See [`IngressStats`].
    pub fn stats(&self) -> IngressStats {
        self.stats
    }

    /// Trickled candidates or an ICE restart (RFC 9725 §4.3), an `application/trickle-ice-sdpfrag`.
    pub fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        let outcome = patch::apply(&mut self.driver, fragment)?;
        self.work(now);
        Ok(outcome)
    }

    /// Turns what the driver has into events.
    fn work(&mut self, now: Instant) {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Connected => {
                    self.keyframe_wanted = self.video.is_some();
                    self.emit(IngressEvent::Connected);
                }
                Event::RtpPacket(packet) => self.packet(&packet),
                Event::SenderFeedback(feedback) => {
                    let info = feedback.sender_info;
                    if let Some(track) = self.track_by_mid(feedback.mid) {
                        let rtp = track.unwrapper.peek(info.rtp_time.numer() as u32);
                        track.clock.report(info.ntp_time, rtp);
                    }
                }
                Event::MediaIngressStats(stats) => {
                    self.rtt = stats.rtt.map(|rtt| Span::from_micros(rtt.as_micros() as i64)).or(self.rtt);
                    if let Some(track) = self.track_by_mid(stats.mid) {
                        track.nacks = stats.nacks;
                    }
                    self.stats.nacks = self.tracks().map(|track| track.nacks).sum();
                }
                _ => {}
            }
        }
        self.deliver_video(now);
        self.deliver_audio(now);
        self.send_pli(now);
    }

    fn tracks(&mut self) -> impl Iterator<Item = &mut Track> {
        let video = self.video.as_mut().map(|(track, _)| track);
        video.into_iter().chain(self.audio.as_mut().map(|(track, _)| track))
    }

    fn track_by_mid(&mut self, mid: Mid) -> Option<&mut Track> {
        self.tracks().find(|track| track.mid == mid)
    }

    fn packet(&mut self, packet: &RtpPacket) {
        let payload_type = packet.header.payload_type;
        let codec = self.tracks().find_map(|track| track.codec(payload_type));
        let format = codec.and_then(video_format);
        let is_video = format.is_some();
        let ssrc = Some(packet.header.ssrc);
        if is_video && self.asks_for_losses != ssrc {
            self.asks_for_losses = ssrc;
            // A publisher without RTX repeats packets as they were; str0m would not ask it for them by itself.
            if let Some(stream) = self.driver.rtc.direct_api().stream_rx(&packet.header.ssrc) {
                stream.suppress_nack(false);
            }
        }
        let Some(track) = self.tracks().find(|track| track.codec(payload_type).is_some()) else { return };
        track.jitter.push(Packet {
            ssrc: packet.header.ssrc,
            sequence: *packet.seq_no,
            time: packet.header.timestamp,
            marker: packet.header.marker,
            arrived: packet.timestamp,
            format,
            payload: packet.payload.clone(),
        });
        self.stats.packets += 1;
        self.stats.bytes += packet.payload.len() as u64;
    }

    fn deliver_video(&mut self, now: Instant) {
        let Some((mut track, mut video)) = self.video.take() else { return };
        while let Some(output) = track.jitter.pop(now) {
            match output {
                Output::Packet(packet) => {
                    for unit in video.push(&packet) {
                        self.video_frame(&mut track, unit);
                    }
                    self.keyframe_wanted |= video.take_key_wish();
                }
                Output::Lost(packets) => self.video_lost(&mut video, packets),
                Output::Anew(packets) => {
                    track.begin_anew();
                    self.video_lost(&mut video, packets);
                }
            }
        }
        self.video = Some((track, video));
    }

    fn video_lost(&mut self, video: &mut Video, packets: u64) {
        video.lose();
        self.keyframe_wanted = true;
        self.lost(Kind::Video, packets);
    }

    fn video_frame(&mut self, track: &mut Track, Assembled { frame, time, arrived, config }: Assembled) {
        let pts = track.pts(time, since(self.started, arrived), None);
        self.frame(IngressFrame {
            kind: Kind::Video,
            config,
            pts,
            arrived,
            duration: Span::ZERO,
            key: frame.key,
            droppable: frame.droppable,
            payload: frame.payload,
        });
    }

    fn deliver_audio(&mut self, now: Instant) {
        let Some((mut track, mut state)) = self.audio.take() else { return };
        while let Some(output) = track.jitter.pop(now) {
            match output {
                Output::Packet(packet) => self.audio_frame(&mut track, &mut state, &packet),
                Output::Lost(packets) => self.lost(Kind::Audio, packets),
                Output::Anew(packets) => {
                    track.begin_anew();
                    self.lost(Kind::Audio, packets);
                }
            }
        }
        self.audio = Some((track, state));
    }

    fn audio_frame(&mut self, track: &mut Track, state: &mut AudioState, packet: &Packet) {
        let Some(duration) = opus_packet_duration(&packet.payload) else { return };
        let target = self.video.as_ref().and_then(|(video, _)| track.clock.target_beside(&video.clock));
        let pts = track.pts(packet.time, since(self.started, packet.arrived), target);
        let is_new = std::mem::replace(state, AudioState::Announced) == AudioState::New;
        self.frame(IngressFrame {
            kind: Kind::Audio,
            // RFC 7587 §6.1: always two channels in SDP, whatever is inside.
            config: is_new.then_some(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })),
            pts,
            arrived: packet.arrived,
            duration,
            key: true,
            droppable: false,
            payload: Bytes::copy_from_slice(&packet.payload),
        });
    }

    fn frame(&mut self, frame: IngressFrame) {
        self.stats.frames += 1;
        self.emit(IngressEvent::Frame(frame));
    }

    fn lost(&mut self, kind: Kind, packets: u64) {
        self.stats.lost += packets;
        self.emit(IngressEvent::Lost { kind, packets });
    }

    fn send_pli(&mut self, now: Instant) {
        if self.last_pli.is_some_and(|last| now < last + PLI_SPACING) || !self.driver.is_connected() {
            return;
        }
        // After a contained panic str0m may be torn: it is not looked at again.
        if self.driver.closed().is_some() {
            return;
        }
        let Some((track, video)) = &self.video else { return };
        let overdue = video.needs_key() && self.last_pli.is_none_or(|last| now >= last + PLI_REPEAT);
        if !self.keyframe_wanted && !overdue {
            return;
        }
        let mut api = self.driver.rtc.direct_api();
        // No stream yet means that no packet came: the wish stays.
        let Some(stream) = api.stream_rx_by_mid(track.mid, None) else { return };
        stream.request_keyframe(KeyframeRequestKind::Pli);
        self.keyframe_wanted = false;
        self.last_pli = Some(now);
        self.stats.plis += 1;
        self.driver.handle_timeout(now);
    }

    fn emit(&mut self, event: IngressEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Session for Ingress {
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
        let driver = self.driver.poll_timeout()?;
        let video = self.video.as_ref().and_then(|(track, _)| track.jitter.deadline());
        let audio = self.audio.as_ref().and_then(|(track, _)| track.jitter.deadline());
        let pli = self.last_pli.filter(|_| self.keyframe_wanted).map(|last| last + PLI_SPACING);
        [video, audio, pli].into_iter().flatten().chain([driver]).min()
    }

    fn closed(&self) -> Option<&CloseReason> {
        self.driver.closed()
    }

    fn close(&mut self, now: Instant) {
        self.driver.close(now);
    }
}

/// The first section of `kind` that carries a codec we know.
fn track(
    driver: &Driver,
    sections: &[Section],
    kind: MediaKind,
    wait_max: Duration,
    rate: u32,
) -> Option<Track> {
    let is_known = |codec| match kind {
        MediaKind::Video => video_format(codec).is_some(),
        MediaKind::Audio => codec == Codec::Opus,
    };
    sections.iter().filter(|section| section.kind == kind).find_map(|section| {
        let media = driver.rtc.media(section.mid).filter(|media| media.direction().is_receiving())?;
        let offered = media.remote_pts();
        let params = driver.rtc.codec_config().params().iter();
        let payload_types: Vec<_> = params
            .map(|p| (p.pt(), p.spec().codec))
            .filter(|(pt, codec)| is_known(*codec) && offered.contains(pt))
            .collect();
        (!payload_types.is_empty()).then(|| Track {
            mid: section.mid,
            payload_types,
            jitter: Jitter::new(wait_max),
            unwrapper: Unwrapper::default(),
            clock: TrackClock::new(rate),
            rate,
            newest_pts: None,
            goes_on_behind: None,
            nacks: 0,
        })
    })
}
