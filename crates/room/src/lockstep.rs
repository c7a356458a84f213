//! One latency for all who want to see the same frame at the same moment (timeline spec 12). Viewers report what they
//! could do, the room says what all do.

use std::collections::HashMap;
use unisono_base::Span;

/// Reports remembered; beyond it new viewers do not count.
const REPORTS_MAX: usize = 20_000;
/// A common latency that differs less is not told anew.
const STEP: Span = Span::from_millis(50);
/// No viewer can be asked for more.
const LATENCY_MAX: Span = Span::from_secs(10);

/// How far behind a viewer's picture is, and could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Wall time minus T of the displayed frame.
    pub actual: Span,
    /// The least it could hold without a stall.
    pub earliest: Span,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lockstep {
    is_on: bool,
    reports: HashMap<u64, Latency>,
    told: Option<Span>,
}

impl Lockstep {
    /// From now on all hold one latency, or each their own.
    pub(crate) fn set(&mut self, is_on: bool) {
        self.is_on = is_on;
    }

    /// What a session says of itself.
    pub(crate) fn report(&mut self, session: u64, latency: Latency) {
        if self.reports.len() < REPORTS_MAX || self.reports.contains_key(&session) {
            self.reports.insert(session, latency);
        }
    }

    /// A session ended.
    pub(crate) fn forget(&mut self, session: u64) {
        self.reports.remove(&session);
    }

    /// The common latency where it must be told: `Some(None)` ends it.
    pub(crate) fn turn(&mut self) -> Option<Option<Span>> {
        let target = if self.is_on { self.common() } else { None };
        let is_news = match (self.told, target) {
            (Some(told), Some(target)) => (told - target).abs() >= STEP,
            (told, target) => told != target,
        };
        is_news.then(|| {
            self.told = target;
            target
        })
    }

    /// What was told last.
    pub(crate) fn told(&self) -> Option<Span> {
        self.told
    }

    /// The latency that 99 of 100 viewers can hold.
    fn common(&self) -> Option<Span> {
        let mut earliest: Vec<_> =
            self.reports.values().map(|report| report.earliest.clamp(Span::ZERO, LATENCY_MAX)).collect();
        if earliest.is_empty() {
            return None;
        }
        earliest.sort_unstable();
        Some(earliest[(earliest.len() * 99).div_ceil(100) - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Span {
        Span::from_millis(ms)
    }

    #[test]
    fn all_hold_what_the_slowest_but_one_in_a_hundred_can() {
        let mut lockstep = Lockstep::default();
        for session in 0..200 {
            lockstep.report(session, Latency { actual: ms(0), earliest: ms(session as i64) });
        }
        assert_eq!(lockstep.turn(), None, "off by default");
        lockstep.set(true);
        assert_eq!(lockstep.turn(), Some(Some(ms(197))));
        assert_eq!(lockstep.turn(), None, "told already");
        lockstep.report(500, Latency { actual: ms(0), earliest: ms(230) });
        assert_eq!(lockstep.turn(), None, "a small change is not worth a jump");
        (600..620).for_each(|s| lockstep.report(s, Latency { actual: ms(0), earliest: ms(90_000) }));
        assert_eq!(lockstep.turn(), Some(Some(LATENCY_MAX)), "whatever a client claims");
        (600..620).for_each(|s| lockstep.forget(s));
        lockstep.set(false);
        assert_eq!(lockstep.turn(), Some(None));
    }
}
