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
}
