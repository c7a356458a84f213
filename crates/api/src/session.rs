//! Publishers, viewers and readers of events, as their operator sees them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/sessions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// Oldest first.
    pub sessions: Vec<SessionView>,
    /// Where the next page begins (`?cursor=`); absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One of them; also `GET /api/v1/sessions/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// A UUID, valid while the session lasts.
    pub id: String,
    /// What it does.
    pub role: SessionRole,
    /// `rtmp`, `whip`, `whep`, `hls`, `websocket`, `sse`.
    pub protocol: String,
    /// True for HLS, where a player is told by address and program: several behind one proxy look like one.
    pub approximate: bool,
    /// `app/name`.
    pub stream: String,
    /// Shortened to its network unless `log.full_addresses` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it came, in microseconds since the Unix epoch.
    pub since: i64,
    /// Key id, `~subject` of a token, or `anyone`.
    pub who: String,
    /// `jti` of its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Media bytes so far; at most a second old.
    pub bytes: u64,
    /// Share of packets lost on the way, 0 to 1; WebRTC only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Round trip, in milliseconds, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Its path as the server estimates it; WebRTC viewers only, from their first transport-wide feedback on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathView>,
    /// The worker thread that serves it; WebRTC viewers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerView>,
}

/// Where a session is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Which worker thread, from 0.
    pub worker: usize,
    /// How many there are.
    pub of: usize,
}

/// `PUT /api/v1/sessions/{id}/worker`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// The worker thread that is to serve it.
    pub worker: usize,
}

/// What is known of a viewer's path; at most a second old.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PathView {
    /// What it carries without a queue building up, bits per second.
    pub bits_per_second: u64,
    /// The queue on it, in milliseconds.
    pub queue_ms: f64,
    /// How fast that grows: milliseconds per second, negative while it empties.
    pub delay_gradient: f32,
    /// Only keyframes are sent, since it cannot take all pictures.
    pub overloaded: bool,
}

/// See [`SessionView::role`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionRole {
    /// Sends a stream.
    Publisher,
    /// Plays it.
    Viewer,
    /// Reads its room's events.
    Reader,
}
