//! The one place that touches str0m's driving loop: build, answer, drain, close.

use crate::{
    CloseReason, HostCandidate, Identity, OfferError, Path, Transmit, Transport,
    guard::guarded,
    offer,
    path::{Paths, Stun},
    route::{Nomination, nominating},
};
use std::{
    borrow::Cow,
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig, RtcError,
    change::SdpOffer,
    config::DtlsVersion,
    format::{Codec, CodecConfig, FormatParams},
    media::{Frequency, MediaKind, Mid},
    net::{Protocol, Receive, TcpType},
    rtp::Extension,
};
use unisono_mux::rtp::VideoFormat;

/// A viewer that sent no valid datagram for this long is gone. ICE peers ask every 2.5 s (RFC 7675 allows 5 s).
const VIEWER_SILENCE_MAX: Duration = Duration::from_secs(10);
/// A publisher sends media all the time; its viewers should learn soon that it is lost.
const PUBLISHER_SILENCE_MAX: Duration = Duration::from_secs(6);
/// From the answer to a finished DTLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// From the answer to the first valid check: a peer that sent none by then cannot reach the media port.
const FIRST_CHECK_MAX: Duration = Duration::from_secs(10);
/// Sender and receiver reports: two are needed before a browser can tell sound and picture apart in time.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How often the peer's reports are read: round trip, and what has arrived.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Datagrams waiting for the gateway; it drains after every input, so this is reached only by a gateway that does
/// not, and then the oldest is dropped.
const TRANSMITS_MAX: usize = 8_192;
/// Events between two drains, for the same reason.
const EVENTS_MAX: usize = 16_384;

/// Media stream and CNAME of everything we send to one peer.
const STREAM_ID: &str = "unisono";

/// Which way media flows, seen from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sends what it likes of what we know.
    Publisher,
    /// Gets this video format, if there is video.
    Viewer(Option<VideoFormat>),
}

/// A media section of the offer that both sides can use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
}

/// A str0m session with its outputs drained into queues.
pub(crate) struct Driver {
    pub(crate) rtc: Rtc,
    ufrag: String,
    remote_ufrag: Option<String>,
    candidates: Vec<HostCandidate>,
    nomination: Nomination,
    paths: Paths,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    deadline: Option<Instant>,
    opened: Instant,
    last_heard: Instant,
    connected: bool,
    /// A refusal before the handshake's end was logged aloud.
    told: bool,
    silence_max: Duration,
    closed: Option<CloseReason>,
}

impl Driver {
    /// Answers `sdp`; the media sections found are returned beside the answer.
    pub(crate) fn accept(
        identity: &Identity,
        role: Role,
        sdp: &str,
        candidates: &[impl Into<HostCandidate> + Copy],
        now: Instant,
    ) -> Result<(Self, Vec<Section>, String), OfferError> {
        offer::check(sdp)?;
        let candidates = candidates.iter().map(|candidate| (*candidate).into()).collect();
        guarded(|| Self::answer(identity, role, sdp, candidates, now)).map_err(OfferError::Internal)?
    }

