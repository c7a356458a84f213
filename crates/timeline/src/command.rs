//! Commands: what somebody asks a room for, and the answer.

use crate::{At, Lane, Late, Person, Witness};
use serde::{Deserialize, Serialize};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// What somebody asks for. The same `cmd_id` again gives the first answer again and does nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// UUIDv7 of the sender's.
    pub cmd_id: Uuid,
    /// Name of an [`crate::EventType`], or any word for a free event by a host.
    pub ty: String,
    /// What to do with it.
    pub verb: Verb,
    /// Lane of a free event. A registered type brings its own.
    pub lane: Option<Lane>,
    /// When it is to take place. Chat takes the sender's displayed T.
    pub at: At,
    /// How long it holds; of a window, how long it is open.
    pub dur: Option<Span>,
    /// How long after `at` it is still worth showing.
    pub ttl: Option<Span>,
    /// What late viewers do with it; the type's or the lane's own by default.
    pub late: Option<Late>,
    /// The event it is about: the window entered, the drop reserved from, the message answered, amended or cancelled.
    pub subject: Option<Uuid>,
    /// At most 1 KiB as JSON.
    pub data: serde_json::Value,
}

/// What a command does, in words that every rule class shares. Which of them a type knows says its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Say it: append, set the latest value, count, or put it into the queue.
    #[default]
    Send,
    /// Replace an earlier event (`subject`) by this one.
    Amend,
    /// Open a window, or offer a stock.
    Open,
    /// Vote, answer, bid, bet; take a unit of a stock.
    Enter,
    /// Confirm a reserved unit: it was paid.
    Confirm,
    /// Give a reserved unit back.
    Release,
    /// End a window or an offer now, with its outcome where the rule needs one.
    Close,
    /// Take an event, a window or an offer back.
    Cancel,
}

/// What a sender may do. Each role may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches; may react where a type says so.
    Guest,
    /// Chats, asks, votes.
    Member,
    /// Bids and buys.
    Bidder,
    /// Mutes, bans, deletes.
    Moderator,
    /// Opens and closes.
    Host,
    /// The tenant's own systems: purchases, gifts.
    System,
}

/// Who sends a command, and what the server knows about their view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    /// Who.
    pub person: Person,
    /// What they may.
    pub role: Role,
    /// For what was seen when.
    pub witness: Witness,
}

/// What a sender says to have seen when it acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// T_seen: the frame on screen.
    pub t: MediaTime,
    /// `seq` of the newest event shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    /// Which command.
    pub cmd_id: Uuid,
    /// What became of it.
    pub status: Status,
    /// Its entry in the log; none if nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Its event in the room's order; none for votes, sealed bids and refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Id of its event: the window just opened, the message just sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Why not, in words, with the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What helps the sender on: the price to beat, the missing milliseconds.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Written and durable.
    Accepted,
    /// Was carried out before; the rest of the answer is the first one's.
    Duplicate,
    /// The window had closed for what the sender can have seen. Written all the same (fairness spec 8).
    Late,
    /// Somebody bid more by the price the sender saw.
    Outbid,
    /// Nothing left.
    Sold,
    /// The sender's role, a ban, a mute, slow mode.
    Forbidden,
    /// Not what the type, the schema or the room's state allows.
    Invalid,
}

impl Ack {
    /// Done, with nothing more to say.
    pub fn accepted(cmd_id: Uuid) -> Self {
        Self {
            cmd_id,
            status: Status::Accepted,
            n: None,
            seq: None,
            id: None,
            words: None,
            data: serde_json::Value::Null,
        }
    }
}

impl Status {
    /// As JSON and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Outbid => "outbid",
            Self::Sold => "sold",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
        }
    }
}

impl Role {
    /// As JSON spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Bidder => "bidder",
            Self::Moderator => "moderator",
            Self::Host => "host",
            Self::System => "system",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Verb {
    /// As JSON spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Amend => "amend",
            Self::Open => "open",
            Self::Enter => "enter",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Close => "close",
            Self::Cancel => "cancel",
        }
    }
}
