//! What the server says about itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerView {
    /// `unisono`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// The node's timeline clock, microseconds since the Unix epoch.
    pub t: i64,
    /// Whole seconds since the start.
    pub uptime_seconds: u64,
    /// Where encoders publish by RTMP; absent where that is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmp_port: Option<u16>,
    /// The same by RTMPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmps_port: Option<u16>,
}
