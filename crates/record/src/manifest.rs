//! What a recording says about itself: `recording.json`, and the lines of its index. The form is described in
//! docs/recording.md; a reader refuses a higher version.

use crate::{Owner, RecordingId};
use serde::{Deserialize, Serialize};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::Kind;
use unisono_proto_hls::{FileName, Item};
use unisono_timeline::audit::Digest;

/// Version of the form.
pub const VERSION: u32 = 1;
/// The file that says what it is.
pub(crate) const HEAD: &str = "recording.json";
/// The folder of the lines.
pub(crate) const INDEX: &str = "index";
/// The room's log of that time.
pub(crate) const EVENTS: &str = "events.jsonl";

/// `recording.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub id: RecordingId,
    /// `app/name`.
    pub stream: String,
    /// The node that writes it, finishes it and takes it away. Absent in what was recorded before nodes had names: anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Whether it is still being written.
    pub state: State,
    /// When it began, on the node's timeline clock.
    pub began: MediaTime,
    /// The recording of the same run that this one goes on from: one of a day or more is kept in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<RecordingId>,
    /// Why it ended; absent while it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What is in it; absent while it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

impl Head {
    /// Whether that node may change it.
    pub(crate) fn is_of(&self, node: Owner) -> bool {
        self.owner.is_none_or(|owner| owner == node)
    }
}

/// See [`Head::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The index may grow.
    Recording,
    /// Nothing more will come.
    Finished,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The stream did.
    StreamEnded,
    /// Somebody asked for it.
    Stopped,
    /// The node was shut down.
    Shutdown,
    /// The node died; the next start wrote this.
    Repaired,
    /// It was long enough; the next one continues it.
    Continued,
}

impl Ended {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamEnded => "stream_ended",
            Self::Stopped => "stopped",
            Self::Shutdown => "shutdown",
            Self::Repaired => "repaired",
            Self::Continued => "continued",
        }
    }
}

/// What is in a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// T of the first frame; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<MediaTime>,
    /// T behind the last frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<MediaTime>,
    /// Segments kept, of all renditions.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that could not be kept.
    pub lost: u64,
}

/// Picture or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rendition {
    /// Moving picture.
    Video,
    /// Sound.
    Audio,
}

impl Rendition {
    /// Both, picture first.
    pub const ALL: [Self; 2] = [Self::Video, Self::Audio];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        self.kind().as_str()
    }

    /// As the rest of the house names it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Video => Kind::Video,
            Self::Audio => Kind::Audio,
        }
    }
}

/// One line of the index. It is written when its file is safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// An `init-{n}.mp4`.
    Header(HeaderLine),
    /// A segment, or the place of one.
    Segment(SegmentLine),
}

/// An `init-{n}.mp4`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderLine {
    /// Of which rendition.
    pub rendition: Rendition,
    /// Run of the timeline.
    pub epoch: u32,
    /// Its number in the epoch.
    pub n: u32,
    /// How it is coded, as RFC 6381 writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codecs: String,
    /// Width and height in pixels; picture only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// Length of the file.
    pub bytes: u64,
    /// Of the file.
    pub sha256: Digest,
}

/// A segment, or the place of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentLine {
    /// Of which rendition.
    pub rendition: Rendition,
    /// Run of the timeline.
    pub epoch: u32,
    /// Media sequence number, as LL-HLS has it.
    pub segment: u64,
    /// T of its first frame.
    pub t: MediaTime,
    /// Media time in it.
    pub duration: Span,
    /// Discontinuity sequence number.
    pub breaks: u32,
    /// `n` of its header.
    pub header: u32,
    /// It begins with a keyframe.
    pub independent: bool,
    /// Length of the file; 0 for a gap.
    pub bytes: u64,
    /// Of the file; absent for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Why there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// Why a segment has no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gap {
    /// The track had nothing to say between two borders.
    Silent,
    /// It could not be written.
    Lost,
}

impl HeaderLine {
    /// Its name, which is the one LL-HLS serves it under.
    pub fn name(&self) -> FileName {
        FileName { epoch: Epoch(self.epoch), kind: self.rendition.kind(), item: Item::Header(self.n) }
    }
}

impl SegmentLine {
    /// Its name, which is the one LL-HLS serves it under.
    pub fn name(&self) -> FileName {
        let item = Item::Segment(self.segment);
        FileName { epoch: Epoch(self.epoch), kind: self.rendition.kind(), item }
    }

    /// Name of the header it needs.
    pub fn header_name(&self) -> FileName {
        let item = Item::Header(self.header);
        FileName { epoch: Epoch(self.epoch), kind: self.rendition.kind(), item }
    }

    /// T behind its last frame.
    pub fn end(&self) -> MediaTime {
        self.t + self.duration
    }

    /// There is a file.
    pub fn is_kept(&self) -> bool {
        self.gap.is_none()
    }

    /// Something of it lies in `from..to`.
    pub fn overlaps(&self, from: Option<MediaTime>, to: Option<MediaTime>) -> bool {
        from.is_none_or(|from| self.end() > from) && to.is_none_or(|to| self.t < to)
    }
}

impl Line {
    /// As JSON with its line feed.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a line is plain data with text keys");
        text.push('\n');
        text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Of a recording that is being written.
    pub(crate) fn head() -> Head {
        Head {
            version: VERSION,
            id: RecordingId::now(),
            stream: "live/x".to_owned(),
            owner: None,
            state: State::Recording,
            began: MediaTime::from_micros(crate::index::tests::START),
            continues: None,
            ended: None,
            summary: None,
        }
    }
}
