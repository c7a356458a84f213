//! A WHIP publisher on its worker: frames out of the session, T onto them, into the hub.

use crate::{Metrics, bell::Bell, command::Refusal, gateway::Shared, metrics::Reason, session::Link};
use prometheus_client::metrics::counter::Counter;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{KeyId, MediaTime, Span, StreamId};
use unisono_hub::{Publication, Source, TrackWriter, Written};
use unisono_media::{CodecConfig, Frame, Kind};
use unisono_proto_webrtc::{
    Ingress, IngressEvent, IngressFrame, IngressStats, PatchError, PatchOutcome, Session as _,
};
use unisono_timeline::{Drift, Fit, Track};

/// After so much media, a track that has not appeared is not part of this publication.
const TRACKS_WITHIN: Span = Span::from_secs(2);
/// How often the session's totals go into the metrics.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A publisher is asked for a keyframe once the last one is this old.
const GROUP_MAX: Span = Span::from_secs(2);
/// Longest frame duration believed; beyond it the source paused.
const DURATION_MAX: Span = Span::from_secs(1);

/// See the module. Dropping it loses the publisher: viewers wait for the next one.
pub(crate) struct Publisher {
    ingress: Ingress,
    publication: Publication,
    fit: Fit,
    drift: Drift,
    video: Option<TrackWriter>,
    audio: Option<TrackWriter>,
    last_video_pts: Option<Span>,
    last_key_pts: Option<Span>,
    first_pts: Option<Span>,
    tracks_settled: bool,
    report: Report,
    before_keyframe: Counter,
}

/// What of the session's totals is in the metrics already.
struct Report {
    metrics: Arc<Metrics>,
    done: IngressStats,
    next: Instant,
}

impl Publisher {
    /// Answers the offer and takes the stream, in this order: a bad offer takes nothing from a running publisher.
    pub(crate) fn open(
        now: Instant,
        shared: &Shared,
        stream: &StreamId,
        key: KeyId,
        offer: &str,
        bell: Arc<Bell>,
    ) -> Result<(Self, String), Refusal> {
        let (ingress, answer) = Ingress::accept(&shared.identity, offer, &shared.candidates, now)?;
        let source = Source { protocol: "whip", accepts_pli: true };
        let seconds = unix_seconds(shared.clock.at(now));
        let publication = shared.hub.publish(stream, key, source, seconds, bell)?;
        let before = publication.stream();
        let newest = |kind| before.source(kind).and_then(|ring| ring.newest());
        // T of this publisher lies above that of the one before it.
        let fit = Fit::new_after(newest(Kind::Video).max(newest(Kind::Audio)));
        let metrics = shared.metrics.clone();
        let publisher = Self {
            ingress,
            publication,
            fit,
            drift: Drift::new(),
            video: None,
            audio: None,
            last_video_pts: None,
            last_key_pts: None,
            first_pts: None,
            tracks_settled: false,
            before_keyframe: metrics.drops(Reason::before_keyframe),
            report: Report { metrics, done: IngressStats::default(), next: now + REPORT_EVERY },
        };
        Ok((publisher, answer))
    }

    pub(crate) fn stream(&self) -> &StreamId {
        self.publication.stream().id()
    }

    pub(crate) fn core(&self) -> &Ingress {
        &self.ingress
    }

    pub(crate) fn core_mut(&mut self) -> &mut Ingress {
        &mut self.ingress
    }

