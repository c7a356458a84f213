//! What a command is answered that writes nothing.

use crate::{Ack, Status};
use serde_json::Value;
use uuid::Uuid;

/// Why a command was not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: Status,
    words: String,
    data: Value,
}

impl Refusal {
    pub(super) fn new(status: Status, words: impl Into<String>) -> Self {
        Self { status, words: words.into(), data: Value::Null }
    }

    /// Not what type, schema or the room's state allows.
    pub(super) fn invalid(words: impl Into<String>) -> Self {
        Self::new(Status::Invalid, words)
    }

    /// Erased while it was open, and back.
    pub(super) fn took_part() -> Self {
        Self::invalid(
            "you have taken part in it already; what was erased can be neither changed nor repeated",
        )
    }

    pub(super) fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }

    pub(super) fn ack(self, cmd_id: Uuid) -> Ack {
        let Self { status, words, data } = self;
        Ack { cmd_id, status, n: None, seq: None, id: None, words: Some(words), data }
    }
}

impl From<crate::Refused> for Refusal {
    fn from(refused: crate::Refused) -> Self {
        Self::invalid(refused.to_string())
    }
}
