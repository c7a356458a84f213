//! Publishes the test stream into the hub like any gateway: its own clock, the fit of T, keyframes on request.

use super::{CounterMode, H264, Picture, Settings, Size, raw::unix_ms, tone::Tone};
use anyhow::Context;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use unisono_base::{Doorbell, KeyId, MediaTime, NodeClock, Span, StreamId};
use unisono_hub::{Hub, Publication, Source, TrackWriter, Written};
use unisono_media::{AvcConfig, CodecConfig, Frame, OpusConfig};
use unisono_timeline::{Fit, Track};

/// Where the demo publishes.
pub(crate) const STREAM: &str = "live/demo";

const SIZE: Size = Size { width: 640, height: 360 };
const FPS: u32 = 30;
const SETTINGS: Settings = Settings { fps: FPS, bitrate_bps: 1_200_000, gop: 2 * FPS };
/// Further behind than this (a suspended laptop, a starved core) frames are left out instead of sent in a burst.
const LATE_MAX: Duration = Duration::from_millis(500);

/// The running test stream; dropping it stops it.
pub(crate) struct Demo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Demo {
    /// Starts to publish on a thread of its own: encoding takes longer than a shared runtime should be held.
    pub(crate) fn start(hub: &Hub, clock: NodeClock) -> anyhow::Result<Self> {
        let id = StreamId::local(STREAM.parse()?);
        let source = Source { protocol: "demo", accepts_pli: true };
        let now = unix_seconds(&clock);
        let publication = hub.publish(&id, KeyId::new("demo"), source, now, Arc::new(EachFrame))?;
        let mut show = Show::new(publication, clock)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let run = move || {
            if let Err(error) = show.run(&asked) {
                tracing::error!(error = format!("{error:#}"), stream = STREAM, "the test stream broke off");
            }
        };
        let thread = std::thread::Builder::new().name("demo".to_owned()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(stream = STREAM, "the test stream's thread panicked");
        }
    }
}

/// The source looks for keyframe requests before each frame, at most 33 ms later, so nobody has to wake it.
struct EachFrame;
impl Doorbell for EachFrame {
    fn ring(&self) {}
}

/// What one run of the test stream owns.
struct Show {
    publication: Publication,
    clock: NodeClock,
    fit: Fit,
    h264: H264,
    picture: Picture,
    tone: Tone,
    video: Option<TrackWriter>,
    audio: TrackWriter,
    next_frame: u64,
}

impl Show {
    fn new(publication: Publication, clock: NodeClock) -> anyhow::Result<Self> {
        let opus = CodecConfig::Opus(OpusConfig { channels: Tone::CHANNELS, pre_skip: 0 });
        Ok(Self {
            clock,
            fit: Fit::new(),
            h264: H264::new(SETTINGS).context("the H.264 encoder does not start")?,
            picture: Picture::new(SIZE),
            tone: Tone::new().context("the Opus encoder does not start")?,
            video: None,
            audio: publication.open_track(opus),
            next_frame: 0,
            publication,
        })
    }

    /// Every frame and packet at its time, counted from the start, so that nothing drifts.
    fn run(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let start = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let elapsed = start.elapsed();
            let is_video = frame_due(self.next_frame) <= self.tone.due();
            let due = if is_video { frame_due(self.next_frame) } else { self.tone.due() };
            let due = Duration::from_micros(due.as_micros().max(0) as u64);
            if let Some(early) = due.checked_sub(elapsed).filter(|early| !early.is_zero()) {
                std::thread::sleep(early);
            } else if elapsed - due > LATE_MAX {
                self.skip_to(elapsed);
                continue;
            }
            let written = if is_video { self.show_frame()? } else { self.sound_packet()? };
            if written == Written::Replaced {
                break;
            }
        }
        Ok(())
    }

    fn skip_to(&mut self, elapsed: Duration) {
        let now = ((elapsed.as_micros() * u128::from(FPS) / 1_000_000) as u64).max(self.next_frame);
        let skipped = now - self.next_frame;
        tracing::warn!(skipped, stream = STREAM, "the test stream is late and skips frames");
        self.next_frame = now;
        self.tone.skip_to(Span::from_micros(elapsed.as_micros() as i64));
    }

    fn show_frame(&mut self) -> anyhow::Result<Written> {
        let frame = self.next_frame;
        self.next_frame += 1;
        if self.publication.take_keyframe_request() {
            self.h264.force_keyframe();
        }
        let moment = CounterMode::Frame.moment(frame, FPS, unix_ms());
        self.picture.draw(&moment);
        let unit = self.h264.encode(&self.picture, frame)?;
        if let Some(sps) = unit.sps {
            let config = CodecConfig::H264(AvcConfig::new(sps, unit.pps)?);
            match &mut self.video {
                Some(writer) => {
                    writer.set_config(config);
                }
                None => self.video = Some(self.publication.open_track(config)),
            }
        }
        let (t, arrived) = self.stamp(Track::Video, frame_due(frame));
        let mut stored = Frame::new(t, arrived, unit.payload);
        stored.key = unit.key;
        stored.droppable = unit.droppable;
        stored.duration = frame_due(frame + 1) - frame_due(frame);
        let epoch = self.publication.epoch();
        Ok(self.video.as_mut().map_or(Written::BeforeKeyframe, |writer| writer.append(epoch, stored)))
    }

    fn sound_packet(&mut self) -> anyhow::Result<Written> {
        let (pts, packet) = self.tone.packet()?;
        let (t, arrived) = self.stamp(Track::Audio, pts);
        let mut frame = Frame::new(t, arrived, packet);
        frame.duration = Tone::DURATION;
        Ok(self.audio.append(self.publication.epoch(), frame))
    }

    /// T of a PTS that is complete now, and now.
    fn stamp(&mut self, track: Track, pts: Span) -> (MediaTime, MediaTime) {
        let arrived = self.clock.at(Instant::now());
        let stamp = self.fit.stamp(track, pts, arrived);
        if stamp.breaks {
            self.publication.break_timeline(unix_seconds(&self.clock));
            self.h264.force_keyframe();
        }
        (stamp.t, arrived)
    }
}

/// When frame `n` is shown, counted from the start.
fn frame_due(n: u64) -> Span {
    Span::from_micros((n * 1_000_000 / u64::from(FPS)) as i64)
}

fn unix_seconds(clock: &NodeClock) -> u32 {
    (clock.at(Instant::now()).as_micros() / 1_000_000) as u32
}
