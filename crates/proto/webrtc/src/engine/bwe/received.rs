//! How much arrives: bytes by the receiver's clock.

/// Ticks of a bucket: 50 ms.
const BUCKET: i32 = 200;
/// Buckets that count: half a second, of whole ones.
const COUNTED: usize = 10;
/// And the one that fills.
const BUCKETS: usize = COUNTED + 1;

/// Bytes received in the last half second.
#[derive(Debug, Default)]
pub(super) struct Received {
    bytes: [u32; BUCKETS],
    /// Number of the bucket that fills.
    newest: Option<i32>,
    /// Buckets passed since the first, up to what is needed for a figure.
    passed: usize,
}

impl Received {
    /// A packet arrived, at ticks of the receiver's clock.
    pub(super) fn add(&mut self, arrived: i32, bytes: u16) {
        let bucket = arrived.div_euclid(BUCKET);
        let newest = *self.newest.get_or_insert(bucket);
        let ahead = bucket.wrapping_sub(newest);
        if ahead < -(COUNTED as i32) {
            // Long ago, or the clock went round: start over from here.
            *self = Self { newest: Some(bucket), ..Self::default() };
        }
        for step in 1..=ahead.min(BUCKETS as i32) {
            self.bytes[place(newest.wrapping_add(step))] = 0;
        }
        if ahead > 0 {
            if ahead > BUCKETS as i32 {
                self.bytes = [0; BUCKETS];
            }
            self.newest = Some(bucket);
            self.passed = (self.passed + ahead as usize).min(COUNTED);
        }
        let bucket = &mut self.bytes[place(bucket)];
        *bucket = bucket.saturating_add(bytes.into());
    }

    /// Bits per second; `None` in the first half second.
    pub(super) fn bits_per_second(&self) -> Option<f64> {
        let newest = self.newest.filter(|_| self.passed == COUNTED)?;
        let whole = (0..BUCKETS).filter(|at| *at != place(newest));
        let sum: f64 = whole.map(|at| f64::from(self.bytes[at])).sum();
        Some(sum * 8.0 * 4_000.0 / (f64::from(BUCKET) * COUNTED as f64))
    }
}

fn place(bucket: i32) -> usize {
    bucket.rem_euclid(BUCKETS as i32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_is_counted_through_the_wrap_of_the_clock() {
        let mut received = Received::default();
        for packet in 0..2_000i32 {
            // One each 10 ms, beginning just before the wrap.
            let at = (i32::MAX - 20_000).wrapping_add(packet * 40);
            received.add(at, 1_000);
            if packet % 100 == 60 {
                assert_eq!(received.bits_per_second(), Some(800_000.0), "{packet}");
            }
        }
        received.add((i32::MAX - 20_000).wrapping_add(40 * 10_000), 1_000);
        assert_eq!(received.bits_per_second(), Some(0.0), "a pause");
    }
}
