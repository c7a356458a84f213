//! The writing side of a stream: one publication at a time, taken over cleanly.

use crate::{
    Code, GroupHeader, OverQuota, Ring, Severity, State, Stream,
    cuts::{At, Role},
    diagnosis::Seen,
};
use std::sync::Arc;
use unisono_base::{Epoch, KeyId, MediaTime};
use unisono_media::{CodecConfig, Frame, Kind};

/// The timeline follows a publisher's clock by so much (decisions 1).
const CLOCK_PPM_MAX: i64 = 500;

/// How a publisher arrives, for page, API, logs and decisions such as asking for keyframes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `rtmp`, `whip`, `demo`; `relay` where the publisher is at another node.
    pub protocol: &'static str,
    /// It answers keyframe requests.
    pub accepts_pli: bool,
}

/// Why a publication was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Somebody else publishes there.
    #[error("stream {stream} is already published with key {holder}; stop that publisher or use its key")]
    Taken {
        /// The stream asked for.
        stream: String,
        /// Id of the key in use, not the key.
        holder: KeyId,
    },
    /// The hub holds as many streams as its limits allow.
    #[error("the server holds {max} streams already, its limit")]
    TooManyStreams {
        /// The limit.
        max: usize,
    },
    /// The key has what it may have.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// An operator stopped it and keeps its name closed for a while.
    #[error("stream {stream} was stopped by the operator and may be published again in {seconds} s")]
    Blocked {
        /// The stream asked for.
        stream: String,
        /// From now.
        seconds: u32,
    },
    /// The node takes no publishers at the moment; where else to go.
    #[error("{0}")]
    Closed(Arc<str>),
}

/// The right to write into a stream. Dropping it says that the publisher is lost.
pub struct Publication {
    stream: Arc<Stream>,
    generation: u64,
    epoch: Epoch,
    /// Why it will have ended, for whoever is told.
    leaves: &'static str,
}

impl Publication {
    pub(crate) fn new(stream: Arc<Stream>, generation: u64, epoch: Epoch) -> Self {
        stream.begin_epoch(epoch);
        stream.diagnose(|diagnosis| diagnosis.begin_publication());
        stream.ring_doorbells();
        Self { stream, generation, epoch, leaves: "lost" }
    }

    /// The stream written to.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The running epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Why the node ended this publication, in words for the publisher; `None` while it runs, and where the same key
    /// took over. [`Self::is_replaced`] is true as well.
    pub fn stop_words(&self) -> Option<Arc<str>> {
        let control = self.stream.control.lock();
        control
            .stopped
            .as_ref()
            .filter(|(generation, _)| *generation == self.generation)
            .map(|(_, w)| w.clone())
    }

    /// True once the same key published again elsewhere, or the node ended it: stop writing and close the connection.
    pub fn is_replaced(&self) -> bool {
        self.stream.control.lock().generation != self.generation
    }

    /// Why it is about to be dropped: a word for webhooks, such as `unpublished`. `lost` where nobody says it.
    pub fn leaves_because(&mut self, reason: &'static str) {
        self.leaves = reason;
    }

    /// The publisher's clock runs `ppm` millionths faster (or, below zero, slower) than the node's.
    pub fn clock_drifts(&self, ppm: i64, now: MediaTime) {
        let is_unsteady = ppm.abs() > CLOCK_PPM_MAX;
        self.stream.diagnose(|diagnosis| {
            diagnosis.judge(Code::ClockDrift, is_unsteady, now, || {
                let way = if ppm > 0 { "fast" } else { "slow" };
                let words = format!(
                    "The publisher's clock runs {} ppm {way} against this server's, more than the timeline can follow \
                     smoothly (500 ppm): sound and picture will jump now and then. Synchronise both machines' clocks \
                     (NTP), and look whether the encoder keeps up in real time (FFmpeg: one -re, speed=1x).",
                    ppm.abs()
                );
                (Severity::Warning, words)
            });
        });
    }

    /// True once per batch of keyframe requests from viewers. The publisher's doorbell rang for it.
    pub fn take_keyframe_request(&self) -> bool {
        self.stream.take_keyframe_request()
    }

    /// Starts a new run of the timeline after a break (clock lost, source looped). All writers of this
    /// publication go on with it from their next frame.
    pub fn break_timeline(&mut self, unix_seconds: u32) -> Epoch {
        let mut control = self.stream.control.lock();
        if control.generation == self.generation {
            self.epoch = Epoch::next(Some(self.epoch), unix_seconds);
            control.last_epoch = Some(self.epoch);
            if let State::Live { epoch, .. } = &mut control.state {
                *epoch = self.epoch;
            }
            drop(control);
            self.stream.begin_epoch(self.epoch);
            let words = "The publisher's timestamps jumped; a new epoch begins, and players may stutter once. It happens \
                 when a source is looped or a capture device changes; if it repeats, look at the encoder's inputs.";
            let now = MediaTime::from_micros(i64::from(unix_seconds) * 1_000_000);
            self.stream.happened(Code::TimestampsJump, Severity::Warning, words.to_owned(), now);
        }
        self.epoch
    }

