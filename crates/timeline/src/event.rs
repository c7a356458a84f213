//! Events: what happens in a room, bound to the media time it belongs to (timeline spec 8).

mod lane;

pub use lane::{Lane, Late, UnknownWord};

use crate::{Command, Person, Rule, Verb};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use unisono_base::{Epoch, MediaTime, RoomId, Span, Tenant};
use uuid::Uuid;

/// Longest `data`, as JSON text.
pub const DATA_MAX: usize = 1_024;
/// Longest `type`.
pub const TYPE_MAX: usize = 64;
/// Longest `dur` and `ttl`.
const SPAN_MAX: Span = Span::from_secs(24 * 3_600);
/// Farthest `at` ahead of now.
pub(crate) const AHEAD_MAX: Span = Span::from_secs(3_600);
/// Farthest `at` behind now.
pub(crate) const BEHIND_MAX: Span = Span::from_secs(30);
/// Farthest that the order within a lane may move an `at` up.
pub(crate) const MOVED_MAX: Span = Span::from_secs(5);

/// One event as everybody sees it: on feeds, on data channels, in `emsg`. Immutable once it has its `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The room, `app:name`.
    #[serde(serialize_with = "write_room", deserialize_with = "read_room")]
    pub room: RoomId,
    /// The stream's epoch when the event was sequenced; 0 where the room has not had a stream yet.
    pub epoch: Epoch,
    /// Gapless from 1, one order for the whole room.
    pub seq: u64,
    /// UUIDv7. The same event has the same id by whatever way it comes: deduplicate by it.
    pub id: Uuid,
    /// Which kind of thing it belongs to; `at` never decreases within a lane.
    pub lane: Lane,
    /// The caller's own word, `[a-z0-9._-]{1,64}`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Apply at the first displayed frame with T at or after this. Microseconds.
    pub at: MediaTime,
    /// How long it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur: Option<Span>,
    /// How long after `at` it is still worth showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// What a client does that receives it too late.
    pub late: Late,
    /// Who posted it; `None` where the sequencer acted by itself, and once erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Person>,
    /// The `cmd_id` of the command that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Uuid>,
    /// The event it is about: the window it belongs to, the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Uuid>,
    /// The event that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
    /// The event that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancels: Option<Uuid>,
    /// What it does by the rule of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// Anything, at most 1 KiB as JSON; null once erased.
    pub data: serde_json::Value,
}

/// An event as it is asked for; the sequencer makes an [`Event`] of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// See [`Event::ty`].
    pub ty: String,
    /// See [`Event::lane`].
    pub lane: Lane,
    /// When.
    pub at: At,
    /// See [`Event::dur`].
    pub dur: Option<Span>,
    /// See [`Event::ttl`].
    pub ttl: Option<Span>,
    /// See [`Event::late`]; `None` for the lane's default.
    pub late: Option<Late>,
    /// See [`Event::actor`].
    pub actor: Option<Person>,
    /// Makes the request repeatable: the same one again gives the event it gave before.
    pub cmd_id: Option<Uuid>,
    /// See [`Event::data`].
    pub data: serde_json::Value,
}

/// When an event takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// At the newest frame, or at the node's clock where there is none.
    #[default]
    Now,
    /// At this point of the stream's timeline.
    T(MediaTime),
}

/// Why an event was refused. The caller's fault each time; the words name the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Empty, over-long, or with other characters.
    #[error("type must be 1 to {TYPE_MAX} of the characters a-z 0-9 . _ -")]
    Type,
    /// Over [`DATA_MAX`].
    #[error("data is {0} bytes of JSON; the limit is {DATA_MAX}: send a reference instead")]
    Data(usize),
    /// Negative, or over a day.
    #[error("{0} must be 0 to 86400000000 microseconds (a day)")]
    Span(&'static str),
    /// More than an hour ahead.
    #[error("at lies {0} s ahead of the stream; the limit is an hour")]
    TooFarAhead(i64),
    /// More than 30 s ago.
    #[error("at lies {0} s in the past; the limit is 30 s")]
    TooOld(i64),
    /// The lane has a later event already, too far away to move this one there.
    #[error(
        "lane {lane} has an event at {last} already, and at never decreases within a lane: use at >= {last}, or another lane"
    )]
    LaneIsAhead {
        /// The lane.
        lane: Lane,
        /// Its last `at`, in microseconds.
        last: i64,
    },
    /// The lane is not for single events.
    #[error("lane {0} carries aggregates and is not stored; post to another lane")]
    NotSequenced(Lane),
}

impl NewEvent {
    /// An event of type `ty` in lane `alert`, now, with nothing else said.
    pub fn new(ty: impl Into<String>, data: serde_json::Value) -> Self {
        Self {
            ty: ty.into(),
            lane: Lane::default(),
            at: At::Now,
            dur: None,
            ttl: None,
            late: None,
            actor: None,
            cmd_id: None,
            data,
        }
    }

    /// The command that asks for it, by a host. `cmd_id` serves where the event has none of its own.
    pub fn into_command(self, cmd_id: Uuid) -> Command {
        Command {
            cmd_id: self.cmd_id.unwrap_or(cmd_id),
            ty: self.ty,
            verb: Verb::Send,
            lane: Some(self.lane),
            at: self.at,
            dur: self.dur,
            ttl: self.ttl,
            late: self.late,
            subject: None,
            data: self.data,
        }
    }
}

/// Name of an event that no type describes.
pub(crate) fn check_type(ty: &str) -> Result<(), Refused> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=TYPE_MAX).contains(&ty.len()) && ty.bytes().all(allowed);
    if fits { Ok(()) } else { Err(Refused::Type) }
}

/// `dur` or `ttl`: 0 to a day.
pub(crate) fn check_span(name: &'static str, span: Option<Span>) -> Result<(), Refused> {
    match span {
        Some(span) if span < Span::ZERO || span > SPAN_MAX => Err(Refused::Span(name)),
        Some(_) | None => Ok(()),
    }
}

fn write_room<S: Serializer>(room: &RoomId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(room)
}

/// Only the default tenant's rooms are written so far; a log of another tenant will say whose it is.
fn read_room<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoomId, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    RoomId::parse(Tenant::default(), &text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_reads_as_the_specification_writes_it() {
        let json = json!({
            "room": "live:alice", "epoch": 7, "seq": 1, "id": "018f0000-0000-7000-8000-000000000000",
            "lane": "poll", "type": "poll.open", "at": 1_700_000_000_000_000i64, "late": "show",
            "data": {"question": "?"},
        });
        let event: Event = serde_json::from_value(json.clone()).expect("valid");
        assert_eq!(event.at, MediaTime::from_micros(1_700_000_000_000_000));
        assert_eq!(serde_json::to_value(&event).expect("plain data"), json);
    }

    #[test]
    fn limits_are_named_in_words() {
        assert_eq!(check_type("goal"), Ok(()));
        for bad in ["Goal", "", &"x".repeat(65)] {
            assert!(check_type(bad).expect_err(bad).to_string().contains("64"));
        }
        assert_eq!(check_span("ttl", Some(SPAN_MAX)), Ok(()));
        assert!(
            check_span("ttl", Some(Span::from_micros(-1))).expect_err("negative").to_string().contains("ttl")
        );
    }
}
