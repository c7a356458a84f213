//! A counted viewer: ICE, DTLS and RTCP are real, of the media only the clear headers are read.

use super::{
    super::{capture::Capture, frames::Part},
    counts::{Group, Tally},
    dtls::{Handshake, Identity},
    feedback::Feedback,
    header::{Header, is_rtcp},
    ice::{Credentials, Heard, Ice, MESSAGE_MAX},
    loss::Loss,
    offer::{Answer, Carries},
    rtcp::{self, Block, LastReport, Said},
    srtp::{Keys, RTP_TAG},
    track::{Took, Track, extend, rollover},
};
use anyhow::bail;
use rand::RngExt;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// No whole frame by then is a failed join.
const JOIN_PATIENCE: Duration = Duration::from_secs(10);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// As Chromium does at this bitrate.
const FEEDBACK_EVERY: Duration = Duration::from_millis(100);
/// A keyframe is asked for no more often.
const KEYFRAME_EVERY: Duration = Duration::from_millis(500);

/// Everything a viewer begins with.
pub(super) struct Ticket {
    pub(super) number: u64,
    pub(super) group: Group,
    pub(super) posted: Instant,
    pub(super) local: Credentials,
    pub(super) answer: Answer,
    pub(super) loss: Loss,
    pub(super) tell: oneshot::Sender<anyhow::Result<Joined>>,
}

/// How a join went, each since the POST began.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bench) struct Joined {
    /// ICE and DTLS were done.
    pub(in crate::bench) connected: Duration,
    pub(in crate::bench) first_packet: Duration,
    pub(in crate::bench) first_frame: Duration,
}

/// When a batch was read: by the monotonic clock, and in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) now: Instant,
    pub(super) at_us: u64,
}

struct Joining {
    posted: Instant,
    so_far: Joined,
    tell: oneshot::Sender<anyhow::Result<Joined>>,
}

enum Stage {
    Checking,
    Handshaking(Box<Handshake>),
    Playing(Box<Keys>),
}

/// See the module.
pub(super) struct Counted {
    pub(super) number: u64,
    pub(super) group: Group,
    answer: Answer,
    ice: Ice,
    stage: Stage,
    joining: Option<Joining>,
    ssrc: u32,
    video: Option<Track>,
    captured: Capture,
    audio: Option<Track>,
    /// Stream and highest number of the resent packets.
    resent: Option<(u32, u64)>,
    feedback: Feedback,
    next_report: Instant,
    next_feedback: Instant,
    next_keyframe: Instant,
    wants_keyframe: bool,
    loss: Loss,
    /// Its packets are the shape that the bare sender repeats.
    pub(super) is_recorded: bool,
}

impl Counted {
    pub(super) fn new(now: Instant, ticket: Ticket) -> Self {
        let Ticket { number, group, posted, local, answer, loss, tell } = ticket;
        let mut random = rand::rng();
        // Not all in step, as no two browsers are.
        let spread = |most: Duration| Duration::from_micros(number * 7_919 % most.as_micros() as u64);
        Self {
            number,
            group,
            ice: Ice::new(now, local, answer.credentials.clone()),
            stage: Stage::Checking,
            joining: Some(Joining { posted, so_far: Joined::default(), tell }),
            ssrc: random.random(),
            video: None,
            captured: Capture::default(),
            audio: None,
            resent: None,
            feedback: Feedback::default(),
            next_report: now + spread(REPORT_EVERY),
            next_feedback: now + spread(FEEDBACK_EVERY),
            next_keyframe: now,
            wants_keyframe: false,
            loss,
            answer,
            is_recorded: false,
        }
    }

    /// It wants to be looked at every few milliseconds.
    pub(super) fn is_urgent(&self) -> bool {
        let is_broken = |track: &Option<Track>| track.as_ref().is_some_and(Track::is_broken);
        self.joining.is_some() || is_broken(&self.video) || is_broken(&self.audio)
    }

    /// Its session is over for `error`: tells whoever waits for its join, else returns it.
    pub(super) fn end(self, error: anyhow::Error) -> Option<anyhow::Error> {
        match self.joining {
            Some(joining) => {
                let _ = joining.tell.send(Err(error));
                None
            }
            None => Some(error),
        }
    }

    /// Takes one datagram; it is opened in place where it has to be. An error ends the session.
    pub(super) fn handle(
        &mut self,
        at: Arrival,
        bytes: &mut [u8],
        tally: &mut Tally,
        send: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        tally.count(self.group, |counts| counts.bytes += bytes.len() as u64);
        if self.loss.takes_next() {
            tally.count(self.group, |counts| counts.dropped += 1);
            return Ok(());
        }
        // What shares the port is told apart by its first byte (RFC 7983 §7).
        match bytes.first() {
            Some(0..=3) => self.on_stun(at.now, bytes, send),
            Some(20..=63) => self.on_dtls(at.now, bytes, send)?,
            Some(128..=191) if is_rtcp(bytes) => self.on_rtcp(at.now, bytes)?,
            Some(128..=191) => self.on_rtp(at, bytes, tally),
            _ => {}
        }
        Ok(())
    }

