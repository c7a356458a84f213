//! Types of events: name, lane, shape of the data, and a rule class. Chat, polls and auctions are types like any
//! other; whoever runs a room registers their own.

use crate::{Lane, Late, Role};
use serde::{Deserialize, Serialize};
use unisono_base::Span;

/// One type. Its `data` must fit `schema`; what its commands do says `class`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventType {
    /// `[a-z0-9._-]{1,64}`.
    pub name: String,
    /// Where its events are ordered.
    pub lane: Lane,
    /// JSON Schema (2020-12) of `data` at `send`, `open` and `enter`; anything goes without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    /// What its commands do.
    pub class: Class,
    /// Who may say, enter or reserve.
    #[serde(default = "member")]
    pub send: Role,
    /// Who may open, close and cancel.
    #[serde(default = "host")]
    pub host: Role,
    /// For events that come after their frame; the lane's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Late>,
}

/// What the commands of a type do. Spans are microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "lowercase", deny_unknown_fields)]
pub enum Class {
    /// Each `send` is one event.
    Log {},
    /// The last `send` per key stands: a score, a pinned product.
    Latest {
        /// JSON Pointer (RFC 6901) to the key within `data`; one key for all without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// `send`s are counted, not stored, and told as one aggregate now and then: reactions.
    Counter {
        /// JSON Pointer to what is counted apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// How often the counts are told; 100 ms to 10 s.
        every: Span,
    },
    /// `open`, `enter`, decided after its end (fairness spec, class F1).
    Window(WindowClass),
    /// A limited quantity: `open`, `enter`, `confirm` or `release`.
    Stock {
        /// How long a unit stays taken without being confirmed.
        hold: Span,
        /// Units of one person.
        per_person: u32,
    },
    /// Shown one after the other.
    Queue {
        /// How long each is shown unless the command says `dur`.
        show: Span,
        /// Waiting at most; beyond it `send` is refused.
        waiting_max: u32,
    },
}

/// The window class: the defaults of what [`crate::Terms`] fixes per window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowClass {
    /// How it is decided.
    pub decide: DecideBy,
    /// Entries are hidden until it is decided.
    #[serde(default)]
    pub is_sealed: bool,
    /// See [`crate::Terms::entries_per_person`].
    #[serde(default = "one")]
    pub entries_per_person: u32,
    /// See [`crate::Terms::changes`].
    #[serde(default)]
    pub changes: bool,
    /// A late valid entry moves the end by `max(10 s, 2 (L_max + U) + 5 s)`, at most so many times; none without it.
    #[serde(default)]
    pub extensions_max: u32,
}

/// How a window of a type is decided; the numbers come with each `open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecideBy {
    /// Counts per choice.
    Tally,
    /// Who chose the outcome.
    Match,
    /// The highest amount.
    Highest,
}

impl Class {
    /// As JSON spells it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Log {} => "log",
            Self::Latest { .. } => "latest",
            Self::Counter { .. } => "counter",
            Self::Window(_) => "window",
            Self::Stock { .. } => "stock",
            Self::Queue { .. } => "queue",
        }
    }

    /// The verbs it knows, in words.
    pub const fn verbs(&self) -> &'static str {
        match self {
            Self::Log {} | Self::Latest { .. } => "send, amend, cancel",
            Self::Counter { .. } => "send",
            Self::Window(_) => "open, enter, close, cancel",
            Self::Stock { .. } => "open, enter, confirm, release, close, cancel",
            Self::Queue { .. } => "send, cancel",
        }
    }
}

const fn one() -> u32 {
    1
}

const fn member() -> Role {
    Role::Member
}

const fn host() -> Role {
    Role::Host
}
