//! Durations counted in buckets of 0.1 ms: any number of samples in constant memory.

use std::time::Duration;

const BUCKET: Duration = Duration::from_micros(100);
/// Up to ten seconds; longer samples count into the last bucket.
const BUCKETS: usize = 100_000;

/// See the module.
pub(super) struct Histogram {
    counts: Vec<u32>,
    samples: u64,
    longest: Duration,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], samples: 0, longest: Duration::ZERO }
    }

    pub(super) fn record(&mut self, sample: Duration) {
        let bucket = (sample.as_micros() / BUCKET.as_micros()).min(BUCKETS as u128 - 1) as usize;
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.samples += 1;
        self.longest = self.longest.max(sample);
    }

    /// Adds what another one counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.samples += other.samples;
        self.longest = self.longest.max(other.longest);
    }

    /// `{p50, p95, p99, max, samples}` in milliseconds; the percentiles are `null` without a sample.
    pub(super) fn report(&self) -> serde_json::Value {
        serde_json::json!({
            "p50": self.percentile_ms(50), "p95": self.percentile_ms(95), "p99": self.percentile_ms(99),
            "max": round(self.longest.as_secs_f64() * 1e3), "samples": self.samples,
        })
    }

    /// Upper edge of the bucket that holds the sample below which `percent` of all lie.
    fn percentile_ms(&self, percent: u64) -> Option<f64> {
        let rank = (self.samples * percent).div_ceil(100);
        let mut seen = 0;
        let reaches = |count: &u32| {
            seen += u64::from(*count);
            seen >= rank
        };
        let bucket = self.counts.iter().position(reaches).filter(|_| self.samples > 0)?;
        Some(round((bucket + 1) as f64 * BUCKET.as_secs_f64() * 1e3))
    }
}

/// To a tenth: finer than that is noise.
pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_to_a_tenth_of_a_millisecond() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile_ms(50), None);
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        assert_eq!(histogram.percentile_ms(50), Some(50.1));
        assert_eq!(histogram.percentile_ms(99), Some(99.1));
        assert_eq!(histogram.report()["samples"], 100);
        let mut both = Histogram::new();
        both.record(Duration::from_millis(300));
        both.merge(&histogram);
        assert_eq!((both.percentile_ms(50), both.report()["max"].as_f64()), (Some(51.1), Some(300.0)));
    }
}
