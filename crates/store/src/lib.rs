//! What outlives a request: the rooms' logs and the node's keys and settings, each behind a small trait.
//!
//! [`RoomLog`] and [`Kv`] are all the rest of the house knows (decisions 7). Each has two implementations here: in
//! memory, for tests, and in SQLite.

mod kv;
mod log;
mod private;

pub use kv::{Kv, KvError, MemoryKv, SqliteKv, Versioned};
pub use log::{
    Damage, Erase, Export, KeyFailed, LogError, LogRoom, MemoryLog, Page, Retention, RoomLog, SqliteLog,
    audit_signer,
};

use std::{future::Future, pin::Pin};

/// What a trait method returns, so that the traits can be used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
