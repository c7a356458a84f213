//! What a mirror and the node that has its room say to each other: JSON, and beside it what must stay as it is byte for byte.

use crate::{Discipline, Latency, RoomError, room::Crowd};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, sync::Arc};
use unisono_base::Span;
use unisono_timeline::{Ack, Command, EventType, Sender};

/// No `seq` lies beyond: arithmetic with what another node says never overflows.
pub(super) const SEQ_MAX: u64 = u64::MAX >> 2;
/// Longest id of a person.
pub(super) const PERSON_BYTES_MAX: usize = 512;

/// One message between two nodes about one room, as it is carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// JSON.
    pub head: Bytes,
    /// What belongs to it and is not encoded again: events, notices.
    pub parts: Vec<Bytes>,
}

/// From the mirror.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Up {
    /// The first message, and only it: where to go on; `None` for a mirror that has told nothing yet.
    Attach { from: Option<u64> },
    /// To be answered.
    Ask {
        id: u64,
        /// The answer to the same was lost with an earlier link.
        is_again: bool,
        ask: Arc<Ask>,
    },
    /// Reactions since the last of these, by key.
    React { ty: String, counts: BTreeMap<String, u64> },
    /// How many are at the mirror's node.
    Crowd(Crowd),
    /// Of one viewer's player, microseconds: actual and earliest; `None` when it is gone.
    Latency { session: u64, latency: Option<(i64, i64)> },
}

/// See [`Up::Ask`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// To be carried out, with what the mirror's node knows of its sender.
    Command { command: Command, sender: Box<Sender> },
    /// Where a feed begins, and what this person has in open windows. Without the room as it stands where the mirror has just been
    /// told that.
    Enter { person: Option<Arc<str>>, wants_standing: bool },
    /// The next events from here on.
    Page { from: u64 },
}

/// To the mirror.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Down {
    /// The room is open; its last event told.
    Attached { last: u64 },
    /// It is not, and why; nothing follows.
    Refused { words: String },
    /// Who may say nothing, and of what types events are, from now on.
    Ruled { discipline: Discipline, types: Vec<EventType> },
    /// The next events; one part each.
    Events,
    /// One part: the message.
    Notice { kind: String },
    /// To the question of this number.
    Answer { id: u64, reply: Reply },
}

/// See [`Down::Answer`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// A command's. One part where it made an event.
    Acked(Ack),
    /// A part for the room as it stands after `seq` where there is one, one for `mine`, one for the common latency.
    Entered { seq: Option<u64>, has_mine: bool, has_lockstep: bool, members: usize },
    /// A part for each event.
    Page,
    /// Nothing was done.
    Refused { why: Why, words: String },
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Why {
    /// Not what type, schema or state allow.
    Invalid,
    /// Not allowed to this person now.
    Forbidden,
    /// Not now; trying again helps.
    Busy,
}

impl Reply {
    pub(super) fn refuse(error: &RoomError) -> Self {
        let why = match error {
            RoomError::Refused(_) | RoomError::Measure(_) | RoomError::NoSuchType(_) => Why::Invalid,
            RoomError::Silenced(_) | RoomError::Banned => Why::Forbidden,
            RoomError::TooFast(_)
            | RoomError::Busy(_)
            | RoomError::TooManyRooms(_)
            | RoomError::TooManyFeeds(_)
            | RoomError::Crowded
            | RoomError::Log(_)
            | RoomError::Store(_)
            | RoomError::Away(_)
            | RoomError::Closing => Why::Busy,
        };
        Self::Refused { why, words: error.to_string() }
    }
}

impl Why {
    pub(super) fn error(self, words: String) -> RoomError {
        match self {
            Self::Invalid => RoomError::Refused(words),
            Self::Forbidden => RoomError::Silenced(words),
            Self::Busy => RoomError::Away(words),
        }
    }
}

pub(super) fn packet(message: &impl Serialize, parts: Vec<Bytes>) -> Packet {
    // Only maps with keys that are no text fail, which none of ours has.
    Packet { head: serde_json::to_vec(message).unwrap_or_default().into(), parts }
}

/// `None` for what this version does not understand.
pub(super) fn read<T: DeserializeOwned>(packet: &Packet) -> Option<T> {
    serde_json::from_slice(&packet.head).ok()
}

pub(super) fn spans(latency: Latency) -> (i64, i64) {
    (latency.actual.as_micros(), latency.earliest.as_micros())
}

pub(super) fn latency((actual, earliest): (i64, i64)) -> Latency {
    /// An hour, as gateways have it.
    const MAX: i64 = 3_600_000_000;
    let span = |micros: i64| Span::from_micros(micros.clamp(0, MAX));
    Latency { actual: span(actual), earliest: span(earliest) }
}