    fn answer(
        identity: &Identity,
        role: Role,
        sdp: &str,
        candidates: Vec<HostCandidate>,
        now: Instant,
    ) -> Result<(Self, Vec<Section>, String), OfferError> {
        // A publisher gets nothing from us, also where its offer would take something.
        let directed = offer::with_directions(sdp);
        let one_way = match role {
            Role::Publisher => {
                Cow::Owned(offer::without_simulcast(&directed).replace("a=sendrecv", "a=sendonly"))
            }
            Role::Viewer(_) => directed,
        };
        let parsed = SdpOffer::from_sdp_string(&one_way).map_err(|error| offer::malformed(&error))?;
        let mut rtc = config(identity, role, sdp).build(now);
        for candidate in &candidates {
            rtc.add_local_candidate(ice_candidate(*candidate)?);
        }
        let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| offer::malformed(&error))?;
        let local = rtc.direct_api().local_ice_credentials();
        let remote_ufrag = first_value(sdp, "a=ice-ufrag:").map(str::to_owned);
        let remote = IceCreds {
            ufrag: remote_ufrag.clone().unwrap_or_default(),
            pass: first_value(sdp, "a=ice-pwd:").unwrap_or_default().to_owned(),
        };
        let mut driver = Self {
            rtc,
            ufrag: local.ufrag.clone(),
            remote_ufrag,
            candidates,
            nomination: Nomination::default(),
            paths: Paths::new(local, remote, tie_breaker()).media_consents(role == Role::Publisher),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            deadline: None,
            opened: now,
            last_heard: now,
            connected: false,
            told: false,
            silence_max: match role {
                Role::Publisher => PUBLISHER_SILENCE_MAX,
                Role::Viewer(_) => VIEWER_SILENCE_MAX,
            },
            closed: None,
        };
        driver.drain_unguarded();
        let answer = one_stream(&answer.to_sdp_string());
        driver.paths = driver.paths.begins_handshake(answer.contains("a=setup:active"));
        let sections = sections(&driver.rtc, &answer);
        Ok((driver, sections, answer))
    }

    pub(crate) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    pub(crate) fn closed(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    pub(crate) fn is_reached(&self) -> bool {
        !self.paths.is_empty()
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> bool {
        if self.closed.is_some() {
            return false;
        }
        let used = guarded(|| {
            let completed = self.paths.completed(bytes);
            let bytes = completed.as_deref().unwrap_or(bytes);
            let stun = is_stun(bytes).then(|| self.paths.handle_stun(now, path, bytes));
            // DTLS and SRTP count only from an address that sent a valid check.
            if stun == Some(Stun::Foreign) || !self.paths.handle_received(now, path, bytes.len()) {
                return false;
            }
            if stun == Some(Stun::Answer) {
                self.last_heard = now;
                return true;
            }
            let protocol = protocol(path.transport);
            let Ok(receive) = Receive::new(protocol, path.remote, path.local, bytes) else { return false };
            let input = Input::Receive(now, receive);
            if !self.rtc.accepts(&input) {
                return false;
            }
            self.last_heard = now;
            let is_moved = match nominating(bytes) {
                Some(priority) => self.nomination.handle(now, path, priority),
                None => !is_stun(bytes) && self.nomination.handle_data(now, path),
            };
            if is_moved {
                tracing::debug!(?path, "media takes this path");
            }
            let was_connected = self.connected;
            // An error here concerns this datagram: a peer cannot end a session by sending garbage into it.
            if let Err(error) = self.rtc.handle_input(input) {
                self.refused(&error, path.remote);
            }
            self.drain_unguarded();
            if self.connected && !was_connected {
                self.paths.handshake_done(path);
            }
            self.check_paths(now);
            true
        });
        used.unwrap_or_else(|words| {
            self.end(CloseReason::Protocol(words));
            false
        })
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        if !self.connected && now.saturating_duration_since(self.opened) >= CONNECT_MAX {
            return self.end(CloseReason::NeverConnected);
        }
        if self.paths.is_empty() && now.saturating_duration_since(self.opened) >= FIRST_CHECK_MAX {
            return self.end(CloseReason::Unreachable);
        }
        if self.paths.is_revoked(now) {
            return self.end(CloseReason::ConsentEnded);
        }
        if self.connected && now.saturating_duration_since(self.last_heard) >= self.silence_max {
            return self.end(CloseReason::Silent);
        }
        let done = guarded(|| match self.rtc.handle_input(Input::Timeout(now)) {
            Ok(()) => self.drain_unguarded(),
            Err(error) => self.end(CloseReason::Protocol(error.to_string())),
        });
        if let Err(words) = done {
            self.end(CloseReason::Protocol(words));
        }
        self.check_paths(now);
    }

    /// Asks the peer's addresses whether they are there.
    fn check_paths(&mut self, now: Instant) {
        while self.closed.is_none()
            && let Some(check) = self.paths.poll_check(now)
        {
            self.transmits.push_back(check);
        }
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let liveness = match (self.connected, self.paths.is_empty()) {
            (true, _) => self.last_heard + self.silence_max,
            (false, true) => self.opened + FIRST_CHECK_MAX,
            (false, false) => self.opened + CONNECT_MAX,
        };
        [Some(liveness), self.deadline, self.paths.poll_timeout()].into_iter().flatten().min()
    }

    pub(crate) fn close(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        let farewell = guarded(|| {
            if self.rtc.close().is_ok() && self.rtc.handle_input(Input::Timeout(now)).is_ok() {
                self.drain_unguarded();
            }
        });
        if let Err(words) = farewell {
            tracing::debug!(%words, "no farewell");
        }
        self.end(CloseReason::Local);
    }

    /// The peer's ICE user fragment.
    pub(crate) fn remote_ufrag(&self) -> Option<&str> {
        self.remote_ufrag.as_deref()
    }

    /// New credentials on both sides. DTLS and SRTP go on; the peer's next checks may come from anywhere.
    pub(crate) fn restart_ice(&mut self, local: IceCreds, remote: IceCreds) {
        self.ufrag.clone_from(&local.ufrag);
        self.remote_ufrag = Some(remote.ufrag.clone());
        self.nomination.restart();
        self.paths.restart(local.clone(), remote.clone());
        let mut api = self.rtc.direct_api();
        api.set_local_ice_credentials(local);
        api.set_remote_ice_credentials(remote);
    }

    /// Our host candidates.
    pub(crate) fn candidates(&self) -> &[HostCandidate] {
        &self.candidates
    }

    /// Before the handshake is done, the first refusal is most likely why it never will be: an operator sees it.
    fn refused(&mut self, error: &RtcError, from: SocketAddr) {
        if self.connected || std::mem::replace(&mut self.told, true) {
            tracing::debug!(%error, %from, "datagram refused");
        } else {
            tracing::warn!(%error, from = %unisono_base::Shown::from(from), "a peer's handshake was refused; the session stays unconnected");
        }
    }

    fn end(&mut self, reason: CloseReason) {
        self.closed.get_or_insert(reason);
        self.deadline = None;
    }

    fn drain_unguarded(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = Some(at);
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    let transmit = self.on_its_path(transmit);
                    if !self.paths.allows(transmit.path, &transmit.bytes) {
                        continue;
                    }
                    if self.transmits.len() == TRANSMITS_MAX {
                        self.transmits.pop_front();
                    }
                    self.transmits.push_back(transmit);
                }
                Ok(Output::Event(event)) => self.event(event),
                Err(error) => return self.end(CloseReason::Protocol(error.to_string())),
            }
            if !self.rtc.is_alive() {
                return self.end(CloseReason::ByPeer);
            }
        }
    }

    /// Answers to STUN go back as they came; everything else takes the nominated path.
    fn on_its_path(&self, transmit: str0m::net::Transmit) -> Transmit {
        let transport = match transmit.proto {
            Protocol::Udp => Transport::Udp,
            Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Tcp,
        };
        let own = Path { transport, remote: transmit.destination, local: transmit.source };
        let path = self.nomination.path().filter(|_| !is_stun(&transmit.contents)).unwrap_or(own);
        Transmit { path, bytes: transmit.contents.into(), segment_size: None }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            // Closing output may still follow; the loop goes on until the session is no longer alive.
            Event::Closed => return,
            _ => {}
        }
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }
}

