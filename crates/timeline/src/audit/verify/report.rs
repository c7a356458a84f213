//! What a verification found.

use super::{super::checkpoint::PublicKey, Fairness};
use crate::Decision;
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The first entry that is not as it was written; `None`: all is well.
    pub bad: Option<Bad>,
    /// The room.
    pub room: Option<String>,
    /// Who signed.
    pub key: Option<PublicKey>,
    /// The first entry kept.
    pub first_n: u64,
    /// The last good entry.
    pub last_n: u64,
    /// Up to which entry the node's signature stands.
    pub signed_n: Option<u64>,
    /// Good events.
    pub events: u64,
    /// Good hidden entries.
    pub hidden: u64,
    /// Checkpoints, good ones up to the first bad entry.
    pub checkpoints: u64,
    /// Incarnations of the sequencer.
    pub terms: Vec<u64>,
    /// Results computed again, in the order of the windows' ids.
    pub windows: Vec<WindowResult>,
    /// Offers counted again.
    pub offers: Vec<OfferResult>,
    /// What was erased; the first 10,000.
    pub erased: Vec<Erased>,
    /// How many entries had something erased.
    pub erased_count: u64,
    /// Entries that are secret until their windows are decided.
    pub withheld: u64,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// Entries by latency.
    pub fairness: Fairness,
}

/// An entry that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// Where; one more than the last good one where something else than an entry is wrong.
    pub n: u64,
    /// What is wrong, in words.
    pub why: String,
}

/// What was erased of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Which.
    pub n: u64,
    /// What it said.
    pub payload: bool,
    /// Who said it.
    pub person: bool,
}

/// A window and what came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowResult {
    /// Its id.
    pub window: Uuid,
    /// The same as the log says; `None`: not decided yet, or withdrawn.
    pub result: Option<Decision>,
    /// Who won; `erased` where their name is gone.
    pub winner: Option<String>,
    /// Entries that were in time, also those replaced by their sender.
    pub entries: u64,
    /// Entries that came too late.
    pub late: u64,
    /// Entries whose claim was out of its bounds.
    pub clamped: u64,
}

/// An offer and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfferResult {
    /// Its id.
    pub offer: Uuid,
    /// Units offered.
    pub quantity: u32,
    /// Units paid.
    pub confirmed: u32,
    /// Units taken and not paid.
    pub reserved: u32,
}

impl Report {
    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.bad.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = self.room.as_deref().unwrap_or("?");
        match &self.bad {
            None => writeln!(f, "GREEN  room {room}: every entry is as it was written")?,
            Some(bad) => writeln!(f, "RED    room {room}: entry {}: {}", bad.n, bad.why)?,
        }
        if let Some(key) = self.key {
            writeln!(f, "key      {key}")?;
        }
        let count = self.events + self.hidden + self.withheld;
        writeln!(
            f,
            "checked  {count} entries ({} to {}): {} events, {} hidden, {} withheld; {} checkpoints; {} terms of the sequencer",
            self.first_n,
            self.last_n,
            self.events,
            self.hidden,
            self.withheld,
            self.checkpoints,
            self.terms.len()
        )?;
        writeln!(f, "signed   up to entry {}", self.signed_n.unwrap_or(0))?;
        self.windows.iter().try_for_each(|window| window.fmt(f))?;
        for offer in &self.offers {
            let OfferResult { offer, quantity, confirmed, reserved } = offer;
            writeln!(f, "offer    {offer}: {confirmed} of {quantity} paid, {reserved} taken and not paid")?;
        }
        if self.erased_count > 0 {
            let shown = self.erased.iter().take(20).map(|erased| erased.n.to_string());
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = if self.erased_count > 20 { ", ..." } else { "" };
            writeln!(f, "erased   {} entries: {shown}{more}", self.erased_count)?;
        }
        if self.withheld > 0 {
            writeln!(f, "withheld {} entries of windows that are not decided yet", self.withheld)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "note     {warning}"))
    }
}

impl fmt::Display for WindowResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "window   {}: ", self.window)?;
        match &self.result {
            None => write!(f, "no result")?,
            Some(Decision::Tally { counts }) => write!(f, "counts {counts:?}")?,
            Some(Decision::Match { outcome, counts }) => write!(f, "choice {outcome} of counts {counts:?}")?,
            Some(Decision::Highest { winner_n: Some(n), amount }) => {
                let who = self.winner.as_deref().unwrap_or("?");
                write!(f, "won by {who} with {amount} (entry {n})")?;
            }
            Some(Decision::Highest { winner_n: None, .. }) => write!(f, "nobody entered")?,
        }
        writeln!(f, "; {} in time, {} late, {} clamped", self.entries, self.late, self.clamped)
    }
}
