//! The kinds of findings. `docs/troubleshooting.md` has a section for each.

use std::fmt;

/// What kind of thing is wrong. The text form never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The video has B-frames, which browsers cannot play by WebRTC.
    BFrames,
    /// A codec that most browsers do not play at all.
    CodecBrowsers,
    /// A codec that players do not take by HLS.
    CodecHls,
    /// No keyframe for 10 s: nobody can join.
    NoKeyframe,
    /// Keyframes more than 4 s apart.
    KeyframeInterval,
    /// No sound.
    NoAudio,
    /// No picture.
    NoVideo,
    /// The publisher's timestamps went back.
    TimestampsBackwards,
    /// The publisher's timestamps jumped, and a new epoch began.
    TimestampsJump,
    /// Tags or packets that cannot be read.
    Malformed,
    /// More tracks of a kind than are taken.
    ExtraTracks,
    /// Somebody who may not tried to publish here.
    KeyRefused,
    /// The publisher's clock runs faster or slower than the node's by more than 500 ppm.
    ClockDrift,
    /// Sound and picture of one moment arrive more than half a second apart.
    AudioVideoApart,
}

impl Code {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::BFrames,
        Self::CodecBrowsers,
        Self::CodecHls,
        Self::NoKeyframe,
        Self::KeyframeInterval,
        Self::NoAudio,
        Self::NoVideo,
        Self::TimestampsBackwards,
        Self::TimestampsJump,
        Self::Malformed,
        Self::ExtraTracks,
        Self::KeyRefused,
        Self::ClockDrift,
        Self::AudioVideoApart,
    ];

    /// As API and log spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BFrames => "b_frames",
            Self::CodecBrowsers => "codec_browsers",
            Self::CodecHls => "codec_hls",
            Self::NoKeyframe => "no_keyframe",
            Self::KeyframeInterval => "keyframe_interval",
            Self::NoAudio => "no_audio",
            Self::NoVideo => "no_video",
            Self::TimestampsBackwards => "timestamps_backwards",
            Self::TimestampsJump => "timestamps_jump",
            Self::Malformed => "malformed",
            Self::ExtraTracks => "extra_tracks",
            Self::KeyRefused => "key_refused",
            Self::ClockDrift => "clock_drift",
            Self::AudioVideoApart => "audio_video_apart",
        }
    }

    /// True for what ends with the publisher who caused it.
    pub(crate) const fn is_about_media(self) -> bool {
        !matches!(self, Self::KeyRefused)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad a finding is; the worst is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Some viewers see or hear nothing.
    Error,
    /// It plays, worse than it could.
    Warning,
    /// Good to know; may be meant so.
    Info,
}

impl Severity {
    /// As API and log spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
