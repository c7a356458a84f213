//! The name of a recording.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// UUIDv7: later recordings have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordingId(Uuid);

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a recording is a UUID, such as 0199d2a4-7c1e-7b33-8d5a-0c2f6a9b1e47")]
pub struct NoRecordingId;

impl RecordingId {
    /// A new one, by this machine's clock.
    pub fn now() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for RecordingId {
    type Err = NoRecordingId;
    /// Only as it is printed, so that one recording has one name.
    fn from_str(text: &str) -> Result<Self, NoRecordingId> {
        let id = Uuid::try_parse(text).map(Self).map_err(|_| NoRecordingId)?;
        if id.to_string() == text { Ok(id) } else { Err(NoRecordingId) }
    }
}
