//! What is told, and its JSON.

use serde::{Deserialize, Serialize};
use unisono_base::{MediaTime, StreamId};
use uuid::Uuid;

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// Somebody publishes.
    #[serde(rename = "stream.up")]
    StreamUp,
    /// Its publisher is gone.
    #[serde(rename = "stream.down")]
    StreamDown,
    /// A publisher was refused.
    #[serde(rename = "publish.denied")]
    PublishDenied,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::StreamUp, Self::StreamDown, Self::PublishDenied];

    /// As JSON and configuration spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamUp => "stream.up",
            Self::StreamDown => "stream.down",
            Self::PublishDenied => "publish.denied",
        }
    }
}

/// One thing that happened, as every endpoint that wants it gets it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) stream: StreamId,
    pub(crate) at: MediaTime,
    pub(crate) detail: Detail,
}

/// What else is known; fields that do not apply are left out of the JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: EventKind,
    /// Microseconds since the Unix epoch, on the node's clock.
    at: i64,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    stream: String,
    #[serde(flatten)]
    detail: &'a Detail,
}

/// A message to one endpoint as the store keeps it: the same bytes and the same id at each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// `webhook-id`: the receiver's means to see that it has had this one already.
    pub(crate) id: Uuid,
    /// What it is about; messages of one stream go out in order.
    pub(crate) stream: String,
    /// Microseconds since the Unix epoch.
    pub(crate) at: i64,
    pub(crate) body: String,
}

impl Event {
    pub(crate) fn message(&self) -> Message {
        let stream = self.stream.to_string();
        let data = Data { stream: stream.clone(), detail: &self.detail };
        let body = Body { kind: self.kind, at: self.at.as_micros(), data };
        let body = serde_json::to_string(&body).unwrap_or_default();
        Message { id: Uuid::now_v7(), stream, at: self.at.as_micros(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_what_applies_and_nothing_else() {
        let detail = Detail { reason: Some("unpublished".to_owned()), ..Detail::default() };
        let stream = StreamId::local("live/a".parse().expect("valid"));
        let event = Event { kind: EventKind::StreamDown, stream, at: MediaTime::from_micros(5), detail };
        let expected = r#"{"type":"stream.down","at":5,"data":{"stream":"live/a","reason":"unpublished"}}"#;
        assert_eq!(event.message().body, expected);
        assert!(event.message().id < event.message().id, "ids are in order");
    }
}
