//! What the frames of one publication show by themselves.

use super::{Code, Diagnosis, Severity};
use std::sync::Arc;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Kind};

/// Longest time without a keyframe that goes without a word.
const KEYFRAME_WAIT: Span = Span::from_secs(10);
/// Longest time between keyframes that joining and LL-HLS take well.
const INTERVAL_MAX: Span = Span::from_secs(4);
/// After so much of one track the other one is missed, where it never came.
const NEVER_CAME: Span = Span::from_secs(5);
/// The same where it was there and stopped. A shared screen that does not change may pause for some seconds.
const STOPPED: Span = Span::from_secs(10);
/// Sound and picture of one moment may arrive so far apart.
const APART_MAX: Span = Span::from_millis(500);
/// A condition that comes and goes with a network's mood must hold, or be gone, this long.
const SETTLES_IN: Span = Span::from_secs(3);
/// Without a reordered frame for so long the encoder has stopped to make them.
const REORDER_FORGOTTEN: Span = Span::from_secs(10);
/// Weight of a frame in the mean delay of its track.
const MEAN_OF: i64 = 16;

/// A frame on its way into a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) config: &'a Arc<CodecConfig>,
    pub(crate) epoch: Epoch,
    pub(crate) t: MediaTime,
    pub(crate) key: bool,
    pub(crate) arrived: MediaTime,
}

/// What has been seen of a publication.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    began: Option<MediaTime>,
    video: Line,
    audio: Line,
    video_epoch: Option<Epoch>,
    newest: Option<MediaTime>,
    reordered: Option<MediaTime>,
    last_key: Option<(MediaTime, MediaTime)>,
    apart: Settling,
}

#[derive(Debug, Default)]
struct Line {
    last: Option<MediaTime>,
    /// Mean of arrival minus T.
    delay: Option<Span>,
}

impl Line {
    fn frame(&mut self, t: MediaTime, arrived: MediaTime) {
        self.last = Some(arrived);
        let delay = arrived - t;
        let mean = self.delay.map_or(delay.as_micros(), |mean| {
            mean.as_micros() + (delay.as_micros() - mean.as_micros()) / MEAN_OF
        });
        self.delay = Some(Span::from_micros(mean));
    }
}

/// A condition that counts once it has lasted.
#[derive(Debug, Default)]
struct Settling {
    holds: bool,
    other_since: Option<MediaTime>,
}

impl Settling {
    fn settle(&mut self, raw: bool, now: MediaTime) -> bool {
        if raw == self.holds {
            self.other_since = None;
        } else if now - *self.other_since.get_or_insert(now) >= SETTLES_IN {
            self.holds = raw;
            self.other_since = None;
        }
        self.holds
    }
}

impl Watch {
    pub(super) fn frame(&mut self, seen: Seen<'_>, into: &mut Diagnosis) {
        self.began.get_or_insert(seen.arrived);
        match seen.config.kind() {
            Kind::Video => {
                self.video.frame(seen.t, seen.arrived);
                self.order(seen, into);
                self.keyframes(seen, into);
                codec(seen, into);
            }
            Kind::Audio => self.audio.frame(seen.t, seen.arrived),
            Kind::Data => return,
        }
        self.missing(seen.arrived, into);
        self.together(seen.arrived, into);
    }

    fn order(&mut self, seen: Seen<'_>, into: &mut Diagnosis) {
        if self.video_epoch.replace(seen.epoch) != Some(seen.epoch) {
            (self.newest, self.last_key) = (None, None);
        }
        if self.newest.is_some_and(|newest| seen.t < newest) {
            self.reordered = Some(seen.arrived);
        }
        self.newest = self.newest.max(Some(seen.t));
        let announced = seen.config.picture().is_some_and(|picture| picture.reorders);
        let seen_lately = self.reordered.is_some_and(|at| seen.arrived - at < REORDER_FORGOTTEN);
        into.judge(Code::BFrames, announced || seen_lately, seen.arrived, || {
            (
                Severity::Error,
                "The video has B-frames: browsers cannot play them by WebRTC, so viewers get HLS only. Set B-frames to \
                 0 in the encoder (OBS: Max B-frames 0, with x264 tune zerolatency; FFmpeg: -bf 0)."
                    .to_owned(),
            )
        });
    }