    /// Opens the track of the configuration's kind. The same codec as before continues in the same ring, so that
    /// viewers stay; another codec ends it and they look again.
    pub fn open_track(&self, config: CodecConfig) -> TrackWriter {
        let ring = self.stream.open_track(&config);
        self.stream.ring_doorbells();
        TrackWriter {
            stream: self.stream.clone(),
            ring,
            generation: self.generation,
            config: Arc::new(config),
            config_changed: true,
            group: None,
            last: None,
        }
    }

    /// Says that this publisher has no such track, so that viewers of the last one's do not wait for it.
    pub fn close_track(&self, kind: Kind) {
        self.stream.close_track(kind);
        self.stream.ring_doorbells();
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let mut control = self.stream.control.lock();
        if control.generation == self.generation {
            control.state = State::Lost;
            control.publisher = None;
            if let Some(watcher) = self.stream.watcher.get() {
                watcher.stream_down(self.stream.id(), self.leaves);
            }
            drop(control);
            self.stream.diagnose(|diagnosis| diagnosis.begin_publication());
            self.stream.ring_doorbells();
        }
    }
}

/// Writes one track of a publication.
pub struct TrackWriter {
    stream: Arc<Stream>,
    ring: Arc<Ring>,
    generation: u64,
    config: Arc<CodecConfig>,
    config_changed: bool,
    group: Option<(Epoch, u64)>,
    last: Option<MediaTime>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is in the ring.
    Stored,
    /// It came before the first keyframe of its epoch or configuration, which nobody could decode.
    BeforeKeyframe,
    /// The publication was replaced; nothing it writes counts any more.
    Replaced,
}

impl TrackWriter {
    /// The configuration in force.
    pub fn config(&self) -> &Arc<CodecConfig> {
        &self.config
    }

    /// The codec configuration changes with the next frame (for video: the next keyframe); a no-op when equal.
    /// Returns false, and changes nothing, when the codec itself differs: open the track anew.
    pub fn set_config(&mut self, config: CodecConfig) -> bool {
        if *self.config == config {
            return true;
        }
        if !self.config.continues_as(&config) {
            return false;
        }
        self.config = Arc::new(config);
        self.config_changed = true;
        true
    }

    /// Appends a frame of `epoch` in decode order.
    pub fn append(&mut self, epoch: Epoch, frame: Frame) -> Written {
        let kind = self.ring.kind();
        let control = self.stream.control.lock();
        if control.generation != self.generation {
            return Written::Replaced;
        }
        let seen = Seen { config: &self.config, epoch, t: frame.t, key: frame.key, arrived: frame.arrived };
        self.stream.diagnose(|diagnosis| diagnosis.frame(seen));
        let opens = match (kind, self.group) {
            (Kind::Video, group) => {
                let starts_over = self.config_changed || group.is_none_or(|(e, _)| e != epoch);
                if starts_over && !frame.key {
                    self.stream.count_dropped();
                    return Written::BeforeKeyframe;
                }
                frame.key.then(|| group.map_or_else(|| self.first_group(epoch), |(_, g)| g + 1))
            }
            (Kind::Audio | Kind::Data, group) => {
                let second = frame.t.as_micros().max(0) as u64 / 1_000_000;
                (self.config_changed || group != Some((epoch, second))).then_some(second)
            }
        };
        let role = if kind == Kind::Video || !self.stream.has_video() { Role::Lead } else { Role::Follower };
        let is_cut_point = frame.key || kind == Kind::Audio;
        // A segment has one decoder configuration, so a new one starts a segment.
        let reconfigured = self.config_changed && self.group.is_some_and(|(e, _)| e == epoch);
        let at = At { t: frame.t, arrived: frame.arrived };
        let segment = self.stream.segment_at(role, at, is_cut_point, reconfigured);
        let header = opens.map(|group| {
            self.group = Some((epoch, group));
            self.config_changed = false;
            GroupHeader { epoch, group, segment, config: self.config.clone() }
        });
        self.last = Some(frame.t);
        self.stream.count(frame.payload.len());
        let (t, now) = (frame.t, frame.arrived);
        self.ring.append(frame, header, self.stream.holds(t, now));
        drop(control);
        self.stream.release(now);
        self.stream.ring_for_frame(&self.config);
        Written::Stored
    }

    /// T of the last frame written.
    pub fn last(&self) -> Option<MediaTime> {
        self.last
    }

    /// Video groups of an epoch start above those of the epochs before, in any process.
    fn first_group(&self, epoch: Epoch) -> u64 {
        u64::from(epoch.0) << 20
    }
}
