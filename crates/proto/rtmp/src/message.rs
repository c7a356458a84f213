//! Messages as chunks carry them, and the numbers RTMP gives their types.

use bytes::Bytes;

/// Message type ids (RTMP 1.0 §5.4, §7.1).
pub(crate) mod type_id {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const ABORT: u8 = 2;
    pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
    pub(crate) const USER_CONTROL: u8 = 4;
    pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
    pub(crate) const SET_PEER_BANDWIDTH: u8 = 6;
    pub(crate) const AUDIO: u8 = 8;
    pub(crate) const VIDEO: u8 = 9;
    pub(crate) const DATA_AMF3: u8 = 15;
    pub(crate) const COMMAND_AMF3: u8 = 17;
    pub(crate) const DATA_AMF0: u8 = 18;
    pub(crate) const COMMAND_AMF0: u8 = 20;
    pub(crate) const AGGREGATE: u8 = 22;
}

/// User control event types (RTMP 1.0 §7.1.7).
pub(crate) mod user_control {
    pub(crate) const STREAM_BEGIN: u16 = 0;
    pub(crate) const PING_REQUEST: u16 = 6;
    pub(crate) const PING_RESPONSE: u16 = 7;
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Milliseconds on the peer's clock, wrapping.
    pub(crate) timestamp: u32,
    pub(crate) type_id: u8,
    pub(crate) stream_id: u32,
    pub(crate) body: Bytes,
}

/// Video, audio, or a batch of both.
pub(crate) fn is_media(id: u8) -> bool {
    matches!(id, type_id::AUDIO | type_id::VIDEO | type_id::AGGREGATE)
}

/// RTMP's 32-bit milliseconds, which wrap after 49.7 days, made continuous over all messages of a connection.
#[derive(Debug, Default)]
pub(crate) struct Unwrap {
    last: Option<i64>,
}

impl Unwrap {
    /// The continuation of `timestamp` nearest to the last one.
    pub(crate) fn extend(&mut self, timestamp: u32) -> i64 {
        let extended = match self.last {
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
            None => i64::from(timestamp),
        };
        self.last = Some(extended);
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_on_past_the_wrap_in_both_directions() {
        let mut unwrap = Unwrap::default();
        let seen = [u32::MAX - 10, 20, u32::MAX - 5, 40].map(|t| unwrap.extend(t));
        let wrap = 1i64 << 32;
        assert_eq!(seen, [wrap - 11, wrap + 20, wrap - 6, wrap + 40]);
    }
}
