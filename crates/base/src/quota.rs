//! What one key may use of a node at once.

use serde::{Deserialize, Serialize};

/// Limits of one key, each counted over the whole node; `None` leaves the node's own limits alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Streams it publishes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams_max: Option<u32>,
    /// Kilobits of media per second of each of its streams, measured over five seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate_max_kbps: Option<u32>,
    /// Viewers of all its streams together, by every door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewers_max: Option<u32>,
}

impl Quota {
    /// True where nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}
