//! Commands to rooms.

use crate::At;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /api/v1/rooms/{room}/commands`, and `command` of a feed's message `{"type":"command","command":{…}}`.
///
/// ```json
/// {"cmd_id": "019a…", "type": "poll", "do": "enter", "subject": "019a…", "data": {"choice": 1}}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRequest {
    /// UUIDv7 of the sender's: the same one again gives the first answer again.
    pub cmd_id: String,
    /// A registered type's name; for hosts any word of 1 to 64 of `a-z 0-9 . _ -`.
    #[serde(rename = "type")]
    pub ty: String,
    /// `send` (the default), `amend`, `open`, `enter`, `confirm`, `release`, `close`, `cancel`.
    #[serde(default = "send", rename = "do")]
    #[schema(example = "send")]
    pub verb: String,
    /// `"now"` (the default) or a T in integer microseconds.
    #[serde(default)]
    #[schema(value_type = Object, example = "now")]
    pub at: At,
    /// Lane of a free event; a registered type has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// How long it holds; of a window, how long it is open; microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur: Option<u64>,
    /// How long after `at` it is still worth showing, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// `show`, `skip` or `log`; the default is the type's or the lane's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<String>,
    /// Id of the event it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What the sender has on screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenRequest>,
    /// Any JSON that fits the type, at most 1 KiB as text.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// What a sender has on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenRequest {
    /// T of the displayed frame, microseconds.
    pub t: i64,
    /// `seq` of the newest event shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AckView {
    /// Which command.
    pub cmd_id: String,
    /// `accepted`, `duplicate`, `late`, `outbid`, `sold`, `forbidden`, `invalid`, or `busy`: nothing was done, try again.
    pub status: String,
    /// Its entry in the room's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Its event in the room's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Id of its event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What helps on.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// Body of `PUT /api/v1/rooms/{room}/gate`, and the answer to GET: a span of the timeline that nobody may have early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateRequest {
    /// First T held back; the newest frame's successor without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// First T that is not; without it until the gate is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// By how much, microseconds; at most 10 s.
    pub delay: i64,
}

/// Body of `PUT /api/v1/rooms/{room}/lockstep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockstepRequest {
    /// All viewers hold one latency, or each their own.
    pub on: bool,
}

/// What a command does that says nothing else.
fn send() -> String {
    "send".to_owned()
}
