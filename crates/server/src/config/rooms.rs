//! `[rooms]`: who may do what there, and what is kept.

use super::{Hidden, WhenUnanswered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unisono_timeline::Role;

/// Rooms: chat, polls, auctions and whatever else people do together beside a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomRules {
    /// What somebody may do who shows neither key nor token: `watch` and react, `chat` and vote, or `bid` too.
    pub(crate) guests: Guests,
    /// What members say is refused where it has one of these words. At most 1000.
    pub(crate) blocked_words: Vec<String>,
    /// One to four, `whsec_...`: your own systems sign purchases with them; docs/protocols/rooms.md.
    pub(crate) inbox_secrets: Vec<Hidden>,
    /// Your own service judges what members say, beside the list: https, or http on this machine; docs/webhooks.md.
    pub(crate) webhook: Option<Hidden>,
    /// One to four, `whsec_...`: sign the question.
    pub(crate) webhook_secrets: Vec<Hidden>,
    /// While the service does not answer: `allow` or `refuse`.
    pub(crate) webhook_unanswered: WhenUnanswered,
    /// It has so long for an answer, in milliseconds; 50 to 5000.
    pub(crate) webhook_within_ms: u32,
    /// How long a room's log is kept, in days; 0 keeps it for ever. What is open holds it back.
    pub(crate) retention_days: u32,
    /// So many entries of a room's log are kept, the newest; 0 keeps all, otherwise 100 or more.
    pub(crate) retention_entries: u64,
}

/// See [`RoomRules::guests`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Guests {
    /// Read and react.
    #[default]
    Watch,
    /// Say something, vote, answer.
    Chat,
    /// Bid and buy.
    Bid,
}

impl Guests {
    /// Their role in a room.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Watch => Role::Guest,
            Self::Chat => Role::Member,
            Self::Bid => Role::Bidder,
        }
    }
}

impl Default for RoomRules {
    fn default() -> Self {
        Self {
            guests: Guests::Watch,
            blocked_words: Vec::new(),
            inbox_secrets: Vec::new(),
            webhook: None,
            webhook_secrets: Vec::new(),
            webhook_unanswered: WhenUnanswered::Allow,
            webhook_within_ms: 500,
            retention_days: 0,
            retention_entries: 0,
        }
    }
}
