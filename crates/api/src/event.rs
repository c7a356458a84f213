//! Rooms and events as they are asked for.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// Body of `POST /api/v1/rooms/{room}/events`.
///
/// ```json
/// {"type": "goal", "at": "now", "data": {"by": "Alice"}}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRequest {
    /// Type in the caller's own words: 1 to 64 of `a-z 0-9 . _ -`.
    #[serde(rename = "type")]
    pub ty: String,
    /// `"now"` (the default) or a T in integer microseconds.
    #[serde(default)]
    #[schema(value_type = Object, example = "now")]
    pub at: At,
    /// Lane; the default is `alert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// How long it holds, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur: Option<u64>,
    /// How long after `at` it is still worth showing, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// `show`, `skip` or `log`; the default is the lane's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<String>,
    /// Any JSON, at most 1 KiB as text.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
    /// A UUID of the caller's: the same one twice makes one event, so that a POST can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd_id: Option<String>,
}

/// When an event takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// At the newest frame of the stream; without one, at the node's clock.
    #[default]
    Now,
    /// At this T, in microseconds since the Unix epoch on the stream's timeline.
    T(i64),
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Now => serializer.serialize_str("now"),
            Self::T(micros) => serializer.serialize_i64(*micros),
        }
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = At;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"now\" or an integer of microseconds since the Unix epoch")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<At, E> {
                if s == "now" { Ok(At::Now) } else { Err(E::invalid_value(de::Unexpected::Str(s), &self)) }
            }
            fn visit_i64<E: de::Error>(self, micros: i64) -> Result<At, E> {
                Ok(At::T(micros))
            }
            fn visit_u64<E: de::Error>(self, micros: u64) -> Result<At, E> {
                i64::try_from(micros)
                    .map(At::T)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(micros), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `GET /api/v1/rooms/{room}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomView {
    /// `app:name`.
    pub room: String,
    /// The last event's number; 0 before the first.
    pub seq: u64,
    /// Open feeds.
    pub subscribers: usize,
    /// People present, each counted once.
    pub members: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_is_a_word_or_an_integer() {
        let at = |json: &str| serde_json::from_str::<EventRequest>(json).map(|e| e.at);
        assert_eq!(at(r#"{"type":"goal"}"#).expect("default"), At::Now);
        assert_eq!(at(r#"{"type":"goal","at":"now"}"#).expect("word"), At::Now);
        assert_eq!(at(r#"{"type":"goal","at":12}"#).expect("integer"), At::T(12));
        let error = at(r#"{"type":"goal","at":1.5}"#).expect_err("not a float").to_string();
        assert!(error.contains("integer of microseconds"), "{error}");
        assert!(at(r#"{"type":"goal","when":1}"#).is_err(), "a misspelt field is told");
    }
}
