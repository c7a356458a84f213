//! One latency for all who want to see the same frame at the same moment (timeline spec 12). Viewers report what they
//! could do, the room says what all do.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use unisono_base::Span;

/// Reports remembered; beyond it new viewers do not count.
const REPORTS_MAX: usize = 20_000;
/// What all are asked for lies above what the slowest can hold: none of them plays with an empty buffer.
const HEADROOM: Span = Span::from_millis(20);
/// Asked for more at once where somebody is so far from holding it: that one is out of step meanwhile.
const RAISE_FROM: Span = Span::from_millis(30);
/// Asked for less where all could for a while: a viewer with a shaky network would otherwise take all others along, up and down.
const LOWER_FROM: Span = Span::from_millis(100);
const LOWER_AFTER: Duration = Duration::from_secs(10);
/// Nobody is asked for more: a browser's jitter buffer holds no more for a WebRTC viewer. One whose network is worse than that, or whose
/// player has just stood still for seconds, is out of step alone: it does not count, instead of taking everybody along to this limit.
const LATENCY_MAX: Span = Span::from_secs(4);

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
    /// Less would do since then; and the most that was needed meanwhile.
    lower: Option<(Instant, Span)>,
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
    pub(crate) fn turn(&mut self, now: Instant) -> Option<Option<Span>> {
        let needed = if self.is_on { self.common() } else { None };
        let target = match (self.told, needed) {
            (Some(told), Some(needed)) => Some(self.follow(now, told, needed)),
            (None, needed) => needed,
            (Some(_), None) => None,
        };
        (self.told != target).then(|| {
            self.told = target;
            self.lower = None;
            target
        })
    }

    /// Up at once, down late.
    fn follow(&mut self, now: Instant, told: Span, needed: Span) -> Span {
        if needed - told >= RAISE_FROM {
            return needed;
        }
        if told - needed < LOWER_FROM {
            self.lower = None;
            return told;
        }
        let (since, most) = self.lower.map_or((now, needed), |(since, most)| (since, most.max(needed)));
        self.lower = Some((since, most));
        if now.saturating_duration_since(since) < LOWER_AFTER { told } else { most }
    }

    /// What was told last.
    pub(crate) fn told(&self) -> Option<Span> {
        self.told
    }

    /// The latency that 99 of 100 viewers can hold, of those that can hold one at all, and a little more.
    fn common(&self) -> Option<Span> {
        if self.reports.is_empty() {
            return None;
        }
        let within = self.reports.values().map(|report| report.earliest.max(Span::ZERO));
        let mut earliest: Vec<_> = within.filter(|earliest| *earliest <= LATENCY_MAX).collect();
        if earliest.is_empty() {
            return Some(self.told.unwrap_or(LATENCY_MAX));
        }
        earliest.sort_unstable();
        Some((earliest[(earliest.len() * 99).div_ceil(100) - 1] + HEADROOM).min(LATENCY_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Span {
        Span::from_millis(ms)
    }

    fn report(earliest: i64) -> Latency {
        Latency { actual: ms(0), earliest: ms(earliest) }
    }

    #[test]
    fn all_hold_what_the_slowest_but_one_in_a_hundred_can() {
        let now = Instant::now();
        let mut lockstep = Lockstep::default();
        for session in 0..200 {
            lockstep.report(session, report(session as i64));
        }
        assert_eq!(lockstep.turn(now), None, "off by default");
        lockstep.set(true);
        assert_eq!(lockstep.turn(now), Some(Some(ms(197) + HEADROOM)));
        assert_eq!(lockstep.turn(now), None, "told already");
        (600..620).for_each(|s| lockstep.report(s, report(90_000)));
        assert_eq!(lockstep.turn(now), None, "who cannot keep up with any of it is out of step alone");
        (600..620).for_each(|s| lockstep.report(s, report(3_990)));
        assert_eq!(lockstep.turn(now), Some(Some(LATENCY_MAX)), "whatever a client claims");
        lockstep.set(false);
        assert_eq!(lockstep.turn(now), Some(None));
    }

    #[test]
    fn it_rises_at_once_and_falls_when_less_has_done_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut lockstep = Lockstep::default();
        lockstep.set(true);
        lockstep.report(1, report(280));
        assert_eq!(lockstep.turn(start), Some(Some(ms(300))));
        lockstep.report(1, report(305));
        assert_eq!(lockstep.turn(at(1)), None, "a small change is not worth a jump");
        lockstep.report(1, report(310));
        assert_eq!(lockstep.turn(at(2)), Some(Some(ms(330))));
        lockstep.report(1, report(120));
        assert_eq!(lockstep.turn(at(3)), None);
        lockstep.report(1, report(250));
        assert_eq!(lockstep.turn(at(11)), None, "not for long enough");
        lockstep.report(1, report(150));
        assert_eq!(lockstep.turn(at(12)), None, "it was needed in between");
        lockstep.report(1, report(170));
        assert_eq!(lockstep.turn(at(15)), None);
        lockstep.report(1, report(150));
        assert_eq!(lockstep.turn(at(22)), Some(Some(ms(190))), "the most that was needed meanwhile");
    }

    #[test]
    fn where_nobody_can_keep_up_the_target_stays() {
        let now = Instant::now();
        let mut lockstep = Lockstep::default();
        lockstep.set(true);
        lockstep.report(1, report(280));
        lockstep.report(2, report(1_600));
        assert_eq!(lockstep.turn(now), Some(Some(ms(1_620))));
        [1, 2].into_iter().for_each(|session| lockstep.report(session, report(14_000)));
        assert_eq!(lockstep.turn(now), None, "all stood still at once");
        lockstep.report(1, report(280));
        lockstep.report(2, report(1_600));
        assert_eq!(lockstep.turn(now + 2 * LOWER_AFTER), None, "and they find it where it was");
    }

    #[test]
    fn who_has_gone_does_not_count() {
        let now = Instant::now();
        let mut lockstep = Lockstep::default();
        lockstep.set(true);
        lockstep.report(1, report(300));
        lockstep.report(2, report(2_000));
        assert_eq!(lockstep.turn(now), Some(Some(ms(2_020))));
        lockstep.forget(2);
        assert_eq!(lockstep.turn(now), None);
        assert_eq!(lockstep.turn(now + LOWER_AFTER), Some(Some(ms(320))));
        lockstep.forget(1);
        assert_eq!(lockstep.turn(now), Some(None));
    }
}
