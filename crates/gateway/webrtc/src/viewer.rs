//! A WHEP viewer on its worker: frames out of the rings, at its own rhythm, into its session.

mod audio;
mod events;
mod video;

use crate::{
    Metrics,
    command::Refusal,
    gateway::Shared,
    metrics::Reason,
    session::Link,
    tail::Tail,
    way::{Out, Way},
};
use audio::Audio;
use events::Events;
use prometheus_client::metrics::counter::Counter;
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{Epoch, Span};
use unisono_hub::{Cursor, PathFigures, Ring, SkipReason, State, Stream, Viewer as Counted};
use unisono_media::{Frame, Kind, Packets};
use unisono_proto_webrtc::{
    EgressStats, PatchError, PatchOutcome, Session as _, Wanted,
    engine::{Engine, EngineEvent, Moment as Reading, Prefetch, SenderId, bwe::Estimate, sender::Outgoing},
};
use video::Video;

/// How often the session's totals go into the metrics.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Viewer {
    engine: Engine,
    stream: Arc<Stream>,
    video: Video,
    audio: Audio,
    events: Events,
    is_connected: bool,
    /// Why it ends; said to the viewer already.
    ended: Option<&'static str>,
    report: Report,
}

/// What a pump needs: the moment, where frames come from, and where they go.
struct Sending<'a> {
    moment: Reading,
    lag_max: Duration,
    stream: &'a Arc<Stream>,
    engine: &'a mut Engine,
    way: Way<'a>,
    report: &'a Report,
}

