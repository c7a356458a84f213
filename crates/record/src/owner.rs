//! Which node a recording is of. Several may keep theirs in one bucket: each finishes and takes away its own alone.

use serde::{Deserialize, Serialize};
use std::fmt;
use unisono_store::{Kv, KvError};
use uuid::Uuid;

/// Its name in the store.
const KEY: &str = "recordings/owner";

/// A node, as its recordings name it: made at its first start and kept in its store, so that a copy of the data directory is the
/// same node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(Uuid);

impl Owner {
    /// This node.
    pub(crate) async fn of_node(kv: &dyn Kv) -> Result<Self, KvError> {
        let known = kv.get(KEY).await?;
        let version = known.as_ref().map(|known| known.version);
        if let Some(owner) = known.and_then(|known| known.value.parse().ok()) {
            return Ok(Self(owner));
        }
        let new = Self(Uuid::now_v7());
        kv.put_if(KEY, version, new.to_string()).await?;
        Ok(new)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
