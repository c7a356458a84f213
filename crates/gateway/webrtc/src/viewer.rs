//! A WHEP viewer on its worker: frames out of the rings, at its own rhythm, into its session.

mod audio;
mod events;
mod video;

use crate::{Metrics, command::Refusal, gateway::Shared, metrics::Reason, session::Link};
use audio::Audio;
use events::Events;
use prometheus_client::metrics::counter::Counter;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::MediaTime;
use unisono_hub::{SkipReason, State, Stream, Viewer as Counted};
use unisono_media::Kind;
use unisono_proto_webrtc::{
    Egress, EgressEvent, EgressStats, PatchError, PatchOutcome, Session as _, Wanted,
};
use video::Video;

/// How often the session's totals go into the metrics.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Viewer {
    egress: Egress,
    stream: Arc<Stream>,
    video: Video,
    audio: Audio,
    events: Events,
    is_connected: bool,
    /// Why it ends; said to the viewer already.
    ended: Option<&'static str>,
    report: Report,
}

/// What a pump needs of the moment.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    now: Instant,
    /// The node's clock at `now`.
    clock: MediaTime,
    lag_max: Duration,
}

/// What of the session's totals is in the metrics already, and counters for what a viewer loses.
pub(crate) struct Report {
    metrics: Arc<Metrics>,
    done: EgressStats,
    next: Instant,
    too_slow: Counter,
    group_too_big: Counter,
}

impl Viewer {
    /// Answers the offer with what the stream has now.
    pub(crate) fn open(
        now: Instant,
        shared: &Shared,
        stream: &Arc<Stream>,
        offer: &str,
    ) -> Result<(Self, String), Refusal> {
        let config = stream.source(Kind::Video).and_then(|ring| ring.config());
        let video = config.as_deref();
        // Sound may begin a moment after the picture; a section that stays silent costs nothing.
        let wanted = Wanted { video, audio: true };
        let (egress, answer) = Egress::accept(&shared.identity, offer, &shared.candidates, wanted, now)?;
        stream.viewer_joined(Counted::WebRtc);
        let metrics = shared.metrics.clone();
        let viewer = Self {
            video: Video::new(config.filter(|_| egress.takes(Kind::Video)), now),
            audio: Audio::new(egress.takes(Kind::Audio), now),
            events: Events::default(),
            egress,
            stream: stream.clone(),
            is_connected: false,
            ended: None,
            report: Report {
                too_slow: metrics.drops(Reason::viewer_too_slow),
                group_too_big: metrics.drops(Reason::group_too_big),
                metrics,
                done: EgressStats::default(),
                next: now + REPORT_EVERY,
            },
        };
        Ok((viewer, answer))
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    pub(crate) fn core(&self) -> &Egress {
        &self.egress
    }

    pub(crate) fn core_mut(&mut self) -> &mut Egress {
        &mut self.egress
    }

    pub(crate) fn patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        self.egress.handle_patch(now, fragment)
    }

    /// When it wants to send more of the past.
    pub(crate) fn wants_at(&self) -> Option<Instant> {
        self.video.wants_at()
    }

    /// Tells the viewer why it is over and closes the session.
    pub(crate) fn end(&mut self, now: Instant, reason: &'static str) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.egress.send_message(now, &format!(r#"{{"type":"end","reason":"{reason}"}}"#));
            self.egress.close(now);
        }
    }

    /// Sends what there is to send; a reason once it is over.
    pub(crate) fn settle(&mut self, now: Instant, link: &mut Link, shared: &Shared) -> Option<&'static str> {
        self.take_events(now, link, shared);
        if self.is_connected && self.ended.is_none() {
            let moment =
                Moment { now, clock: shared.clock.at(now), lag_max: shared.config.limits.viewer_lag_max };
            // Audio goes first and never waits for video.
            self.audio.pump(moment, &self.stream, &mut self.egress, shared, &self.report);
            let over = self.video.pump(moment, &self.stream, &mut self.egress, &self.report);
            self.events.pump(moment, &self.stream, &mut self.egress);
            if self.video.take_first_keyframe() {
                shared.metrics.first_keyframe_time.observe(link.age(now));
            }
            if let Some(reason) = over {
                self.end(now, reason);
            }
            if self.stream_is_over() {
                self.end(now, "the stream has ended");
            }
        }
        if now >= self.report.next {
            self.report.next = now + REPORT_EVERY;
            self.report.totals(self.egress.stats());
            self.note_figures(link);
        }
        self.ended
    }

    fn note_figures(&self, link: &Link) {
        let (stats, session) = (self.egress.stats(), link.ticket.session());
        session.set_figures(stats.bytes, stats.packets);
        if let Some(loss) = self.egress.loss() {
            session.set_loss(loss.into());
        }
        if let Some(rtt) = self.egress.rtt() {
            session.set_rtt(Duration::from_micros(rtt.as_micros().max(0) as u64));
        }
    }

    fn take_events(&mut self, now: Instant, link: &mut Link, shared: &Shared) {
        while let Some(event) = self.egress.poll_event() {
            match event {
                EgressEvent::Connected => {
                    self.is_connected = true;
                    link.connected(now, shared);
                }
                EgressEvent::Ready => self.events.open(&self.stream),
                EgressEvent::KeyframeRequest => {
                    self.video.keyframe_wanted(now, &self.stream, &self.egress);
                }
                _ => {}
            }
        }
    }

    /// Neither track may have a ring to say it (a viewer of a stream whose publisher never came back).
    fn stream_is_over(&self) -> bool {
        self.video.is_idle() && self.audio.is_idle() && self.stream.state() == State::Ended
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.report.totals(self.egress.stats());
        self.stream.viewer_left(Counted::WebRtc);
    }
}

impl Report {
    /// Frames this viewer will not get.
    fn skipped(&self, reason: SkipReason, frames: u64) {
        match reason {
            SkipReason::TooSlow => self.too_slow.inc_by(frames),
            SkipReason::GroupTooBig => self.group_too_big.inc_by(frames),
        };
    }

    fn totals(&mut self, now: EgressStats) {
        let (metrics, then) = (&self.metrics, self.done);
        metrics.outbound.frames.inc_by(now.frames - then.frames);
        metrics.nacks_in.inc_by(now.nacks - then.nacks);
        metrics.plis_in.inc_by(now.plis - then.plis);
        self.done = now;
    }
}
