//! What a session tells its gateway.

use crate::amf0::Value;
use bytes::Bytes;
use std::fmt;

/// Something the peer did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It asks to publish; answer with `accept_publish` or `reject_publish`. Media may already follow.
    PublishRequest {
        /// The `app` of `connect` without slashes around it; what the encoder calls the server's path.
        app: StreamKey,
        /// What the encoder calls the stream key: a name, usually with `?key=...`.
        stream: StreamKey,
        /// `flashVer` of `connect`: the encoder's name, for logs.
        encoder: String,
    },
    /// An FLV audio tag body.
    Audio {
        /// Milliseconds on the peer's clock, continuous over the 32-bit wrap, of any origin.
        timestamp_ms: i64,
        /// The only copy of the bytes.
        body: Bytes,
    },
    /// An FLV video tag body; `timestamp_ms` is its decoding time.
    Video {
        /// See [`Event::Audio`].
        timestamp_ms: i64,
        /// The only copy of the bytes.
        body: Bytes,
    },
    /// `onMetaData`: what the encoder says about its streams. A hint; the media itself decides.
    Metadata(Metadata),
    /// The peer ended its publication in good order; close.
    Closed,
}

/// The part of `onMetaData` worth a log line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Picture width in pixels.
    pub width: Option<f64>,
    /// Picture height in pixels.
    pub height: Option<f64>,
    /// Frames per second.
    pub framerate: Option<f64>,
    /// Says that video will come.
    pub has_video: bool,
    /// Says that audio will come.
    pub has_audio: bool,
    /// Name of the encoder.
    pub encoder: Option<String>,
}

impl Metadata {
    pub(crate) fn from_value(value: &Value) -> Self {
        let number = |key| value.get(key).and_then(Value::as_number);
        Self {
            width: number("width"),
            height: number("height"),
            framerate: number("framerate"),
            has_video: value.get("videocodecid").is_some(),
            has_audio: value.get("audiocodecid").is_some(),
            encoder: value.get("encoder").and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// A name that may carry a secret behind a `?`, as app and stream of RTMP do. Prints without it.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

impl StreamKey {
    /// Wraps what the peer sent.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The part before `?`.
    pub fn name(&self) -> &str {
        self.0.split_once('?').map_or(&self.0, |(name, _)| name)
    }

    /// The value of a query parameter, as sent: keys need no escapes.
    pub fn query(&self, parameter: &str) -> Option<&str> {
        let (_, query) = self.0.split_once('?')?;
        query
            .split(['&', '?'])
            .find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == parameter))
            .map(|(_, v)| v)
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.0.contains('?') { "?..." } else { "" };
        write!(f, "{:?}{secret}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_found_and_not_printed() {
        let key = StreamKey::new("alice?a=b&key=pk_1_2");
        assert_eq!((key.name(), key.query("key"), key.query("k")), ("alice", Some("pk_1_2"), None));
        assert_eq!(format!("{key:?}"), "\"alice\"?...");
        assert_eq!(StreamKey::new("alice").query("key"), None);
    }
}
