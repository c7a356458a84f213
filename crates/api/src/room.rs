//! Rooms as they are described for programs: what their routes take and give beside events and commands. What makes these
//! answers lives in `timeline` and `room`; the gateway's tests read its answers by these types.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An event as everybody gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventView {
    /// `app:name`.
    pub room: String,
    /// Run of the stream's timeline.
    pub epoch: u32,
    /// Gapless from 1.
    pub seq: u64,
    /// UUIDv7; the same over every way of delivery.
    pub id: String,
    /// `round`, `auction`, `poll`, `question`, `ad`, `caption`, `alert`, `moderation` or `chat`.
    pub lane: String,
    /// The type's name, and of what a rule class says a word behind a dot: `poll.opened`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Shown at the first frame with T at or after this; microseconds.
    pub at: i64,
    /// How long it holds, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur: Option<i64>,
    /// How long after `at` it is still worth showing, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
    /// `show`, `skip` or `log`.
    pub late: String,
    /// Who; absent where the sequencer acted by itself, and once erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<PersonView>,
    /// The command that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The event it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The event it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
    /// The event it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancels: Option<String>,
    /// What it does by the rule of its type, `is` says which: docs/protocols/rooms.md.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Map<String, Value>>,
    /// What was said; null once erased.
    #[serde(default)]
    pub data: Value,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonView {
    /// A key's id, a token's `~subject`, `g~` and a guest's number.
    pub id: String,
    /// How they want to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The room as it stands; also the feed's message of that name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotView {
    /// `snapshot`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Everything up to this event is in it.
    pub seq: u64,
    /// Open windows: `event` that opened it, `closes`, `reveal`, `extensions`, `standing`.
    pub windows: Vec<Map<String, Value>>,
    /// Results of the windows decided last.
    pub results: Vec<EventView>,
    /// The last value per key of types of class `latest`.
    pub latest: Vec<EventView>,
    /// Open offers: `event`, `left`, `confirmed`, `is_withdrawn`.
    pub offers: Vec<Map<String, Value>>,
    /// Queues: `type`, `showing`, `waiting`.
    pub queues: Vec<Map<String, Value>>,
    /// Ids of the events taken back last.
    pub cancelled: Vec<String>,
}

/// Body of `POST /api/v1/rooms/{room}/moderation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureRequest {
    /// `mute`, `unmute`, `ban`, `unban` or `slow`.
    pub action: String,
    /// Whom; not for `slow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// How long, microseconds, at most 366 days; for `mute` and `ban`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur: Option<i64>,
    /// Between two messages of one person, microseconds, 0 ends it; for `slow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<i64>,
}

/// Mutes, bans and slow mode in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisciplineView {
    /// By person: until when, microseconds of the node's timeline clock.
    pub muted: BTreeMap<String, i64>,
    /// The same of those who may not even listen.
    pub banned: BTreeMap<String, i64>,
    /// Microseconds between two messages; 0 for none.
    pub slow: i64,
}

/// `GET /api/v1/rooms/{room}/windows`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowList {
    /// Of each: `event` that opened it, `closes`, `reveal`, `extensions`, and the `result` that decided it.
    pub windows: Vec<Map<String, Value>>,
}

/// Body of `POST /api/v1/rooms/{room}/erase`: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// What this entry of the log says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Who this is, and all they wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasedView {
    /// How many entries of the log it concerned.
    pub entries: u64,
}

/// A type of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeView {
    /// `[a-z0-9._-]{1,48}`.
    pub name: String,
    /// Where its events are ordered.
    pub lane: String,
    /// JSON Schema (2020-12) of `data`; anything goes without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// `{"rule": "log" | "latest" | "counter" | "window" | "stock" | "queue", …}`: docs/protocols/rooms.md.
    pub class: Map<String, Value>,
    /// Who may say, enter or reserve: `guest`, `member`, `bidder`, `moderator`, `host`, `system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// Who may open, close and cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `show`, `skip` or `log`, for events that come after their frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<String>,
}

/// `GET /api/v1/types`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeList {
    /// Templates and the tenant's own.
    pub types: Vec<TypeView>,
}

/// `GET /api/v1/rooms/{room}/checkpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointList {
    /// The node's public key (Ed25519), hexadecimal: for `unisono verify --key`.
    pub key: String,
    /// In the order of the log.
    pub checkpoints: Vec<CheckpointView>,
}

/// The node's word about a room's log: for `unisono verify --checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointView {
    /// `app:name`.
    pub room: String,
    /// `running`.
    pub mark: String,
    /// Incarnation of the sequencer.
    pub term: u64,
    /// The entry.
    pub n: u64,
    /// Its hash, hexadecimal; it covers all before.
    pub hash: String,
    /// When it was signed, microseconds.
    pub t: i64,
    /// Ed25519, hexadecimal.
    pub signature: String,
}

/// `GET /api/v1/rooms/{room}/fairness`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FairnessView {
    /// The first entry that is not as it was written, and why; null: all is well.
    pub bad: Option<BadView>,
    /// The last entry looked at.
    pub last_n: u64,
    /// Entries that are secret until their windows are decided, and so not counted.
    pub withheld: u64,
    /// What came out of each window, computed again: `window`, `result`, `winner`, `entries`, `late`, `clamped`.
    pub results: Vec<Map<String, Value>>,
    /// Over all windows that somebody can win.
    pub room: DecilesView,
    /// Each window.
    pub windows: Vec<WindowFairnessView>,
}

/// An entry that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BadView {
    /// Its number.
    pub n: u64,
    /// What is wrong, in words.
    pub why: String,
}

/// One window by latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowFairnessView {
    /// Its id.
    pub window: String,
    /// Entries that came too late.
    pub late: u64,
    /// Entries whose claim of what was seen was out of its bounds.
    pub clamped: u64,
    /// Entries in time, by latency.
    pub deciles: DecilesView,
}

/// Entries in ten parts of equal size, the quickest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecilesView {
    /// The highest latency of each part, microseconds.
    pub latency_us: Vec<i64>,
    /// Entries of each part.
    pub entries: Vec<u64>,
    /// Those that won.
    pub wins: Vec<u64>,
    /// Of the wins against equal chances, nine degrees of freedom (21.7 is p = 0.01); null with fewer than 50 wins.
    pub chi_square: Option<f64>,
}
