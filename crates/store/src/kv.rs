//! Small values under names, each with a version: keys, configuration, webhooks.

mod memory;
mod sqlite;

pub use memory::MemoryKv;
pub use sqlite::SqliteKv;

use crate::BoxFuture;

/// Longest name, in bytes.
const KEY_MAX: usize = 256;
/// Longest value, in bytes.
const VALUE_MAX: usize = 1 << 20;
/// Most entries a list returns.
const LIST_MAX: usize = 10_000;

/// A value and the number of times it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// From 1.
    pub version: u64,
    /// Text, mostly JSON.
    pub value: String,
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// Somebody else wrote in between: read again and decide anew.
    #[error("{key} was changed by somebody else in between")]
    Conflict {
        /// The name.
        key: String,
    },
    /// The caller's fault.
    #[error("a key is 1 to {KEY_MAX} bytes and a value at most {VALUE_MAX}; this is {key} and {value}")]
    TooLong {
        /// Length of the name.
        key: usize,
        /// Length of the value.
        value: usize,
    },
    /// The file was written by a newer version of the program.
    #[error("{path} has schema {found}, this program knows up to {known}: it was written by a newer version")]
    TooNew {
        /// The file.
        path: String,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The disk, mostly.
    #[error("store {path}: {reason}")]
    Backend {
        /// The file.
        path: String,
        /// In the backend's words.
        reason: String,
    },
}

/// Values that are written rarely and must not be lost. A write is durable when it returns.
pub trait Kv: Send + Sync + 'static {
    /// The value under a name.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, KvError>>;

    /// Writes if the version is still `expected` (`None`: there is no such value yet). Returns the new version.
    fn put_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<u64>,
        value: String,
    ) -> BoxFuture<'a, Result<u64, KvError>>;

    /// Forgets a value; false when there was none.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, KvError>>;

    /// All values whose names begin with `prefix`, by name; at most 10,000.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, KvError>>;
}

fn check(key: &str, value: &str) -> Result<(), KvError> {
    let fits = (1..=KEY_MAX).contains(&key.len()) && value.len() <= VALUE_MAX;
    if fits { Ok(()) } else { Err(KvError::TooLong { key: key.len(), value: value.len() }) }
}

#[cfg(test)]
mod tests;