    fn keyframes(&mut self, seen: Seen<'_>, into: &mut Diagnosis) {
        let (last_t, last_arrived) = *self.last_key.get_or_insert((seen.t, seen.arrived));
        let waited = seen.arrived - last_arrived;
        into.judge(Code::NoKeyframe, !seen.key && waited > KEYFRAME_WAIT, seen.arrived, || {
            (
                Severity::Error,
                "No keyframe for 10 s: viewers wait that long to join, and after a loss. Set the keyframe interval to \
                 2 s (OBS: Keyframe Interval 2 s, not 0; FFmpeg: -g with twice the frame rate)."
                    .to_owned(),
            )
        });
        if !seen.key {
            return;
        }
        self.last_key = Some((seen.t, seen.arrived));
        let interval = seen.t - last_t;
        if interval > Span::ZERO {
            into.judge(Code::KeyframeInterval, interval > INTERVAL_MAX, seen.arrived, || {
                (
                    Severity::Warning,
                    format!(
                        "Keyframes are {} s apart: viewers join slowly and LL-HLS starts late. Set the keyframe interval \
                         to 2 s (OBS: Keyframe Interval 2 s, not 0; FFmpeg: -g with twice the frame rate).",
                        (interval.as_micros() + 500_000) / 1_000_000
                    ),
                )
            });
        }
    }

    /// Each track's frames show whether the other's still come.
    fn missing(&self, now: MediaTime, into: &mut Diagnosis) {
        let Some(began) = self.began else { return };
        let is_missing = |line: &Line| match line.last {
            Some(last) => now - last > STOPPED,
            None => now - began > NEVER_CAME,
        };
        for (line, code, track, fix) in [
            (
                &self.audio,
                Code::NoAudio,
                "sound",
                "a muted, removed or wrong audio device in OBS; FFmpeg: -map",
            ),
            (&self.video, Code::NoVideo, "picture", "a source that ended or froze; FFmpeg: -map"),
        ] {
            into.judge(code, is_missing(line), now, || match line.last {
                Some(_) => (
                    Severity::Warning,
                    format!("The {track} has stopped while the rest goes on. Look at the encoder ({fix})."),
                ),
                None => (
                    Severity::Info,
                    format!("The publisher sends no {track}. If that is not meant so, look at the encoder ({fix})."),
                ),
            });
        }
    }

    fn together(&mut self, now: MediaTime, into: &mut Diagnosis) {
        let (Some(video), Some(audio)) = (self.video.delay, self.audio.delay) else { return };
        let gap = (video - audio).abs();
        let holds = self.apart.settle(gap > APART_MAX, now);
        into.judge(Code::AudioVideoApart, holds, now, || {
            let late = if video > audio { "picture" } else { "sound" };
            (
                Severity::Warning,
                format!(
                    "The {late} arrives {} ms after the other track of the same moment: viewers wait for it, or hear and \
                     see apart. Let the encoder interleave its tracks (OBS: no audio sync offset; FFmpeg: one -re input, \
                     -max_interleave_delta 500000), or look for an overloaded encoder.",
                    gap.as_micros() / 1_000
                ),
            )
        });
    }
}

/// Codecs that some exit cannot carry to its viewers (decisions 17, 20).
fn codec(seen: Seen<'_>, into: &mut Diagnosis) {
    let name = seen.config.name();
    into.judge(Code::CodecBrowsers, name == "H.265", seen.arrived, || {
        (
            Severity::Error,
            "The video is H.265: most browsers play it neither by WebRTC nor by HLS (Safari and players such as VLC do). \
             Send H.264 (OBS: Encoder x264 or NVENC H.264; FFmpeg: -c:v libx264 -bf 0)."
                .to_owned(),
        )
    });
    into.judge(Code::CodecHls, name == "VP8", seen.arrived, || {
        (
            Severity::Warning,
            "The video is VP8: it plays by WebRTC only, since HLS players do not take it. Send H.264 for both (a browser: \
             prefer H264 in setCodecPreferences)."
                .to_owned(),
        )
    });
}
