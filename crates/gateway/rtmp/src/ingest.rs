//! From a publisher's tags to frames in the hub: T, epochs, configurations, tracks.

use crate::{
    Metrics,
    audio_clock::AudioClock,
    diagnosis::{Diagnosis, Line},
};
use bytes::Bytes;
use std::{sync::Arc, time::Instant};
use tracing::{debug, info};
use unisono_base::{MediaTime, NodeClock, Span, StreamId};
use unisono_hub::{Publication, TrackWriter, Written};
use unisono_media::{CodecConfig, Frame, Kind, OpusConfig};
use unisono_mux::flv::{AudioDemuxer, AudioTag, FlvError, VideoDemuxer, VideoTag};
use unisono_proto_rtmp::Metadata;
use unisono_timeline::{Drift, Fit, Track};

/// After so much media, a track that has not appeared is not part of this publication.
const TRACKS_WITHIN: Span = Span::from_secs(1);
/// Longest frame duration believed; beyond it the source paused.
const DURATION_MAX: Span = Span::from_secs(1);

/// Seconds of the node's clock, as epochs are numbered.
pub(crate) fn unix_seconds(t: MediaTime) -> u32 {
    u32::try_from(t.as_micros().max(0) / 1_000_000).unwrap_or(u32::MAX)
}

/// One publisher's way into the hub. Dropping it loses the publisher.
pub(crate) struct Ingest {
    publication: Publication,
    clock: NodeClock,
    metrics: Arc<Metrics>,
    fit: Fit,
    video: Video,
    audio: Audio,
    diagnosis: Diagnosis,
    drift: Drift,
    first: Option<Span>,
    tracks_settled: bool,
}

#[derive(Default)]
struct Video {
    demuxer: VideoDemuxer,
    writer: Option<TrackWriter>,
    last_dts: Option<Span>,
}

#[derive(Default)]
struct Audio {
    demuxer: AudioDemuxer,
    writer: Option<TrackWriter>,
    clock: Option<AudioClock>,
    last: Option<MediaTime>,
}

impl Ingest {
    pub(crate) fn new(publication: Publication, clock: NodeClock, metrics: Arc<Metrics>, rtt: Span) -> Self {
        let stream = publication.stream();
        let newest = |kind| stream.source(kind).and_then(|ring| ring.newest());
        // T of this publisher lies above that of the one before it.
        let mut fit = Fit::new_after(newest(Kind::Video).max(newest(Kind::Audio)));
        fit.set_rtt(rtt);
        Self {
            publication,
            clock,
            metrics,
            fit,
            video: Video::default(),
            audio: Audio::default(),
            diagnosis: Diagnosis::default(),
            drift: Drift::new(),
            first: None,
            tracks_settled: false,
        }
    }

    pub(crate) fn stream_id(&self) -> &StreamId {
        self.publication.stream().id()
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.publication.is_replaced()
    }

    /// Why the node ended it.
    pub(crate) fn stop_words(&self) -> Option<Arc<str>> {
        self.publication.stop_words()
    }

    /// See [`Publication::leaves_because`].
    pub(crate) fn leaves_because(&mut self, reason: &'static str) {
        self.publication.leaves_because(reason);
    }

    pub(crate) fn metadata(&self, metadata: &Metadata) {
        debug!(stream = %self.stream_id(), ?metadata, "RTMP: onMetaData");
    }

    /// A video tag body that was complete at `now`. An error says that this video can never be shown.
    pub(crate) fn video(&mut self, timestamp_ms: i64, tag: &Bytes, now: Instant) -> Result<(), FlvError> {
        let read = self.video.demuxer.read(tag);
        let (config, picture) = match self.readable(Line::Video, read)? {
            None | Some(VideoTag::Nothing) => return Ok(()),
            Some(VideoTag::OtherTrack(id)) => {
                self.other_track(Line::Video, id);
                return Ok(());
            }
            Some(VideoTag::Config(config)) => (Some(config), None),
            Some(VideoTag::Frame { config, offset, composition, payload, key, droppable }) => {
                (config, Some((offset, composition, payload, key, droppable)))
            }
        };
        if let Some(config) = config {
            self.configure_video(config);
        }
        let Some((offset, composition, payload, key, droppable)) = picture else { return Ok(()) };
        let arrived = self.clock.at(now);
        let dts = Span::from_millis(timestamp_ms) + offset;
        let pts = dts + composition;
        self.diagnosis.timestamp(self.publication.stream(), Line::Video, dts, arrived);
        let t = self.stamp(Track::Video, pts, arrived);
        let mut frame = Frame::new(t, arrived, payload);
        frame.dts = t - composition.max(Span::ZERO);
        frame.duration = step(self.video.last_dts.replace(dts), dts);
        frame.key = key;
        frame.droppable = droppable;
        self.append(Line::Video, frame);
        self.settle_tracks(pts);
        Ok(())
    }