/// What of the session's totals is in the metrics already, and counters for what a viewer loses.
pub(crate) struct Report {
    metrics: Arc<Metrics>,
    done: EgressStats,
    next: Instant,
    too_slow: Counter,
    overloaded: Counter,
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
        let (engine, answer) = Engine::accept(&shared.identity, offer, &shared.candidates, wanted, now)?;
        stream.viewer_joined(Counted::WebRtc);
        let metrics = shared.metrics.clone();
        let viewer = Self {
            video: Video::new(
                config.zip(engine.sender(Kind::Video)),
                shared.config.limits.viewer_lag_max,
                now,
            ),
            audio: Audio::new(engine.sender(Kind::Audio), now),
            events: Events::default(),
            engine,
            stream: stream.clone(),
            is_connected: false,
            ended: None,
            report: Report {
                too_slow: metrics.drops(Reason::viewer_too_slow),
                overloaded: metrics.drops(Reason::path_overloaded),
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

    pub(crate) fn core(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn core_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    pub(crate) fn patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        self.engine.handle_patch(now, fragment)
    }

    /// When it wants to send more of the past.
    pub(crate) fn wants_at(&self) -> Option<Instant> {
        self.video.wants_at()
    }

    /// Says something on the data channel; false where there is none yet.
    pub(crate) fn say(&mut self, now: Instant, message: &str) -> bool {
        self.is_connected && self.engine.send_message(now, message)
    }

    /// Tells the viewer why it is over and closes the session.
    pub(crate) fn end(&mut self, now: Instant, reason: &'static str) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.engine.send_message(now, &format!(r#"{{"type":"end","reason":"{reason}"}}"#));
            self.engine.close(now);
        }
    }

    /// Sends what there is to send; a reason once it is over.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        link: &mut Link,
        shared: &Shared,
        out: &mut Out,
    ) -> Option<&'static str> {
        self.take_events(now, link, shared);
        self.judge(now, link);
        if self.is_connected && self.ended.is_none() {
            let moment = Reading { now, clock: shared.clock.at(now) };
            let mut sending = Sending {
                moment,
                lag_max: shared.config.limits.viewer_lag_max,
                stream: &self.stream,
                engine: &mut self.engine,
                way: Way::new(out, link),
                report: &self.report,
            };
            sending.begin();
            // Audio goes first and never waits for video.
            self.audio.pump(&mut sending, shared);
            let over = self.video.pump(&mut sending);
            self.video.resend(&mut sending);
            self.events.pump(&mut sending);
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
            self.report.totals(self.engine.stats());
            self.note_figures(link);
        }
        self.ended
    }

    /// After a report: true where it left nothing to be sent, told or ended.
    pub(crate) fn needs_nothing(&mut self, now: Instant, link: &Link) -> bool {
        self.judge(now, link);
        !self.engine.has_news()
    }

    /// What the viewer has said of its path decides what it is sent from now on.
    fn judge(&mut self, now: Instant, link: &Link) {
        if self.video.judge(now, &self.engine) {
            tracing::info!(session = ?link.id, path = ?self.engine.estimate(), "its path does not take the stream: only keyframes");
        }
    }

    /// Sends what is new to a viewer that has had everything before, and needs nothing else now: the shortest way, taken for
    /// each viewer and frame. False when it is to be settled.
    pub(crate) fn serve(
        &mut self,
        moment: Reading,
        lag_max: Duration,
        tails: &[Tail],
        link: &Link,
        out: &mut Out,
    ) -> bool {
        if !self.is_connected || self.ended.is_some() {
            return false;
        }
        let mut sending = Sending {
            moment,
            lag_max,
            stream: &self.stream,
            engine: &mut self.engine,
            way: Way::new(out, link),
            report: &self.report,
        };
        // Audio goes first, whatever becomes of the picture.
        let is_heard = self.audio.serve(tails, &mut sending);
        let is_seen = self.video.serve(tails, &mut sending);
        is_heard && is_seen && !self.engine.has_control()
    }

    /// Asks for what [`Self::serve`] will touch; see [`Engine::prefetch`].
    pub(crate) fn prefetch(&self, stage: usize) {
        self.engine.prefetch(stage, &Cache);
    }

    /// The same for a packet of the viewer's; see [`Engine::prefetch_input`].
    pub(crate) fn prefetch_input(&self, stage: usize) {
        self.engine.prefetch_input(stage, &Cache);
    }

    /// The rings it reads, and where it stands there.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Arc<Ring>, Cursor)> {
        self.video.place().into_iter().chain(self.audio.place())
    }

    fn note_figures(&self, link: &Link) {
        let (stats, session) = (self.engine.stats(), link.ticket.session());
        session.set_figures(stats.bytes, stats.packets);
        if let Some(loss) = self.engine.loss() {
            session.set_loss(loss.into());
        }
        let positive = |span: Span| Duration::from_micros(span.as_micros().max(0) as u64);
        if let Some(rtt) = self.engine.rtt() {
            session.set_rtt(positive(rtt));
        }
        if self.engine.has_feedback() {
            let Estimate { bits_per_second, queue, delay_gradient, .. } = self.engine.estimate();
            let (queue, is_overloaded) = (positive(queue), self.video.is_overloaded());
            session.set_path(PathFigures { bits_per_second, queue, delay_gradient, is_overloaded });
        }
    }

    fn take_events(&mut self, now: Instant, link: &mut Link, shared: &Shared) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                EngineEvent::Connected => {
                    self.is_connected = true;
                    link.connected(now, shared);
                }
                EngineEvent::Ready => self.events.open(&self.stream),
                EngineEvent::KeyframeRequest(_) => {
                    self.video.keyframe_wanted(now, &self.stream, &self.engine);
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

/// The processor's.
struct Cache;

impl Prefetch for Cache {
    #[inline]
    fn prefetch<T: ?Sized>(&self, value: &T) {
        unisono_net::prefetch(value);
    }
}

impl Sending<'_> {
    /// The handshake's last packets leave before the first frame, which nobody could open otherwise.
    fn begin(&mut self) {
        self.way.drain(self.engine);
    }

    /// Sends one frame of a ring to one sender; `number` is how it is found again.
    fn send(
        &mut self,
        sender: SenderId,
        number: u64,
        epoch: Epoch,
        frame: &Frame,
        packets: &Packets,
    ) -> bool {
        self.send_part(sender, Outgoing { epoch, number, frame, packets }, 0..packets.list.len())
    }

    fn send_part(&mut self, sender: SenderId, outgoing: Outgoing<'_>, part: Range<usize>) -> bool {
        self.engine.send_part(sender, self.moment, outgoing, part, &mut self.way)
    }

    /// What is new for a viewer at `cursor` of `ring`, if that was read for it.
    fn tail<'t>(&self, tails: &'t [Tail], ring: &Arc<Ring>, cursor: Cursor) -> Option<&'t Tail> {
        tails.iter().find(|tail| tail.serves(ring, cursor, self.moment.clock, self.lag_max))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.report.totals(self.engine.stats());
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
        metrics.resent.inc_by(now.resent - then.resent);
        metrics.plis_in.inc_by(now.plis - then.plis);
        self.done = now;
    }
}
