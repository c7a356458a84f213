//! When a path has fallen so far behind that pictures must be left out.
//!
//! A viewer that cannot take the stream is not sent all of it late. From the moment its path holds more than the latency
//! budget, only keyframes are sent, each where the one before has left the path. Now and then it is tried whether the rest
//! gets through again, more and more seldom while it does not. Sound goes on all the time, and shows when the queue is gone; without
//! sound the try itself has to show it.

use super::Estimate;
use std::time::{Duration, Instant};
use unisono_base::Span;

/// A path that is behind for a shorter time has only had a hiccup: a radio cell that changes, a receiver that slept.
const LASTS: Duration = Duration::from_millis(200);
/// Of the budget: a queue that may stand while pictures go on.
const STANDING: i64 = 4;
/// Losses beyond this part, where a queue stands, are those of a queue that is full.
const LOSS: f32 = 0.1;

/// Until the rest is tried again: at first, and at most.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(16);
/// Pictures that went on for so long have shown that the path carries them.
const PROVEN: Duration = Duration::from_secs(10);

/// See the module. One for each viewer.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// How much of the stream may be on the way to the viewer, in time.
    budget: Span,
    /// Since when the path has been behind.
    behind_since: Option<Instant>,
    flow: Flow,
    pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Flow {
    /// Every picture, since then.
    All { since: Option<Instant> },
    /// Keyframes at most, until then.
    Keyframes { until: Instant },
}

impl Overload {
    /// Nothing is behind.
    pub fn new(budget: Span) -> Self {
        Self { budget, behind_since: None, flow: Flow::All { since: None }, pause: PAUSE }
    }

    /// Feedback came. True when pictures begin to be left out.
    pub fn judge(&mut self, now: Instant, path: Estimate) -> bool {
        let has_queue = path.queue > self.standing();
        let is_behind =
            path.queue > self.budget || has_queue && (path.backlog > self.budget || path.loss > LOSS);
        if !is_behind {
            self.behind_since = None;
            return false;
        }
        let behind_since = *self.behind_since.get_or_insert(now);
        let Flow::All { since } = self.flow else { return false };
        if now.saturating_duration_since(behind_since) < LASTS {
            return false;
        }
        let is_failed_try = since.is_some_and(|since| now.saturating_duration_since(since) < PROVEN);
        self.pause = if is_failed_try { (self.pause * 2).min(PAUSE_MAX) } else { PAUSE };
        self.flow = Flow::Keyframes { until: now + self.pause };
        true
    }

    /// Whether the next picture is to be sent.
    pub fn takes(&mut self, now: Instant, is_key: bool, path: impl FnOnce() -> Estimate) -> bool {
        let Flow::Keyframes { until } = self.flow else { return true };
        // The queue is as the last packets found it. Where nothing was sent since, it never gets shorter, so it forbids no try.
        if !is_key || (now < until && path().queue > self.standing()) {
            return false;
        }
        if now >= until {
            self.behind_since = None;
            self.flow = Flow::All { since: Some(now) };
        }
        true
    }

    /// True while pictures are left out.
    pub fn is_over(&self) -> bool {
        matches!(self.flow, Flow::Keyframes { .. })
    }

    /// A queue that may stand while pictures go on.
    fn standing(&self) -> Span {
        Span::from_micros(self.budget.as_micros() / STANDING)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]
mod tests {
    use super::*;

    const BUDGET: Span = Span::from_millis(500);

    fn path(queue: i64, loss: f32) -> Estimate {
        let queue = Span::from_millis(queue);
        Estimate { bits_per_second: 1_000_000, loss, rtt: None, delay_gradient: 0.0, queue, backlog: queue }
    }

    /// Judged every 100 ms.
    fn run(overload: &mut Overload, start: Instant, paths: &[Estimate]) {
        for (step, path) in paths.iter().enumerate() {
            overload.judge(start + Duration::from_millis(100) * step as u32, *path);
        }
    }

    #[test]
    fn a_hiccup_is_not_an_overload_and_a_standing_queue_is() {
        let start = Instant::now();
        let mut overload = Overload::new(BUDGET);
        run(&mut overload, start, &[path(900, 0.0), path(900, 0.0), path(20, 0.0), path(900, 0.0)]);
        assert!(!overload.is_over());
        run(&mut overload, start + Duration::from_secs(1), &[path(600, 0.0); 4]);
        assert!(overload.is_over());
        let later = start + Duration::from_secs(2);
        assert!(!overload.takes(later, false, || path(0, 0.0)));
        assert!(!overload.takes(later, true, || path(300, 0.0)), "the queue is still there");
        assert!(overload.takes(later, true, || path(100, 0.0)) && overload.is_over(), "a keyframe alone");
        let tried = start + Duration::from_secs(4);
        assert!(overload.takes(tried, true, || path(100, 0.0)) && !overload.is_over(), "and all the rest");
    }

    #[test]
    fn tries_that_fail_become_rare_and_one_that_holds_is_forgotten() {
        let start = Instant::now();
        let mut overload = Overload::new(BUDGET);
        let mut now = start;
        let mut pauses = Vec::new();
        for round in 0..7 {
            // What failed five times holds for a minute, and fails once more.
            now += Duration::from_secs(if round == 6 { 60 } else { 1 });
            run(&mut overload, now, &[path(700, 0.0); 4]);
            let over = now;
            while overload.is_over() {
                now += Duration::from_secs(1);
                overload.takes(now, true, || path(0, 0.0));
            }
            pauses.push((now - over).as_secs());
        }
        assert_eq!(pauses, [3, 5, 9, 17, 17, 17, 3]);
    }

    #[test]
    fn without_sound_a_queue_that_nothing_measures_does_not_keep_pictures_away() {
        let start = Instant::now();
        let mut overload = Overload::new(BUDGET);
        run(&mut overload, start, &[path(700, 0.0); 3]);
        let over = start + Duration::from_millis(200);
        assert!(overload.is_over());
        // The path is free at once, but the last packets found a queue, and no others are sent.
        let mut tries = (1..60).map(|second| over + Duration::from_secs(second));
        let tried = tries.find(|now| overload.takes(*now, true, || path(700, 0.0))).expect("a keyframe");
        assert_eq!(tried - over, PAUSE);
        run(&mut overload, tried, &[path(20, 0.0); 4]);
        let next = tried + Duration::from_millis(40);
        assert!(overload.takes(next, false, || path(20, 0.0)), "and all the rest");
    }

    #[test]
    fn losses_count_where_a_queue_stands_and_not_where_the_air_loses() {
        let start = Instant::now();
        let mut overload = Overload::new(BUDGET);
        run(&mut overload, start, &[path(20, 0.2); 20]);
        assert!(!overload.is_over(), "a fifth lost on the air");
        run(&mut overload, start + Duration::from_secs(3), &[path(200, 0.2); 4]);
        assert!(overload.is_over(), "a short queue that overflows");
    }
}
