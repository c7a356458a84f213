//! What an entry does by the rule of its type: the part of the log from which every result can be computed again. It
//! stays in clear when payloads and persons are erased, so it holds numbers and digests only.

use crate::{Witness, audit::Digest};
use serde::{Deserialize, Serialize};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Rule {
    /// A window opens.
    Opened(Terms),
    /// What is fixed and told only when a window is decided: its seed, the answer of a quiz. Hidden.
    Committed(Committed),
    /// Somebody entered a window.
    Entered(Entered),
    /// A soft close moved a window's end.
    Extended(Extended),
    /// A host ended a window early.
    Shortened(Shortened),
    /// A window was decided.
    Decided(Outcome),
    /// A limited quantity is offered.
    Offered(Offer),
    /// A unit was taken, for a while.
    Reserved(Unit),
    /// A taken unit was paid.
    Confirmed(Unit),
    /// A taken unit came back: released or expired.
    Returned(Unit),
    /// A window or an offer ended without a result, or what waited in a queue was taken back.
    Withdrawn {
        /// The event that opened it; of a queue, the one that will not be shown.
        subject: Uuid,
    },
    /// Waits in a queue. Hidden: nobody sees it before its turn.
    Queued(Queued),
    /// Its turn in a queue has come.
    Shown(Shown),
    /// A value takes the place of the one that stood for its key, which stays gone when this one is erased.
    Replaces {
        /// The event that stood.
        event: Uuid,
    },
    /// Somebody took part in what is open and is erased now. Hidden; its data is the salt, which is erased when that is over.
    Remembered(Remembered),
}

/// Terms of a window (fairness spec 1), fixed when it opens. Times are media times: each viewer has
/// `closes - opens` of seeing time, whatever the latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Id of the event that opened it.
    pub window: Uuid,
    /// T_o.
    pub opens: MediaTime,
    /// T_c, before any extension.
    pub closes: MediaTime,
    /// T_r: nothing that tells the result is shown earlier.
    pub reveal: MediaTime,
    /// Latency of the slowest viewer that may take part.
    pub l_max: Span,
    /// Latency of the fastest.
    pub l_min: Span,
    /// U: what the slowest uplink takes.
    pub uplink: Span,
    /// How it is decided.
    pub decide: Decide,
    /// Entries are nobody else's business until it is decided.
    pub is_sealed: bool,
    /// How many entries of one person count; a later one replaces the earliest where `changes` says so.
    pub entries_per_person: u32,
    /// A person's new entry beyond that number replaces the old one instead of being refused.
    pub changes: bool,
    /// A late valid entry moves the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_close: Option<SoftClose>,
    /// SHA-256 of the seed that splits what is equal, hexadecimal; the seed is told with the result.
    pub seed_digest: String,
}

/// How a window is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Decide {
    /// Counts per choice: a poll.
    Tally {
        /// Choices, numbered from 0.
        choices: u16,
    },
    /// Those who chose the outcome, which is told at the end: a quiz, a bet.
    Match {
        /// Choices, numbered from 0.
        choices: u16,
    },
    /// The highest amount, then the order key: an auction.
    Highest {
        /// Least first amount, in the currency's smallest unit.
        start: i64,
        /// Least raise over the amount to beat.
        step: i64,
    },
}

/// Soft close (fairness spec 9): an entry with T_seen >= T_c - X moves T_c to T_seen + X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftClose {
    /// X.
    pub within: Span,
    /// Extensions at most.
    pub extensions_max: u32,
}

/// See [`Rule::Committed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The window.
    pub window: Uuid,
    /// The choice that will turn out right, where the rule needs one and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<u16>,
    /// The seed whose digest the terms hold, hexadecimal; `None` where a host tells an outcome later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
}

/// See [`Rule::Entered`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    /// The window.
    pub window: Uuid,
    /// The choice, or the amount.
    pub value: i64,
    /// T_seen as it counts: the claim, brought into the bounds of [`Witness`].
    pub t_seen: MediaTime,
    /// The claim was outside its bounds.
    pub is_clamped: bool,
    /// It came too late and does not count.
    pub is_late: bool,
    /// From which `t_seen` follows.
    pub witness: Witness,
}

/// See [`Rule::Extended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// The window.
    pub window: Uuid,
    /// The new T_c.
    pub closes: MediaTime,
    /// The new T_r.
    pub reveal: MediaTime,
    /// How many times by now, from 1.
    pub count: u32,
    /// The entry that moved it.
    pub by_n: u64,
}

/// See [`Rule::Shortened`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortened {
    /// The window.
    pub window: Uuid,
    /// The new T_c.
    pub closes: MediaTime,
    /// The new T_r.
    pub reveal: MediaTime,
}

/// See [`Rule::Decided`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The window.
    pub window: Uuid,
    /// What came out.
    pub result: Decision,
    /// Entries that count.
    pub entries: u64,
    /// Entries that came too late.
    pub late: u64,
    /// The seed whose digest the terms hold, hexadecimal.
    pub seed: String,
}

/// What came out of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Decision {
    /// Counts by choice.
    Tally {
        /// By choice, from 0.
        counts: Vec<u64>,
    },
    /// Who was right.
    Match {
        /// The right choice.
        outcome: u16,
        /// Counts by choice, from 0.
        counts: Vec<u64>,
    },
    /// The highest amount.
    Highest {
        /// Its entry; `None` when nobody entered.
        winner_n: Option<u64>,
        /// Its amount; 0 when nobody entered.
        amount: i64,
    },
}

/// See [`Rule::Offered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Id of the event that offered it.
    pub offer: Uuid,
    /// Units.
    pub quantity: u32,
    /// Units of one person.
    pub per_person: u32,
    /// How long a unit stays taken without being confirmed.
    pub hold: Span,
    /// Whoever took a unit may confirm it; otherwise only a host or the tenant's own system.
    #[serde(default)]
    pub owner_confirms: bool,
}

/// One unit of an offer changing hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The offer.
    pub offer: Uuid,
    /// The entry that took it.
    pub reserved_n: u64,
    /// When it goes back unless confirmed, on the node's timeline clock.
    pub until: MediaTime,
    /// Units left for others after this.
    pub left: u32,
}

/// See [`Rule::Queued`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The id its event will have.
    pub item: Uuid,
    /// How long it will be shown.
    pub show: Span,
}

/// See [`Rule::Remembered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The window or offer.
    pub subject: Uuid,
    /// SHA-256 of the salt and the person's id.
    pub person: Digest,
}

/// See [`Rule::Shown`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The entry that put it into the queue; `None` where it did not have to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_n: Option<u64>,
    /// When the next one may follow, on the node's timeline clock.
    pub until: MediaTime,
}