    /// Time has reached `now`. An error ends the session.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        identity: &Identity,
        tally: &mut Tally,
        send: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        if self.joining.as_ref().is_some_and(|joining| now >= joining.posted + JOIN_PATIENCE) {
            bail!("{} within {} s", self.want(), JOIN_PATIENCE.as_secs());
        }
        if self.ice.is_lost(now) {
            bail!("the server answered no check for 30 s");
        }
        let mut check = [0; MESSAGE_MAX];
        if let Some(length) = self.ice.poll_check(now, &mut check) {
            send(&check[..length]);
        }
        if let Stage::Handshaking(handshake) = &mut self.stage {
            handshake.handle_timeout(now)?;
            self.shake_hands(now, send)?;
        }
        self.speak(now, identity, tally, send)
    }

    /// After a batch: begins the handshake once the server has answered, asks for what is missing, and reports when it is time to.
    pub(super) fn speak(
        &mut self,
        now: Instant,
        identity: &Identity,
        tally: &mut Tally,
        send: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        if matches!(self.stage, Stage::Checking) && self.ice.is_connected() {
            return self.begin_handshake(now, identity, send);
        }
        let Stage::Playing(keys) = &mut self.stage else { return Ok(()) };
        let mut packet = Vec::new();
        if now >= self.next_report {
            self.next_report = now + REPORT_EVERY;
            let blocks: Vec<Block> = [&mut self.video, &mut self.audio]
                .into_iter()
                .flatten()
                .map(|track| track.report(now))
                .collect();
            rtcp::receiver_report(&mut packet, self.ssrc, &blocks);
        }
        let media = self.video.as_ref().or(self.audio.as_ref()).map_or(0, |track| track.ssrc);
        if self.answer.payloads.has_feedback && now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK_EVERY;
            self.feedback.write(&mut packet, self.ssrc, media);
        }
        if let Some(track) = self.video.as_mut().filter(|_| self.answer.payloads.has_nack) {
            let missing = track.poll_nack(now, self.ice.rtt());
            if !missing.is_empty() {
                rtcp::nack(&mut packet, self.ssrc, track.ssrc, &missing);
                tally.count(self.group, |counts| counts.asked += missing.len() as u64);
            }
        }
        if self.wants_keyframe && now >= self.next_keyframe {
            (self.wants_keyframe, self.next_keyframe) = (false, now + KEYFRAME_EVERY);
            rtcp::pli(&mut packet, self.ssrc, media);
        }
        if !packet.is_empty() {
            keys.seal_rtcp(&mut packet)?;
            send(&packet);
        }
        Ok(())
    }

    /// What the join still waits for.
    fn want(&self) -> &'static str {
        match self.stage {
            Stage::Checking => "no answer to a check",
            Stage::Handshaking(_) => "no end of the DTLS handshake",
            Stage::Playing(_) if self.video.is_none() && self.audio.is_none() => "no media",
            Stage::Playing(_) => "no whole frame",
        }
    }

    fn on_stun(&mut self, now: Instant, bytes: &[u8], send: &mut dyn FnMut(&[u8])) {
        let mut out = [0; MESSAGE_MAX];
        if let Heard::Check(length) = self.ice.handle(now, self.answer.remote, bytes, &mut out) {
            send(&out[..length]);
        }
    }

    /// The server's checks of the same batch were answered before: a server may not send much to an address that has not.
    fn begin_handshake(
        &mut self,
        now: Instant,
        identity: &Identity,
        send: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        let handshake = Handshake::start(identity, now, self.answer.fingerprint)?;
        self.stage = Stage::Handshaking(Box::new(handshake));
        self.shake_hands(now, send)
    }

    fn on_dtls(&mut self, now: Instant, bytes: &[u8], send: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        match &mut self.stage {
            Stage::Checking => {}
            Stage::Handshaking(handshake) => {
                handshake.handle_packet(now, bytes)?;
                self.shake_hands(now, send)?;
            }
            // An alert (RFC 6347 §4.1): sealed, and the only reason for one that a server has is its goodbye.
            Stage::Playing(_) if bytes[0] == 21 => bail!("the server ended the session"),
            Stage::Playing(_) => {}
        }
        Ok(())
    }

    fn shake_hands(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        let Stage::Handshaking(handshake) = &mut self.stage else { return Ok(()) };
        if let Some(keys) = handshake.drain(send)? {
            self.stage = Stage::Playing(Box::new(keys));
            if let Some(joining) = &mut self.joining {
                joining.so_far.connected = now.saturating_duration_since(joining.posted);
            }
        }
        Ok(())
    }

    fn on_rtcp(&mut self, now: Instant, bytes: &mut [u8]) -> anyhow::Result<()> {
        let Stage::Playing(keys) = &self.stage else { return Ok(()) };
        let Some(compound) = keys.open_rtcp(bytes) else { return Ok(()) };
        for said in rtcp::parse(compound) {
            match said {
                Said::Report { ssrc, ntp } => {
                    let tracks = [&mut self.video, &mut self.audio].into_iter().flatten();
                    tracks
                        .filter(|track| track.ssrc == ssrc)
                        .for_each(|track| track.reported(LastReport { ntp, at: now }));
                }
                Said::Goodbye => bail!("the server said goodbye"),
            }
        }
        Ok(())
    }

    fn on_rtp(&mut self, at: Arrival, bytes: &mut [u8], tally: &mut Tally) {
        let Some(header) = Header::parse(bytes, self.answer.extensions) else { return };
        if let Some(sequence) = header.transport_sequence {
            self.feedback.record(sequence, at.at_us);
        }
        if let Some(joining) = &mut self.joining
            && joining.so_far.first_packet.is_zero()
        {
            joining.so_far.first_packet = at.now.saturating_duration_since(joining.posted);
        }
        match self.answer.payloads.of(header.payload_type) {
            Carries::Resent => self.on_resent(at, &header, bytes, tally),
            kind => {
                if self.is_recorded {
                    tally.recorder.record(at.at_us, header.ssrc, bytes.len());
                }
                self.on_media(at, kind, &header, tally);
            }
        }
    }

    fn on_media(&mut self, at: Arrival, kind: Carries, header: &Header, tally: &mut Tally) {
        let (place, clock_rate) = match kind {
            Carries::Video => (&mut self.video, 90_000),
            Carries::Audio | Carries::Resent => (&mut self.audio, 48_000),
        };
        // Another stream than before: the server began anew.
        if place.as_ref().is_some_and(|track| track.ssrc != header.ssrc) {
            *place = None;
        }
        let track = place.get_or_insert_with(|| Track::begin(header, clock_rate));
        track.observe(header.time, at.at_us);
        let extended = track.extended(header.sequence);
        self.take(at, kind, extended, header, tally);
    }

    /// RFC 4588 §4: the packet's own number stands in the first two bytes of its payload.
    fn on_resent(&mut self, at: Arrival, header: &Header, bytes: &mut [u8], tally: &mut Tally) {
        let highest = self.resent.filter(|(ssrc, _)| *ssrc == header.ssrc).map(|(_, highest)| highest);
        let extended = extend(highest, header.sequence);
        let Stage::Playing(keys) = &self.stage else { return };
        if bytes.len() <= header.length + RTP_TAG {
            return;
        }
        let Some(payload) = keys.open_rtp(bytes, header.length, header.ssrc, rollover(extended)) else {
            return;
        };
        let number = payload.first_chunk().map(|number: &[u8; 2]| u16::from_be_bytes(*number));
        self.resent = Some((header.ssrc, extended.max(highest.unwrap_or(0))));
        let (Some(number), Some(video)) = (number, &self.video) else { return };
        let original = video.extended(number);
        if self.take(at, Carries::Video, original, header, tally) == Took::New {
            tally.count(self.group, |counts| counts.repaired += 1);
        }
    }

    /// A media packet of a known track, resent or not.
    fn take(
        &mut self,
        at: Arrival,
        kind: Carries,
        extended: u64,
        header: &Header,
        tally: &mut Tally,
    ) -> Took {
        let (track, stamp) = match kind {
            Carries::Video => (&mut self.video, self.captured.of(header.time, header.captured_us)),
            Carries::Audio | Carries::Resent => (&mut self.audio, header.captured_us),
        };
        let Some(track) = track else { return Took::Known };
        let part = Part { arrived_us: at.at_us, marker: header.marker, starts: false, key: false, stamp };
        let took = track.push(at.now, extended, part);
        let mut is_whole = kind == Carries::Audio && !self.answer.payloads.has_video();
        while let Some(whole) = track.poll(at.at_us) {
            if kind == Carries::Video {
                is_whole = true;
                tally.frame(self.group, whole.stamp, whole.arrived_us);
            }
        }
        let lost = track.take_lost();
        self.wants_keyframe |= lost > 0 && kind == Carries::Video;
        tally.count(self.group, |counts| {
            counts.lost += lost;
            counts.packets += u64::from(took == Took::New);
        });
        if let Some(mut joining) = self.joining.take_if(|_| is_whole) {
            joining.so_far.first_frame = at.now.saturating_duration_since(joining.posted);
            // Whoever joined it may have given up meanwhile.
            let _ = joining.tell.send(Ok(joining.so_far));
        }
        took
    }
}
