//! The log of a room: what its one writer made durable, in one order.

use crate::{Event, Rule, Seen};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use unisono_base::{Epoch, MediaTime, Span};
use uuid::Uuid;

/// One entry of a room's log. `n` counts every entry; `seq`, in the event, only what the whole room sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Gapless from 1.
    pub n: u64,
    /// Incarnation of the sequencer that wrote it: one more each time the room is opened anew.
    pub term: u64,
    /// The node's timeline clock when the command came in, or when the sequencer acted by itself.
    pub t: MediaTime,
    /// What was written.
    pub body: Body,
}

/// What a log entry holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// An event that the whole room sees.
    Event(Arc<Event>),
    /// What was accepted and is nobody else's business yet: a vote, a sealed bid, the answer of a quiz.
    Hidden(Arc<Hidden>),
}

/// A command that was accepted without an event of its own. It has `n` and no `seq` (decisions 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hidden {
    /// The stream's epoch at that moment.
    pub epoch: Epoch,
    /// The command that caused it; `None` where the sequencer added it to another entry of the same command, so that
    /// a `cmd_id` stands once in a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Uuid>,
    /// Name of its [`crate::EventType`].
    #[serde(rename = "type")]
    pub ty: String,
    /// What it does, by the rule of its type.
    pub rule: Rule,
    /// Whose it is; `None` once erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// What the sender added; null once erased.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// Who sent something. Kept beside the chain, so that it can be erased (fairness spec 12).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// A key's id, a token's `~subject`, or a guest's number. One person has one id in a room.
    pub id: Arc<str>,
    /// How they want to be called, at most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

/// What the server knew about the sender's view when a command came in (fairness spec 5, 6). Kept with the entry, so
/// that a decision can be recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// When it came in, on the node's timeline clock.
    pub received: MediaTime,
    /// Least round trip seen on its connection; zero where nothing is known.
    pub rtt_min: Span,
    /// D: the highest T that the session can have been given by `received - rtt_min / 2`; `None` without a stream.
    pub delivered: Option<MediaTime>,
    /// B_p: how much a player of the session's protocol may hold back.
    pub buffer: Span,
    /// What the sender says to have seen.
    pub claimed: Option<Seen>,
}
