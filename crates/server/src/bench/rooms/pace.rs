//! How a sender that sends as much as is taken finds out how much that is: a window of commands under way that grows with
//! each answer and is halved when the room is busy, as TCP does it (RFC 5681 §3.1).

use std::time::Duration;
use tokio::time::Instant;

/// Commands under way at most: the server reads no more of one client.
pub(super) const UNDER_WAY_MAX: usize = 32;
/// After the room was busy nothing is sent for so long, twice as long each time in a row, up to the longest.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// In commands; the fraction is what answers have added since it last was whole.
    window: f64,
    pause: Duration,
    resumes: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { window: UNDER_WAY_MAX as f64, pause: PAUSE, resumes: now }
    }

    /// One more may be sent while `under_way` are not answered.
    pub(super) fn lets(&self, under_way: usize, now: Instant) -> bool {
        now >= self.resumes && under_way < self.window as usize
    }

    /// When sending goes on at the earliest, if that is still to come.
    pub(super) fn resumes(&self) -> Option<Instant> {
        (self.resumes > Instant::now()).then_some(self.resumes)
    }

    pub(super) fn accepted(&mut self) {
        self.pause = PAUSE;
        self.window = (self.window + 1.0 / self.window).min(UNDER_WAY_MAX as f64);
    }

    /// The answers to what was under way together count once.
    pub(super) fn refused(&mut self, now: Instant) {
        if now < self.resumes {
            return;
        }
        self.window = (self.window / 2.0).max(1.0);
        self.resumes = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_room_is_left_alone_for_a_while_and_asked_for_less() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.lets(31, start) && !pace.lets(32, start));
        (0..32).for_each(|_| pace.refused(start));
        assert!(!pace.lets(0, start), "it waits");
        let later = start + PAUSE;
        assert!(pace.lets(15, later) && !pace.lets(16, later), "a burst of refusals halves the window once");
        pace.refused(later);
        assert!(!pace.lets(0, later + PAUSE) && pace.lets(0, later + 2 * PAUSE), "longer each time");
        (0..10_000).for_each(|_| pace.accepted());
        assert!(pace.lets(31, later + 2 * PAUSE), "and it comes back");
        assert!((0..100).all(|n| {
            pace.refused(later + Duration::from_secs(n + 1));
            pace.lets(0, later + Duration::from_secs(n + 2))
        }));
    }
}
