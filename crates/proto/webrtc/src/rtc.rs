//! The one place that touches str0m's driving loop: build, answer, drain, close.

use crate::{CloseReason, Identity, OfferError, Transmit, offer};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig,
    change::SdpOffer,
    config::DtlsVersion,
    media::{MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::Extension,
};

/// A peer that sent no valid datagram for this long is gone. ICE peers ask every 2.5 s (RFC 7675 allows 5 s).
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// From the answer to a finished DTLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// Sender and receiver reports: two are needed before a browser can tell sound and picture apart in time.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How often the peer's reports are read: round trip, and what has arrived.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Datagrams waiting for the gateway; it drains after every input, so this is reached only by a gateway that does
/// not, and then the oldest is dropped.
const TRANSMITS_MAX: usize = 8_192;
/// Events between two drains, for the same reason.
const EVENTS_MAX: usize = 16_384;

/// Which way media flows, seen from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Viewer,
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
    candidates: Vec<SocketAddr>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    deadline: Option<Instant>,
    opened: Instant,
    last_heard: Instant,
    connected: bool,
    closed: Option<CloseReason>,
}

impl Driver {
    /// Answers `sdp`; the media sections found are returned beside the answer.
    pub(crate) fn accept(
        identity: &Identity,
        role: Role,
        sdp: &str,
        candidates: &[SocketAddr],
        now: Instant,
    ) -> Result<(Self, Vec<Section>, String), OfferError> {
        offer::check(sdp)?;
        let parsed =
            SdpOffer::from_sdp_string(sdp).map_err(|error| OfferError::Malformed(error.to_string()))?;
        let mut rtc = config(identity, role).build(now);
        for address in candidates {
            let candidate =
                Candidate::host(*address, "udp").map_err(|e| OfferError::Internal(e.to_string()))?;
            rtc.add_local_candidate(candidate);
        }
        let answer =
            rtc.sdp_api().accept_offer(parsed).map_err(|error| OfferError::Malformed(error.to_string()))?;
        let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
        let mut driver = Self {
            rtc,
            ufrag,
            remote_ufrag: first_value(sdp, "a=ice-ufrag:").map(str::to_owned),
            candidates: candidates.to_vec(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            deadline: None,
            opened: now,
            last_heard: now,
            connected: false,
            closed: None,
        };
        driver.drain();
        let answer = answer.to_sdp_string();
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

    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        if self.closed.is_some() {
            return false;
        }
        let Ok(receive) = Receive::new(Protocol::Udp, from, to, bytes) else { return false };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return false;
        }
        self.last_heard = now;
        // An error here concerns this datagram: a peer cannot end a session by sending garbage into it.
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::debug!(%error, %from, "datagram refused");
        }
        self.drain();
        true
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        if !self.connected && now.saturating_duration_since(self.opened) >= CONNECT_MAX {
            return self.end(CloseReason::NeverConnected);
        }
        if self.connected && now.saturating_duration_since(self.last_heard) >= SILENCE_MAX {
            return self.end(CloseReason::Silent);
        }
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            return self.end(CloseReason::Protocol(error.to_string()));
        }
        self.drain();
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
        let liveness = if self.connected { self.last_heard + SILENCE_MAX } else { self.opened + CONNECT_MAX };
        Some(self.deadline.map_or(liveness, |deadline| deadline.min(liveness)))
    }

    pub(crate) fn close(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        if self.rtc.close().is_ok() && self.rtc.handle_input(Input::Timeout(now)).is_ok() {
            self.drain();
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
        let mut api = self.rtc.direct_api();
        api.set_local_ice_credentials(local);
        api.set_remote_ice_credentials(remote);
    }

    /// Our host candidates as SDP lines (RFC 8839 §5.1).
    pub(crate) fn candidate_lines(&self) -> String {
        let line = |(index, address): (usize, &SocketAddr)| {
            format!(
                "a=candidate:{} 1 udp {} {} {} typ host\r\n",
                index + 1,
                2_130_706_431 - index,
                address.ip(),
                address.port()
            )
        };
        self.candidates.iter().enumerate().map(line).collect()
    }

    fn end(&mut self, reason: CloseReason) {
        self.closed.get_or_insert(reason);
        self.deadline = None;
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = Some(at);
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    if self.transmits.len() == TRANSMITS_MAX {
                        self.transmits.pop_front();
                    }
                    self.transmits.push_back(Transmit {
                        dst: transmit.destination,
                        bytes: transmit.contents.into(),
                        segment_size: None,
                    });
                }
                Ok(Output::Event(event)) => self.event(event),
                Err(error) => return self.end(CloseReason::Protocol(error.to_string())),
            }
            if !self.rtc.is_alive() {
                return self.end(CloseReason::ByPeer);
            }
        }
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

fn first_value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.trim().strip_prefix(name))
}

fn config(identity: &Identity, role: Role) -> RtcConfig {
    let config = RtcConfig::new()
        .set_crypto_provider(identity.provider.clone())
        .set_dtls_cert(identity.certificate.clone())
        .set_dtls_version(DtlsVersion::Dtls12)
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_stats_interval(Some(STATS_EVERY))
        .set_rtcp_report_interval_audio(REPORT_EVERY)
        .set_rtcp_report_interval_video(REPORT_EVERY)
        .set_extension(5, Extension::AbsoluteCaptureTime)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_h264(true);
    match role {
        Role::Publisher => config,
        // Answers to NACKs older than half a second come too late for a live picture; the next keyframe helps.
        Role::Viewer => config.set_send_buffer_audio(32).set_send_buffer_video(128),
    }
}
