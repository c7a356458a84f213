//! A running minimum over the last ten seconds, in a handful of buckets.

use std::collections::VecDeque;
use unisono_base::{MediaTime, Span};

const BUCKET: i64 = 500_000;
const BUCKETS: i64 = 20;

/// Minimum of a value over the buckets of the last ten seconds of arrival. Bounded: at most 21 buckets.
#[derive(Debug, Default)]
pub(super) struct MinWindow {
    buckets: VecDeque<(i64, Span)>,
}

impl MinWindow {
    pub(super) fn observe(&mut self, arrival: MediaTime, value: Span) {
        let bucket = arrival.as_micros().div_euclid(BUCKET);
        match self.buckets.back_mut() {
            Some((newest, min)) if *newest >= bucket => *min = (*min).min(value),
            _ => self.buckets.push_back((bucket, value)),
        }
        while self.buckets.front().is_some_and(|(oldest, _)| bucket - oldest > BUCKETS) {
            self.buckets.pop_front();
        }
    }

    /// Leaves out what was observed until `arrival`, to the bucket. The next value is to be observed before [`Self::min`]
    /// is asked.
    pub(super) fn forget_until(&mut self, arrival: MediaTime) {
        let last = arrival.as_micros().div_euclid(BUCKET);
        while self.buckets.front().is_some_and(|(oldest, _)| *oldest <= last) {
            self.buckets.pop_front();
        }
    }

    /// The minimum; zero before the first value.
    pub(super) fn min(&self) -> Span {
        self.buckets.iter().map(|(_, min)| *min).min().unwrap_or_default()
    }
}
