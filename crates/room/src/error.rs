//! Why a room did not do what it was asked for.

use crate::people::MeasureError;
use unisono_store::{KvError, LogError};

/// See the module. The words are for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// Not what the type or its schema allows. The caller's fault.
    #[error("{0}")]
    Refused(String),
    /// Banned, muted, too fast, or not of the role.
    #[error("{0}")]
    Silenced(String),
    /// Out for a while.
    #[error("you are banned from this room")]
    Banned,
    /// The room gets too many. Try again in a second.
    #[error("this room takes {0} commands per second; try again in a second")]
    TooFast(u32),
    /// As much waits for the room's writer already as may. Try again in a second.
    #[error("{0} commands of this room wait to be written already; try again in a second")]
    Busy(usize),
    /// As many rooms are open as may be.
    #[error("the server has {0} rooms open already, its limit")]
    TooManyRooms(usize),
    /// As many feeds of this room are open as may be.
    #[error("this room has {0} feeds open already, its limit")]
    TooManyFeeds(usize),
    /// As many people are in this room as may be.
    #[error("this room is full")]
    Crowded,
    /// A measure that cannot be taken.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The log failed. Whether a command was written says its repetition.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store of types and measures failed.
    #[error(transparent)]
    Store(#[from] KvError),
    /// There is no such type.
    #[error("there is no type {0:?} of your own")]
    NoSuchType(String),
    /// The node that has the room is away, or does not take this now. Whether a command was carried out says its
    /// repetition.
    #[error("{0}")]
    Away(String),
    /// The room was closed meanwhile, or the server goes down. Try again in a second.
    #[error("the room is being closed; try again in a second")]
    Closing,
}
