//! The release gate (fairness spec 3): where the picture itself reveals a result, nobody gets the sensitive span before
//! everybody's eyes are there. Held in the rings, in front of every exit: what a reader cannot read, no door can give.

use unisono_base::{MediaTime, Span};

/// Longest delay of a gate; well within what a ring keeps.
pub const GATE_DELAY_MAX: Span = Span::from_secs(10);

/// A span of the timeline that is released no earlier than `t + delay`. What follows it waits behind it, so that order
/// stays; once the span is out, nothing waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseGate {
    from: MediaTime,
    until: Option<MediaTime>,
    delay: Span,
}

/// A gate that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Delay out of range.
    #[error("a gate holds 1 to {max} microseconds back, not {0}", max = GATE_DELAY_MAX.as_micros())]
    Delay(i64),
    /// Ends before it begins.
    #[error("a gate ends after it begins; this one begins at {from} and ends at {until}")]
    Backwards {
        /// First T.
        from: i64,
        /// First T behind it.
        until: i64,
    },
}

impl ReleaseGate {
    /// Holds every T from `from` to before `until` (or until the gate is lifted) back by `delay`.
    pub fn new(from: MediaTime, until: Option<MediaTime>, delay: Span) -> Result<Self, GateError> {
        if delay <= Span::ZERO || delay > GATE_DELAY_MAX {
            return Err(GateError::Delay(delay.as_micros()));
        }
        if let Some(until) = until.filter(|until| *until <= from) {
            return Err(GateError::Backwards { from: from.as_micros(), until: until.as_micros() });
        }
        Ok(Self { from, until, delay })
    }

    /// First T held back.
    pub fn from(&self) -> MediaTime {
        self.from
    }

    /// First T that is not; `None` while nobody has said it.
    pub fn until(&self) -> Option<MediaTime> {
        self.until
    }

    /// By how much.
    pub fn delay(&self) -> Span {
        self.delay
    }

    /// True while what belongs to `t` must not be given to anybody; `now` is the node's timeline clock.
    pub fn holds(&self, t: MediaTime, now: MediaTime) -> bool {
        t >= self.from && self.until.is_none_or(|until| t < until) && now < t + self.delay
    }

    /// True where `next` holds all that this gate does, for as long: the same span, or a longer one, by the same delay or more.
    pub fn is_within(&self, next: &Self) -> bool {
        let lasts = next.until.is_none_or(|next| self.until.is_some_and(|until| next >= until));
        next.from == self.from && lasts && next.delay >= self.delay
    }

    /// Nothing that may still come is held back by it.
    pub fn is_over(&self, now: MediaTime) -> bool {
        self.until.is_some_and(|until| now - self.delay >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> MediaTime {
        MediaTime::from_micros(ms * 1_000)
    }

    #[test]
    fn a_gate_holds_its_span_and_nothing_else() {
        let gate = ReleaseGate::new(at(1_000), Some(at(3_000)), Span::from_millis(500)).expect("valid");
        assert!(!gate.holds(at(999), at(999)), "before it");
        assert!(gate.holds(at(1_000), at(1_499)) && !gate.holds(at(1_000), at(1_500)));
        assert!(
            gate.holds(at(2_999), at(3_000)) && !gate.holds(at(3_000), at(3_000)),
            "its end is not in it"
        );
        assert!(!gate.is_over(at(3_499)) && gate.is_over(at(3_500)));
    }

    #[test]
    fn a_gate_is_within_one_that_lasts_longer_or_holds_longer() {
        let gate = |from, until: Option<i64>, delay| {
            ReleaseGate::new(at(from), until.map(at), Span::from_millis(delay)).expect("valid")
        };
        let old = gate(1_000, Some(3_000), 500);
        for wider in
            [old, gate(1_000, Some(4_000), 500), gate(1_000, None, 500), gate(1_000, Some(3_000), 900)]
        {
            assert!(old.is_within(&wider), "{wider:?}");
        }
        for other in [
            gate(999, None, 500),
            gate(1_001, None, 900),
            gate(1_000, Some(2_999), 500),
            gate(1_000, None, 499),
        ] {
            assert!(!old.is_within(&other), "{other:?}");
        }
        assert!(!gate(1_000, None, 500).is_within(&old), "an end is less than none");
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let words = |delay, until| ReleaseGate::new(at(10), until, delay).expect_err("refused").to_string();
        assert!(words(Span::ZERO, None).contains("10000000"));
        assert!(words(Span::from_secs(11), None).contains("11000000"));
        assert!(words(Span::from_secs(1), Some(at(10))).contains("10000"));
    }
}
