//! Fair windows, class F1 (fairness spec 1-6, 8, 9): pure functions of what the log holds, shared by the sequencer,
//! the offline verifier and the simulator.
//!
//! ```text
//!  T_o               T_c                 T_r
//!   |-- seeing time --|                   |          media time, the same for everybody
//!   |                 |---- L_max - L_min + e ---|   no-leak: T_r must not lie in here
//!   |                 |-- L_max + U --|              node's clock: the slowest click has arrived, decide
//! ```

mod decide;

pub use decide::{Ballot, Commitment, decide, seed_digest, split_key};
pub(crate) use decide::{hex, unhex};

use crate::{Terms, Witness};
use unisono_base::{MediaTime, Span};

/// L_max unless a host says otherwise: LL-HLS with its hold-back on a bad link.
pub const L_MAX: Span = Span::from_secs(6);
/// L_min unless a host says otherwise: WebRTC on a good link.
pub const L_MIN: Span = Span::from_millis(100);
/// U unless a host says otherwise: p99.9 of uplinks.
pub const UPLINK: Span = Span::from_millis(300);
/// e: what the timeline clock and a frame's display may be off by.
pub const CLOCK_ERROR: Span = Span::from_millis(50);

/// So long before its frame a result is told, where no entry can count any more by then. More than any way to a viewer
/// takes; little enough that who reads the wire instead of watching has nothing to gain.
pub(crate) const TOLD_AHEAD: Span = Span::from_secs(1);

/// What a claim comes to (fairness spec 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// T_seen as it counts.
    pub t_seen: MediaTime,
    /// The claim was outside its bounds.
    pub is_clamped: bool,
    /// Whether it lies in the window.
    pub membership: Membership,
}

/// Where T_seen lies: F1 asks nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Before T_o.
    Early,
    /// In [T_o, T_c).
    In,
    /// At T_c or later, or it arrived when nobody's window can be open.
    Late,
}

impl Terms {
    /// What T_r - T_c must be at least: the earliest eye sees the reveal at T_r + L_min, the last window closes for
    /// its viewer at T_c + L_max (fairness spec 2).
    pub fn reveal_gap(&self) -> Span {
        self.l_max - self.l_min + CLOCK_ERROR
    }

    /// T_r - T_c unless a host says otherwise: so late that the result, decided when the last click has arrived, is at
    /// every viewer before its frame is, also where latency is least.
    pub fn reveal_usual(&self) -> Span {
        self.reveal_gap().max(self.l_max + self.uplink + TOLD_AHEAD)
    }

    /// By how much T_r is too early; `None` while the no-leak condition holds.
    pub fn missing(&self) -> Option<Span> {
        let missing = self.reveal_gap() - (self.reveal - self.closes);
        (missing > Span::ZERO).then_some(missing)
    }

    /// When the last click for a window that closes at `closes` has arrived, on the node's clock (fairness spec 8).
    pub fn last_arrival(&self, closes: MediaTime) -> MediaTime {
        closes + self.l_max + self.uplink
    }

    /// X for these latencies (fairness spec 9): `max(10 s, 2 (L_max + U) + 5 s)`.
    pub fn soft_close_within(l_max: Span, uplink: Span) -> Span {
        let round_trip = l_max + uplink;
        Span::from_secs(10).max(round_trip + round_trip + Span::from_secs(5))
    }

    /// The end (T_c, T_r) after an entry that saw `t_seen`, where the soft close moves it; `count` extensions have
    /// been made.
    pub fn extended(
        &self,
        closes: MediaTime,
        reveal: MediaTime,
        count: u32,
        t_seen: MediaTime,
    ) -> Option<(MediaTime, MediaTime)> {
        let soft = self.soft_close.filter(|soft| count < soft.extensions_max)?;
        let new = t_seen + soft.within;
        (new > closes).then(|| (new, reveal + (new - closes)))
    }
}

/// What `witness` says about a window that closes at `closes` (T_c with its extensions).
///
/// A claim counts within `[D - B_p, D]`. Without one (a player of somebody else's) the entry counts if it arrived by
/// T_c + L_p + U, where L_p is the farthest behind that session can be, at most L_max, and before the earliest eye can
/// have seen T_r.
pub fn judge(terms: &Terms, closes: MediaTime, witness: &Witness) -> Judged {
    let half_rtt = Span::from_micros(witness.rtt_min.as_micros() / 2);
    let upper = witness.delivered.unwrap_or(witness.received - half_rtt);
    // A round trip measured too long must not shut out who answers the opening at once: nothing can have been seen later
    // than this, whatever the round trip is.
    let latest = upper + half_rtt;
    let lower = upper - witness.buffer;
    let is_over = witness.received > terms.last_arrival(closes);
    let Some(claim) = witness.claimed else {
        return without_claim(terms, closes, witness, (lower, upper.max(terms.opens.min(latest))));
    };
    let t_seen = claim.t.clamp(lower.min(upper), upper);
    let t_seen = t_seen.max(terms.opens.min(claim.t).min(latest));
    let membership = match t_seen {
        t if t < terms.opens => Membership::Early,
        t if t >= closes || is_over => Membership::Late,
        _ => Membership::In,
    };
    Judged { t_seen, is_clamped: t_seen != claim.t, membership }
}

fn without_claim(
    terms: &Terms,
    closes: MediaTime,
    witness: &Witness,
    (lower, upper): (MediaTime, MediaTime),
) -> Judged {
    let behind = match witness.delivered {
        Some(_) => (witness.received - lower).min(terms.l_max),
        None => terms.l_max,
    };
    // Without a claim only the time of arrival speaks, so it must lie before anybody can know the result.
    let earliest_eye = terms.reveal + (closes - terms.closes) + terms.l_min;
    let membership = match upper {
        t if t < terms.opens => Membership::Early,
        _ if witness.received > (closes + behind + terms.uplink).min(earliest_eye) => Membership::Late,
        _ => Membership::In,
    };
    Judged { t_seen: lower.max(terms.opens).min(upper.max(terms.opens)), is_clamped: false, membership }
}

#[cfg(test)]
mod tests;