/// The first byte of STUN, DTLS, SRTP and SRTCP tells them apart (RFC 7983 §7).
fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

/// For our checks (RFC 8445 §7.1.3). It decides nothing: we never take another role.
fn tie_breaker() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

/// Puts all tracks of an answer into one media stream with one CNAME (RFC 8830, RFC 7022). str0m makes a random one per
/// section, and a browser only keeps sound and picture of the same stream in step.
fn one_stream(answer: &str) -> String {
    let mut out = String::with_capacity(answer.len());
    for line in answer.split_inclusive("\r\n") {
        let text = line.trim_end();
        let msid =
            text.split_once("msid:").filter(|(before, _)| *before == "a=" || before.starts_with("a=ssrc:"));
        let cname = text.split_once(" cname:").filter(|(before, _)| before.starts_with("a=ssrc:"));
        match (msid, cname) {
            (Some((before, ids)), _) => {
                let track = ids.split_once(' ').map_or("", |(_, track)| track);
                out.extend([before, "msid:", STREAM_ID, " ", track, "\r\n"]);
            }
            (None, Some((before, _))) => out.extend([before, " cname:", STREAM_ID, "\r\n"]),
            (None, None) => out.push_str(line),
        }
    }
    out
}

/// The media sections both sides have, in the order of the answer.
fn sections(rtc: &Rtc, answer: &str) -> Vec<Section> {
    let mids = answer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    mids.filter_map(|mid| {
        let mid = Mid::from(mid.trim());
        let media = rtc.media(mid)?;
        Some(Section { mid, kind: media.kind() })
    })
    .collect()
}

fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}

fn ice_candidate(HostCandidate { transport, address }: HostCandidate) -> Result<Candidate, OfferError> {
    let candidate = match transport {
        Transport::Udp => Candidate::builder().udp().host(address).build(),
        Transport::Tcp => Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build(),
    };
    candidate.map_err(|error| OfferError::Internal(error.to_string()))
}

