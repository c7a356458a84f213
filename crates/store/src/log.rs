//! The rooms' logs: appended by one sequencer each, read by whoever comes late.

mod export;
mod key;
mod memory;
mod sqlite;

pub use export::Export;
pub use key::{KeyFailed, audit_signer};
pub use memory::MemoryLog;
pub use sqlite::{Damage, SqliteLog};

use crate::BoxFuture;
use std::sync::Arc;
use unisono_base::{MediaTime, RoomId};
use unisono_timeline::{
    Uuid,
    audit::{Base, Checkpoint, Sealed},
};

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
    /// The entries do not follow each other, or one stands for a command that stands in the log already: the
    /// sequencer's fault. Read the log again before going on.
    #[error("room {room}: {reason}")]
    Unfit {
        /// The room.
        room: String,
        /// Why.
        reason: String,
    },
    /// The log holds as many rooms, or as much, as it may; or the disk is full. What was written before stays.
    #[error("room {room}: the log is full ({limit})")]
    Full {
        /// The room.
        room: String,
        /// Which limit, in words.
        limit: String,
    },
    /// What was written once cannot be read as it was: somebody, or the disk, changed it.
    #[error("room {room}: entry {n} is damaged: {reason}")]
    Damaged {
        /// The room.
        room: String,
        /// Which entry.
        n: u64,
        /// How.
        reason: String,
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
    #[error("room {room}: {reason}")]
    Backend {
        /// The room; `-` where it concerns all.
        room: String,
        /// In the backend's words.
        reason: String,
    },
    /// The log was closed: the node is going down.
    #[error("the log is closed; the server is going down")]
    Closed,
}

/// A stretch of a room's log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// In order. Gapless as entries go; of [`RoomLog::read_events`] gapless as events go. Empty at the end.
    pub entries: Vec<Sealed>,
    /// `n` of the last entry of the whole log, 0 when there is none.
    pub last_n: u64,
    /// The last entry that is no longer kept; `None` for a log that is whole.
    pub base: Option<Base>,
}

/// What is to be forgotten. Its digest stays, so that the chain still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erase {
    /// What one entry says.
    Payload {
        /// The entry.
        n: u64,
    },
    /// A person: who they are, what they are called, and everything they wrote.
    Person {
        /// [`unisono_timeline::Person::id`].
        id: Arc<str>,
    },
}

/// How much of a log is kept. Only whole beginnings go; both bounds hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Entries from before may go.
    pub older_than: Option<MediaTime>,
    /// Entries beyond so many may go, the oldest first.
    pub entries_max: Option<u64>,
    /// From this entry on everything stays: what a running room still needs, such as the start of an open window.
    pub keep_from: Option<u64>,
}

/// A room that has a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRoom {
    /// The room.
    pub room: RoomId,
    /// `n` of the last entry.
    pub last_n: u64,
    /// `seq` of the last event.
    pub last_seq: u64,
    /// `n` of the last entry that is no longer kept; 0 for a log that is whole.
    pub base_n: u64,
}

/// One ordered log per room. What was appended successfully is as durable as the log says it is.
pub trait RoomLog: Send + Sync + 'static {
    /// Appends if the last entry is still `expected_n` (0 for a room that is new). Returns the new last `n`. All of
    /// it is written, or nothing.
    fn append<'a>(
        &'a self,
        room: &'a RoomId,
        expected_n: u64,
        entries: Vec<Sealed>,
    ) -> BoxFuture<'a, Result<u64, LogError>>;

    /// Up to `max` entries from `from_n` on, or from the oldest one kept if that is later.
    fn read<'a>(&'a self, room: &'a RoomId, from_n: u64, max: usize)
    -> BoxFuture<'a, Result<Page, LogError>>;

    /// Up to `max` events from `from_seq` on, or from the oldest one kept if that is later; nothing hidden.
    fn read_events<'a>(
        &'a self,
        room: &'a RoomId,
        from_seq: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>>;

    /// The entry that a command caused, if it is still kept.
    fn find_command<'a>(
        &'a self,
        room: &'a RoomId,
        cmd_id: Uuid,
    ) -> BoxFuture<'a, Result<Option<Sealed>, LogError>>;

    /// Keeps a checkpoint. Its entry was appended before.
    fn checkpoint<'a>(
        &'a self,
        room: &'a RoomId,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// Up to `max` checkpoints of entries from `from_n` on, in order.
    fn checkpoints<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, LogError>>;

    /// Forgets; returns how many entries it concerned. The bytes are gone from the store's files when it returns.
    fn erase<'a>(&'a self, room: &'a RoomId, what: Erase) -> BoxFuture<'a, Result<u64, LogError>>;

    /// Forgets the beginning of a log; returns how many entries went.
    fn retain<'a>(&'a self, room: &'a RoomId, keep: Retention) -> BoxFuture<'a, Result<u64, LogError>>;

    /// Up to `max` rooms in the order of their names, after `after`.
    fn rooms<'a>(
        &'a self,
        after: Option<&'a RoomId>,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<LogRoom>, LogError>>;
}

/// Refuses what does not follow `expected_n`, gapless.
fn check_follows(room: &RoomId, expected_n: u64, entries: &[Sealed]) -> Result<(), LogError> {
    for (n, sealed) in (expected_n + 1..).zip(entries) {
        if sealed.entry.n != n {
            let reason = format!("entry {} came where entry {n} should", sealed.entry.n);
            return Err(LogError::Unfit { room: room.to_string(), reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
