//! What the page shows, as one value that changes.

use super::ledger::{Audit, Counts};
use serde::Serialize;
use unisono_timeline::Uuid;

/// See the module.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct State {
    /// What is happening, in words.
    pub(super) caption: String,
    pub(super) phase: Phase,
    pub(super) server: ServerState,
    pub(super) lot: Option<LotState>,
    pub(super) bots: BotsState,
    /// Of the last crash.
    pub(super) crash: Option<Crash>,
    pub(super) proof: Option<Proof>,
    /// Lots sold and lots to sell.
    pub(super) round: u32,
    pub(super) rounds: u32,
}

/// Where the show is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Server, stream and bots come up.
    #[default]
    Starting,
    /// A lot is open.
    Bidding,
    /// It has ended for everybody; the slowest click is awaited.
    Counting,
    /// Sold.
    Sold,
    /// The log is checked.
    Proof,
    /// All lots are sold.
    Over,
}

/// The server process. Ports only: the page knows the host it was loaded from.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ServerState {
    pub(super) http_port: u16,
    pub(super) webrtc_port: u16,
    pub(super) slow_http_port: u16,
    pub(super) slow_webrtc_port: u16,
    pub(super) pid: Option<u32>,
    pub(super) kills: u32,
    /// How the slow link is slow.
    pub(super) slow_words: String,
}

/// What is on sale.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct LotState {
    pub(super) window: String,
    pub(super) title: String,
    pub(super) price: Option<i64>,
    pub(super) leader: Option<String>,
    /// Who bid that price, with which command: two may, who did not see each other.
    #[serde(skip)]
    pub(super) top: Vec<(Uuid, String)>,
    pub(super) bids: u64,
    /// Bids whose claim of what was seen was brought into bounds.
    pub(super) clamped: u64,
    /// T, microseconds.
    pub(super) closes: i64,
    pub(super) extensions: u64,
    pub(super) hammer: Option<Hammer>,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Hammer {
    /// T of the event; the pages show it on that frame.
    pub(super) at: i64,
    pub(super) amount: i64,
    pub(super) winner: Option<String>,
    /// Entries that counted, and those that came too late.
    pub(super) entries: u64,
    pub(super) late: u64,
    /// The winning entry in the log.
    pub(super) winner_n: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct BotsState {
    pub(super) wanted: u32,
    pub(super) connected: u32,
    pub(super) answers: Counts,
}

/// A kill and what came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Crash {
    /// From the kill to the first answer, milliseconds.
    pub(super) down_ms: u64,
    pub(super) audit: Audit,
}

/// What `unisono verify` says.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Proof {
    pub(super) genuine: Option<Verdict>,
    pub(super) tampered: Option<Verdict>,
    /// What was changed in the copy.
    pub(super) change: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) is_good: bool,
    pub(super) words: String,
}
