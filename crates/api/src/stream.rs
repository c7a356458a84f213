//! Streams as API, pages and scripts see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/streams`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamList {
    /// By name.
    pub streams: Vec<StreamView>,
    /// Where the next page begins (`?cursor=`); absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One stream; also `GET /api/v1/streams/{app}/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamView {
    /// `app/name`.
    pub name: String,
    /// Whether somebody publishes.
    pub state: StreamState,
    /// `rtmp`, `whip`, `demo`; absent while the publisher is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The running epoch; absent while the publisher is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Who watches.
    pub viewers: Viewers,
    /// The source's tracks.
    pub tracks: Vec<TrackView>,
    /// In words for whoever watches, for example why it plays by one protocol only.
    pub notes: Vec<String>,
    /// What is wrong with it now, the worst first.
    #[serde(default)]
    pub diagnosis: Vec<Finding>,
}

/// Something wrong with a stream, in words (`docs/troubleshooting.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What kind, for scripts: `b_frames`, `no_keyframe` and the like. Their meaning never changes; new ones may come.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// What it is and what to do, for people.
    pub words: String,
    /// When it began: microseconds since the Unix epoch.
    pub since: i64,
}

/// See [`Finding::severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Some viewers see or hear nothing.
    Error,
    /// It plays, worse than it could.
    Warning,
    /// Good to know; may be meant so.
    Info,
}

/// See [`StreamView::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamState {
    /// A publisher is connected.
    Live,
    /// It is gone; viewers wait for it.
    Lost,
}

/// Viewers by exit. HLS is counted by requests, so approximately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Viewers {
    /// WHEP sessions.
    pub webrtc: usize,
    /// HLS players, counted by their requests of the last 10 s: approximately.
    pub hls: usize,
}

/// A track of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrackView {
    /// Picture or sound.
    pub kind: TrackKind,
    /// `H.264`, `AAC`, `Opus`.
    pub codec: String,
    /// Pixels; video only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels; video only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Has B-frames; video only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reordered: Option<bool>,
}

/// See [`TrackView::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrackKind {
    /// Moving picture.
    Video,
    /// Sound.
    Audio,
}
