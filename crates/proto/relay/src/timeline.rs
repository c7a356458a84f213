//! The origin's timeline clock, seen from the edge: so that "now" is the same T on both.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use unisono_base::{MediaTime, Span};

/// Answers remembered. The one with the shortest way tells the time best.
const ANSWERS_MAX: usize = 8;

/// An estimate of the other node's clock from pings, each wrong by half its round trip at most.
#[derive(Debug, Default)]
pub struct Timeline {
    answers: VecDeque<Answer>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    round_trip: Duration,
    /// Our time at which the other clock read `t`.
    at: Instant,
    t: MediaTime,
}

impl Timeline {
    /// A ping sent at `sent` was answered with `t`; the answer came at `now`.
    pub fn handle_pong(&mut self, sent: Instant, t: MediaTime, now: Instant) {
        let round_trip = now.saturating_duration_since(sent);
        self.answers.push_back(Answer { round_trip, at: sent + round_trip / 2, t });
        while self.answers.len() > ANSWERS_MAX {
            self.answers.pop_front();
        }
    }

    /// The other node's T at `now`, and how far that may be wrong; `None` before the first answer.
    pub fn at(&self, now: Instant) -> Option<(MediaTime, Duration)> {
        let best = self.answers.iter().min_by_key(|answer| answer.round_trip)?;
        let since = now.saturating_duration_since(best.at).as_micros() as i64;
        Some((best.t + Span::from_micros(since), best.round_trip / 2))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test begins at some instant")]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_tells_the_time() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let t = |ms: i64| MediaTime::from_micros(1_000_000_000 + ms * 1_000);
        let mut timeline = Timeline::default();
        assert_eq!(timeline.at(start), None);
        // 4 ms there, 36 ms back; then 1 ms each way. The other clock reads t(x) at start + x.
        timeline.handle_pong(start, t(4), start + ms(40));
        timeline.handle_pong(start + ms(100), t(101), start + ms(102));
        assert_eq!(timeline.at(start + ms(200)), Some((t(200), ms(1))));
        for i in 0..8 {
            let sent = start + ms(300 + i * 100);
            timeline.handle_pong(sent, t(302 + i as i64 * 100), sent + ms(4));
        }
        assert_eq!(timeline.at(start + ms(2_000)), Some((t(2_000), ms(2))), "old answers are forgotten");
    }
}
