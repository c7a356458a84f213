//! A stream as its operator sees it.

use crate::StreamView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/streams/{app}/{name}` for an admin key or this machine; others get the [`StreamView`] alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamDetail {
    /// What everybody sees.
    #[serde(flatten)]
    pub stream: StreamView,
    /// Who sends it; absent while the publisher is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<PublisherView>,
    /// How it has been doing lately.
    pub health: HealthView,
    /// Every encoding there is of its tracks, the source's first.
    pub renditions: Vec<RenditionView>,
}

/// The publisher of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublisherView {
    /// `rtmp`, `whip`, `demo`.
    pub protocol: String,
    /// Key id, or `~subject` of a token.
    pub key: String,
    /// Its session, for `DELETE /api/v1/sessions/{id}`; absent for the demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Shortened to its network unless `log.full_addresses` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it came, in microseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
}

/// Figures over the last seconds; each is absent until it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// Kilobits of media per second, all tracks of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_kbps: Option<u64>,
    /// Milliseconds since the last frame arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_age_ms: Option<i64>,
    /// Milliseconds of media between the two newest keyframes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyframe_interval_ms: Option<i64>,
    /// Frames taken in since the stream began.
    pub frames: u64,
    /// Frames that could not be used: they came before the first keyframe.
    pub frames_dropped: u64,
}

/// One encoding of a track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RenditionView {
    /// `video` or `audio`.
    pub kind: String,
    /// `source`, or `made` by this node.
    pub rendition: String,
    /// As in the stream's tracks.
    pub codec: String,
    /// Frames per second of media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Kilobits per second of media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_kbps: Option<u64>,
}

/// Body of `POST /api/v1/streams/{app}/{name}/stop`; may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// Told to the publisher, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Nobody may publish under the name for so long, at most a day. Without it the encoder may come back at once.
    #[serde(default)]
    pub block_seconds: u32,
}
