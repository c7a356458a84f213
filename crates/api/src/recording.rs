//! Recordings as API, pages and scripts see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/recordings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingList {
    /// Newest first.
    pub recordings: Vec<RecordingView>,
    /// Where the next page begins (`?cursor=`); absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// False while the node still reads what was recorded before it started.
    pub complete: bool,
}

/// One recording. Times are T: microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingView {
    /// UUIDv7.
    pub id: String,
    /// `app/name`.
    pub stream: String,
    /// Whether it still grows.
    pub state: RecordingState,
    /// When it began, on the node's timeline clock.
    pub began: i64,
    /// T of its first frame; absent until a segment is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// T behind its last frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// Segments kept, of picture and sound.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that could not be kept: gaps when it is played.
    pub lost: u64,
    /// `stream_ended`, `stopped`, `shutdown`, `repaired` (the program died meanwhile) or `continued` (in the next recording).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The recording that this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// Why nothing is written at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<TroubleView>,
}

/// See [`RecordingView::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// It is being written, and plays meanwhile.
    Recording,
    /// It is whole.
    Finished,
}

/// See [`RecordingView::trouble`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TroubleView {
    /// What, for people.
    pub words: String,
    /// Since when: microseconds since the Unix epoch.
    pub since: i64,
}

/// `GET /api/v1/streams/{app}/{name}/recording`, and the answer to PUT and DELETE there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingWish {
    /// The stream is recorded whenever it is live.
    pub record: bool,
    /// Somebody asked for that here; otherwise the configuration says so.
    pub asked: bool,
    /// The recording that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
}