fn first_value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.trim().strip_prefix(name))
}

fn config(identity: &Identity, role: Role, offer: &str) -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_crypto_provider(identity.provider.clone())
        .set_dtls_cert((*identity.certificate).clone())
        .set_dtls_version(DtlsVersion::Dtls12)
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_stats_interval(Some(STATS_EVERY))
        .set_rtcp_report_interval_audio(REPORT_EVERY)
        .set_rtcp_report_interval_video(REPORT_EVERY);
    *config.codec_config() = codecs(role, offer);
    match role {
        Role::Publisher => config.set_extension(5, Extension::AbsoluteCaptureTime),
        // Answers to NACKs older than half a second come too late for a live picture; the next keyframe helps. No
        // transport-wide sequence numbers: nothing here acts on that feedback yet, and it costs both sides.
        Role::Viewer(_) => config
            .set_send_buffer_audio(32)
            .set_send_buffer_video(128)
            .clear_extension_map()
            .set_extension(4, Extension::RtpMid)
            .set_extension(5, Extension::AbsoluteCaptureTime),
    }
}

/// The video format of a codec of str0m's; `None` for audio and what we do not know.
pub(crate) fn video_format(codec: Codec) -> Option<VideoFormat> {
    match codec {
        Codec::H264 => Some(VideoFormat::H264),
        Codec::H265 => Some(VideoFormat::H265),
        Codec::Vp8 => Some(VideoFormat::Vp8),
        Codec::Vp9 => Some(VideoFormat::Vp9),
        Codec::Av1 => Some(VideoFormat::Av1),
        _ => None,
    }
}

/// What we answer with, in our order (decisions 20), and Opus. The peer's own numbers win in the answer.
fn codecs(role: Role, offer: &str) -> CodecConfig {
    const PREFERENCE: [VideoFormat; 5] =
        [VideoFormat::H264, VideoFormat::Av1, VideoFormat::Vp9, VideoFormat::Vp8, VideoFormat::H265];
    let mut codecs = CodecConfig::empty();
    codecs.enable_opus(true, false);
    for format in PREFERENCE {
        // Where there is no picture the section is answered in any format and stays silent: refusing it would take the offer's
        // first section out of the bundle, and Chromium then finds no transport for the sound.
        if matches!(role, Role::Publisher | Role::Viewer(None)) || role == Role::Viewer(Some(format)) {
            add_format(&mut codecs, format, offer);
        }
    }
    if role == Role::Publisher {
        return codecs;
    }
    let mut params = codecs.params().to_vec();
    for param in &mut params {
        param.set_fb_transport_cc(false);
        param.set_fb_remb(false);
    }
    CodecConfig::new_from_payload_params(params)
}

/// One format with the profiles we take.
fn add_format(codecs: &mut CodecConfig, format: VideoFormat, offer: &str) {
    /// Payload type, that of its retransmissions, profile-level-id: packetization mode 1, constrained baseline first. No
    /// profile twice, under whatever spelling (RFC 6184 table 5): str0m would bind both to one payload type of the peer.
    const H264: [(u8, u8, u32); 5] = [
        (108, 109, 0x42e01f),
        (127, 121, 0x42001f),
        (123, 119, 0x4d001f),
        (114, 115, 0x64001f),
        (116, 117, 0x640c1f),
    ];
    match format {
        VideoFormat::H264 => {
            for (pt, resend, profile_level_id) in H264 {
                codecs.add_h264(pt.into(), Some(resend.into()), true, profile_level_id);
            }
        }
        VideoFormat::H265 => codecs.enable_h265(true),
        VideoFormat::Vp8 => codecs.enable_vp8(true),
        VideoFormat::Vp9 => codecs.enable_vp9(true),
        VideoFormat::Av1 => {
            for (index, [profile, level_idx, tier]) in offer::av1_formats(offer).into_iter().enumerate() {
                let pt = 41 + 2 * index as u8;
                let format = FormatParams {
                    profile: Some(profile),
                    level_idx: Some(level_idx),
                    tier: Some(tier),
                    ..FormatParams::default()
                };
                codecs.add_config(
                    pt.into(),
                    Some((pt + 1).into()),
                    Codec::Av1,
                    Frequency::NINETY_KHZ,
                    None,
                    format,
                );
            }
        }
    }
}