    /// An audio tag body that was complete at `now`. An error says that this audio can never be heard.
    pub(crate) fn audio(&mut self, timestamp_ms: i64, tag: &Bytes, now: Instant) -> Result<(), FlvError> {
        let read = self.audio.demuxer.read(tag);
        let (config, offset, samples, unit) = match self.readable(Line::Audio, read)? {
            None | Some(AudioTag::Nothing) => return Ok(()),
            Some(AudioTag::OtherTrack(id)) => {
                self.other_track(Line::Audio, id);
                return Ok(());
            }
            Some(AudioTag::Config(config)) => {
                self.configure_audio(config);
                return Ok(());
            }
            Some(AudioTag::Frame { config, offset, samples, payload }) => (config, offset, samples, payload),
        };
        if let Some(config) = config {
            self.configure_audio(config);
        }
        let Some(clock) = &mut self.audio.clock else { return Ok(()) };
        let arrived = self.clock.at(now);
        let timestamp = Span::from_millis(timestamp_ms) + offset;
        let pts = clock.next(timestamp, samples);
        let duration = clock.span(u64::from(samples));
        self.diagnosis.timestamp(self.publication.stream(), Line::Audio, timestamp, arrived);
        let t = self.stamp(Track::Audio, pts, arrived);
        // A player cannot hear two units at once: what repeats or goes back is left out.
        if self.audio.last.is_some_and(|last| t <= last) {
            self.metrics.dropped("audio_backwards");
            return Ok(());
        }
        self.audio.last = Some(t);
        let mut frame = Frame::new(t, arrived, unit);
        frame.duration = duration;
        frame.key = true;
        self.append(Line::Audio, frame);
        self.settle_tracks(pts);
        Ok(())
    }

    /// What was read; `None` where one tag is lost, which is counted; an error where the track is hopeless.
    fn readable<T>(&mut self, line: Line, read: Result<T, FlvError>) -> Result<Option<T>, FlvError> {
        match read {
            Ok(tag) => Ok(Some(tag)),
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                let now = self.clock.at(Instant::now());
                Diagnosis::malformed(self.publication.stream(), line, &error, now);
                self.metrics.dropped("malformed");
                Ok(None)
            }
        }
    }

    fn append(&mut self, line: Line, frame: Frame) {
        let (writer, taken) = match line {
            Line::Video => (&mut self.video.writer, &self.metrics.video_frames),
            Line::Audio => (&mut self.audio.writer, &self.metrics.audio_frames),
        };
        let Some(writer) = writer else { return };
        let arrived = frame.arrived;
        match writer.append(self.publication.epoch(), frame) {
            Written::Stored => {
                taken.inc();
                let dwelt = (self.clock.at(Instant::now()) - arrived).as_secs_f64();
                self.metrics.dwell.observe(dwelt.max(0.0));
            }
            Written::BeforeKeyframe => self.metrics.dropped("before_keyframe"),
            Written::Replaced => self.metrics.dropped("replaced"),
        }
    }

    fn configure_audio(&mut self, config: CodecConfig) {
        let (sample_rate, channels) = match &config {
            CodecConfig::Aac(aac) => (aac.sample_rate, aac.channels),
            CodecConfig::Opus(opus) => (OpusConfig::SAMPLE_RATE, opus.channels),
            _ => return,
        };
        if self.audio.writer.as_ref().is_some_and(|writer| **writer.config() == config) {
            return;
        }
        info!(stream = %self.stream_id(), sample_rate, channels, "RTMP: audio {}", config.name());
        self.audio.clock = Some(AudioClock::new(sample_rate));
        configure(&mut self.audio.writer, &self.publication, config);
    }

    fn configure_video(&mut self, config: CodecConfig) {
        let Some(picture) = config.picture() else { return };
        info!(
            stream = %self.stream_id(), width = picture.width, height = picture.height, codec = config.rfc6381(),
            "RTMP: video {}", config.name()
        );
        configure(&mut self.video.writer, &self.publication, config);
    }

    fn other_track(&mut self, line: Line, id: u8) {
        let now = self.clock.at(Instant::now());
        Diagnosis::other_track(self.publication.stream(), line, id, now);
        self.metrics.dropped("other_track");
    }

    /// T of a frame, in a new epoch where the publisher's clock broke.
    fn stamp(&mut self, track: Track, pts: Span, arrived: MediaTime) -> MediaTime {
        let stamp = self.fit.stamp(track, pts, arrived);
        if stamp.breaks {
            let epoch = self.publication.break_timeline(unix_seconds(arrived));
            info!(stream = %self.stream_id(), %epoch, "RTMP: the publisher's timestamps jumped; a new epoch begins");
            self.video.last_dts = None;
            self.drift = Drift::new();
        }
        if let Some(ppm) = self.drift.observe(pts, arrived) {
            self.publication.clock_drifts(ppm, arrived);
        }
        stamp.t
    }

    /// Once enough media came, takes away the tracks of the publisher before that this one does not have.
    fn settle_tracks(&mut self, pts: Span) {
        let first = *self.first.get_or_insert(pts);
        if self.tracks_settled || (pts - first).abs() < TRACKS_WITHIN {
            return;
        }
        self.tracks_settled = true;
        for (kind, is_open) in
            [(Kind::Video, self.video.writer.is_some()), (Kind::Audio, self.audio.writer.is_some())]
        {
            if !is_open {
                info!(stream = %self.stream_id(), "RTMP: the publisher sends no {}", kind.as_str());
                self.publication.close_track(kind);
            }
        }
    }
}

/// Puts a configuration in force: in the open track where it continues, else in a new one.
fn configure(writer: &mut Option<TrackWriter>, publication: &Publication, config: CodecConfig) {
    let continues = writer.as_mut().is_some_and(|writer| writer.set_config(config.clone()));
    if !continues {
        *writer = Some(publication.open_track(config));
    }
}

/// The time from the frame before, as an estimate of this one's duration; zero where there is none.
fn step(last: Option<Span>, dts: Span) -> Span {
    let step = last.map_or(Span::ZERO, |last| dts - last);
    if step > Span::ZERO && step <= DURATION_MAX { step } else { Span::ZERO }
}

#[cfg(test)]
mod tests;
