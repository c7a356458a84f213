//! How many events a room takes.

use std::time::Instant;

/// A token bucket: `per_second` on average, `burst` at once.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    burst: f64,
    tokens: f64,
    last: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second: f64::from(per_second), burst, tokens: burst, last: now }
    }

    /// When something was asked of it last.
    pub(crate) fn last(&self) -> Instant {
        self.last
    }

    /// As if nothing had been taken for a while.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.tokens + passed * self.per_second >= self.burst
    }

    /// Takes one if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = self.last.max(now);
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 3, start);
        let taken = |rate: &mut Rate, at: Instant| (0..100).filter(|_| rate.take(at)).count();
        assert_eq!(taken(&mut rate, start), 3);
        assert_eq!(taken(&mut rate, start + Duration::from_millis(210)), 2);
        assert_eq!(taken(&mut rate, start + Duration::from_secs(3_600)), 3, "never more than the burst");
    }
}