    pub(crate) fn patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        self.ingress.handle_patch(now, fragment)
    }

    /// Takes what the session has; a reason when the publication is somebody else's by now.
    pub(crate) fn settle(&mut self, now: Instant, link: &mut Link, shared: &Shared) -> Option<&'static str> {
        while let Some(event) = self.ingress.poll_event() {
            match event {
                IngressEvent::Connected => link.connected(now, shared),
                IngressEvent::Frame(frame) => self.frame(now, shared, frame),
                IngressEvent::Lost { kind, packets } => {
                    tracing::debug!(session = ?link.id, kind = kind.as_str(), packets, "packets given up");
                }
                _ => {}
            }
        }
        if self.publication.is_replaced() {
            self.ingress.close(now);
            if let Some(words) = self.publication.stop_words() {
                tracing::warn!(session = ?link.id, %words, "WHIP publisher stopped");
                return Some("stopped by the server");
            }
            return Some("its key publishes elsewhere now");
        }
        if self.publication.take_keyframe_request() {
            self.ingress.request_keyframe(now);
        }
        if now >= self.report.next {
            self.report.next = now + REPORT_EVERY;
            self.report.totals(self.ingress.stats());
            let (stats, session) = (self.ingress.stats(), link.ticket.session());
            session.set_figures(stats.bytes, stats.packets);
            session.set_loss(stats.lost as f64 / (stats.packets + stats.lost).max(1) as f64);
            if let Some(rtt) = self.ingress.rtt() {
                session.set_rtt(Duration::from_micros(rtt.as_micros().max(0) as u64));
            }
        }
        None
    }

    fn configure(&mut self, config: CodecConfig) {
        let stream = self.publication.stream().id();
        tracing::info!(%stream, codec = config.name(), "WHIP: {} track", config.kind().as_str());
        let slot = if config.kind() == Kind::Video { &mut self.video } else { &mut self.audio };
        let continues = slot.as_mut().is_some_and(|writer| writer.set_config(config.clone()));
        if !continues {
            *slot = Some(self.publication.open_track(config));
        }
    }

    fn frame(&mut self, now: Instant, shared: &Shared, frame: IngressFrame) {
        let IngressFrame { kind, config, pts, arrived, duration, key, droppable, payload } = frame;
        if let Some(config) = config {
            self.configure(config);
        }
        if let Some(rtt) = self.ingress.rtt() {
            self.fit.set_rtt(rtt);
        }
        if kind == Kind::Video {
            self.keep_groups_short(now, pts, key);
        }
        let arrived = shared.clock.at(arrived);
        let track = if kind == Kind::Video { Track::Video } else { Track::Audio };
        let t = self.stamp(track, pts, arrived);
        let mut stored = Frame::new(t, arrived, payload);
        stored.key = key || kind == Kind::Audio;
        stored.droppable = droppable;
        stored.duration = match kind {
            Kind::Video => step(self.last_video_pts.replace(pts), pts),
            Kind::Audio | Kind::Data => duration,
        };
        let epoch = self.publication.epoch();
        let slot = if kind == Kind::Video { &mut self.video } else { &mut self.audio };
        let Some(writer) = slot else { return };
        match writer.append(epoch, stored) {
            Written::Stored => {
                let dwelt = (shared.clock.at(Instant::now()) - arrived).as_secs_f64();
                shared.metrics.dwell.ingest.observe(dwelt.max(0.0));
            }
            Written::BeforeKeyframe => {
                self.before_keyframe.inc();
                self.ingress.request_keyframe(now);
            }
            // The end of this turn closes the session.
            Written::Replaced => {}
        }
        self.settle_tracks(pts);
    }

    /// A browser sends a keyframe only when asked. One every two seconds makes segments that HLS can start at, whenever
    /// its first viewer comes (docs/decisions/0004).
    fn keep_groups_short(&mut self, now: Instant, pts: Span, key: bool) {
        let last = *self.last_key_pts.get_or_insert(pts);
        if key {
            self.last_key_pts = Some(pts);
        } else if (pts - last).abs() >= GROUP_MAX {
            self.ingress.request_keyframe(now);
        }
    }

    /// T of a frame, in a new epoch where the publisher's clock broke.
    fn stamp(&mut self, track: Track, pts: Span, arrived: MediaTime) -> MediaTime {
        let stamp = self.fit.stamp(track, pts, arrived);
        if stamp.breaks {
            let epoch = self.publication.break_timeline(unix_seconds(arrived));
            let stream = self.publication.stream().id();
            tracing::info!(%stream, %epoch, "WHIP: the publisher's timestamps jumped; a new epoch begins");
            self.last_video_pts = None;
            self.drift = Drift::new();
        }
        if let Some(ppm) = self.drift.observe(pts, arrived) {
            self.publication.clock_drifts(ppm, arrived);
        }
        stamp.t
    }

    /// Once enough media came, takes away the tracks of the publisher before that this one does not have.
    fn settle_tracks(&mut self, pts: Span) {
        let first = *self.first_pts.get_or_insert(pts);
        if self.tracks_settled || (pts - first).abs() < TRACKS_WITHIN {
            return;
        }
        self.tracks_settled = true;
        for (kind, is_open) in [(Kind::Video, self.video.is_some()), (Kind::Audio, self.audio.is_some())] {
            if !is_open {
                self.publication.close_track(kind);
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.report.totals(self.ingress.stats());
    }
}

impl Report {
    fn totals(&mut self, now: IngressStats) {
        let (metrics, then) = (&self.metrics, self.done);
        metrics.inbound.frames.inc_by(now.frames - then.frames);
        metrics.inbound.packets.inc_by(now.packets - then.packets);
        metrics.inbound.bytes.inc_by(now.bytes - then.bytes);
        metrics.nacks_out.inc_by(now.nacks - then.nacks);
        metrics.plis_out.inc_by(now.plis - then.plis);
        metrics.lost.inc_by(now.lost - then.lost);
        self.done = now;
    }
}

/// Seconds of the node's clock, as epochs are numbered.
fn unix_seconds(t: MediaTime) -> u32 {
    u32::try_from(t.as_micros().max(0) / 1_000_000).unwrap_or(u32::MAX)
}

/// The time from the frame before, as an estimate of this one's duration; zero where there is none.
fn step(last: Option<Span>, pts: Span) -> Span {
    let step = last.map_or(Span::ZERO, |last| pts - last);
    if step > Span::ZERO && step <= DURATION_MAX { step } else { Span::ZERO }
}
