//! The rooms' logs: appended by one sequencer each, read by whoever comes late.

mod memory;

pub use memory::MemoryLog;

use crate::BoxFuture;
use unisono_base::RoomId;
use unisono_timeline::Entry;

/// Why the log did not take an entry, or could not give one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Another sequencer wrote to the room: read the log again before going on.
    #[error("room {room}: the log ends at entry {last}, not at {expected}")]
    Conflict {
        /// The room.
        room: String,
        /// What the writer believed.
        expected: u64,
        /// What is there.
        last: u64,
    },
    /// The log holds as many rooms, or as much, as it may.
    #[error("room {room}: the log is full ({limit})")]
    Full {
        /// The room.
        room: String,
        /// Which limit, in words.
        limit: String,
    },
    /// The disk, mostly.
    #[error("room {room}: {reason}")]
    Backend {
        /// The room.
        room: String,
        /// In the backend's words.
        reason: String,
    },
}

/// A stretch of a room's log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// In order, gapless. Empty at the end of the log.
    pub entries: Vec<Entry>,
    /// `n` of the last entry of the whole log, 0 when there is none.
    pub last_n: u64,
}

/// One ordered log per room. What was appended successfully is as durable as the log says it is.
pub trait RoomLog: Send + Sync + 'static {
    /// Appends if the last entry is still `expected_n` (0 for a room that is new). Returns the new last `n`.
    fn append<'a>(
        &'a self,
        room: &'a RoomId,
        expected_n: u64,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<u64, LogError>>;

    /// Up to `max` entries from `from_n` on, or from the oldest one kept if that is later.
    fn read<'a>(&'a self, room: &'a RoomId, from_n: u64, max: usize)
    -> BoxFuture<'a, Result<Page, LogError>>;
}
