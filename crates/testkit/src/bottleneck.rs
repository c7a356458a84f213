//! The slowest hop of a path.

use std::time::{Duration, Instant};

/// Sends one bit after the other, and queues what comes meanwhile, up to a bound; what comes then is dropped. Put a
/// [`crate::Link`] behind it for delay and loss.
#[derive(Debug)]
pub struct Bottleneck {
    bits_per_second: f64,
    queue_max: Duration,
    /// When what has come so far will have been sent.
    free_at: Option<Instant>,
}

impl Bottleneck {
    /// Nothing is queued. `queue_max` is how long a packet may wait.
    pub fn new(bits_per_second: f64, queue_max: Duration) -> Self {
        Self { bits_per_second, queue_max, free_at: None }
    }

    /// A packet of `bytes` comes at `now`: when its last bit has left, `None` when the queue is full.
    pub fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let wait = self.queue(now);
        if wait > self.queue_max {
            return None;
        }
        let at = now + wait + Duration::from_secs_f64(bytes as f64 * 8.0 / self.bits_per_second);
        self.free_at = Some(at);
        Some(at)
    }

    /// How long a packet that came at `now` would wait.
    pub fn queue(&self, now: Instant) -> Duration {
        self.free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// The hop changes its speed; what is queued takes as long as it takes at the new one.
    pub fn set_rate(&mut self, now: Instant, bits_per_second: f64) {
        let queue = self.queue(now).mul_f64(self.bits_per_second / bits_per_second);
        self.free_at = Some(now + queue);
        self.bits_per_second = bits_per_second;
    }

    /// Bits per second.
    pub fn rate(&self) -> f64 {
        self.bits_per_second
    }
}
