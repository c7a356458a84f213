//! How fast a joining viewer gets the past, and how a keyframe is spread.

use std::time::{Duration, Instant};

/// Slowest catching up (decisions 14).
const RATE_MIN_BPS: u64 = 10_000_000;
/// Catching up at this multiple of the track's rate.
const RATE_FACTOR: u64 = 8;
/// What may leave at once: a train of full packets.
const BURST_BYTES: i64 = 16 * 1_200;

/// A token bucket over bytes. The last packet may overdraw it; the debt is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    bytes_per_second: u64,
    tokens: i64,
    at: Instant,
}

impl Bucket {
    /// A full bucket for a track of `track_bps`.
    pub(crate) fn new(now: Instant, track_bps: u64) -> Self {
        let mut bucket = Self { bytes_per_second: 0, tokens: BURST_BYTES, at: now };
        bucket.set_track_rate(track_bps);
        bucket
    }

    /// The rate is max(10 Mbit/s, 8 x the track).
    pub(crate) fn set_track_rate(&mut self, track_bps: u64) {
        self.bytes_per_second = (track_bps.saturating_mul(RATE_FACTOR)).max(RATE_MIN_BPS) / 8;
    }

    /// True when something may be sent at `now`.
    pub(crate) fn is_open(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at);
        // Below 50 us the refill would round to too little; leave the time standing for later.
        if elapsed >= Duration::from_micros(50) {
            let refill = elapsed.as_micros().min(1_000_000) as u64 * self.bytes_per_second / 1_000_000;
            self.tokens = (self.tokens + refill as i64).min(BURST_BYTES);
            self.at = now;
        }
        self.tokens > 0
    }

    /// Notes what was sent.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.tokens -= bytes as i64;
    }

    /// When [`Self::is_open`] turns true again after a refusal: a train later, so that timers stay few.
    pub(crate) fn opens_at(&self) -> Instant {
        let missing = (BURST_BYTES - self.tokens).max(1) as u64;
        self.at + Duration::from_micros(missing * 1_000_000 / self.bytes_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catching_up_holds_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 3_000_000);
        let (mut now, mut sent) = (start, 0usize);
        while now < start + Duration::from_secs(1) {
            while bucket.is_open(now) {
                bucket.spend(1_200);
                sent += 1_200;
            }
            now = bucket.opens_at();
        }
        let bps = sent * 8;
        assert!((23_500_000..=24_500_000).contains(&bps), "{bps} bit/s of 8 x 3 Mbit/s");
    }

    #[test]
    fn a_thin_track_catches_up_at_ten_megabits() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 100_000);
        assert!(bucket.is_open(start));
        bucket.spend(BURST_BYTES as usize + 125_000);
        assert!(!bucket.is_open(start + Duration::from_millis(99)));
        assert!(bucket.is_open(start + Duration::from_millis(101)));
    }
}
