//! How much faster a publisher's clock runs than the node's.

use std::collections::VecDeque;
use unisono_base::{MediaTime, Span};

/// The least delay of so much time counts: a network adds, and never takes away.
const WINDOW: Span = Span::from_secs(10);
/// Windows compared: a minute from the first to the last.
const WINDOWS: usize = 7;
/// So many of the six steps between windows must point the same way. A route that changes makes one step; a clock that
/// drifts makes all.
const STEADY: usize = 5;

/// Estimates the drift from what a source says (`pts`) and when that arrives.
#[derive(Debug, Default)]
pub struct Drift {
    opened: Option<MediaTime>,
    least: Option<Span>,
    /// Least `arrival - pts` of each window, oldest first.
    windows: VecDeque<Span>,
}

impl Drift {
    /// Nothing seen yet. Begin anew when the timeline breaks.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame. Every ten seconds, from the first minute on, millionths by which the source is fast (above zero) or
    /// slow; zero where the delay moved without a steady direction.
    pub fn observe(&mut self, pts: Span, arrival: MediaTime) -> Option<i64> {
        let delay = Span::from_micros(arrival.as_micros() - pts.as_micros());
        let opened = *self.opened.get_or_insert(arrival);
        if arrival - opened < WINDOW {
            self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
            return None;
        }
        self.opened = Some(arrival);
        self.windows.push_back(self.least.replace(delay).unwrap_or(delay));
        if self.windows.len() > WINDOWS {
            self.windows.pop_front();
        }
        (self.windows.len() == WINDOWS).then(|| self.ppm())
    }

    fn ppm(&self) -> i64 {
        let steps = self.windows.iter().zip(self.windows.iter().skip(1));
        let steps: Vec<_> = steps.map(|(a, b)| (*b - *a).as_micros()).collect();
        let total: i64 = steps.iter().sum();
        let along = steps.iter().filter(|step| step.signum() == total.signum()).count();
        let over = WINDOW.as_micros() * (WINDOWS as i64 - 1);
        // A delay that shrinks is a clock that is fast.
        if along >= STEADY { -total.saturating_mul(1_000_000) / over } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 frames a second for `seconds`, with the source `ppm` fast and `extra` delay at each arrival.
    fn last(seconds: i64, ppm: i64, extra: impl Fn(i64) -> i64) -> Option<i64> {
        let mut drift = Drift::new();
        let mut found = None;
        for n in 0..seconds * 25 {
            let real = n * 40_000;
            let pts = Span::from_micros(real + real * ppm / 1_000_000);
            let arrival = MediaTime::from_micros(1_000_000_000 + real + extra(n));
            found = drift.observe(pts, arrival).or(found);
        }
        found
    }

    #[test]
    fn a_minute_shows_how_fast_a_clock_is() {
        assert_eq!(last(60, 1_000, |_| 0), None, "too early to say");
        for ppm in [-2_000, -600, 600, 2_000] {
            let found = last(120, ppm, |n| (n * 7_919) % 20_000).expect("two minutes");
            assert!((found - ppm).abs() < 60, "{found} for {ppm}");
        }
    }

    #[test]
    fn a_changed_route_and_jitter_are_no_drift() {
        assert_eq!(last(120, 0, |n| if n > 2_000 { 80_000 } else { 0 }), Some(0));
        let jitter = last(120, 0, |n| (n * 7_919) % 50_000).expect("two minutes");
        assert!(jitter.abs() < 100, "{jitter}");
    }
}
