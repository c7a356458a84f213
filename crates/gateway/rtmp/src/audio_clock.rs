//! Audio time finer than RTMP's milliseconds.

use unisono_base::Span;

/// A timestamp explains a difference up to its own resolution.
const RESOLUTION: Span = Span::from_millis(1);
/// Beyond this a difference is a gap.
const GAP: Span = Span::from_millis(50);
/// How far the count moves towards the timestamps with each unit: 2 % of a unit, which nobody hears.
const STEP: Span = Span::from_micros(500);

/// Counts samples between RTMP's millisecond timestamps, so that access units follow each other without the
/// rounding (1024 samples at 48 kHz are 21.333 ms, and arrive as 21, 22, 21), which players hear as gaps.
///
/// Where timestamps leave the count by more than a millisecond the count follows them: at once over a gap, else slowly,
/// for a clock that drifts and for one that only looks so. GStreamer's `flvmux` gives sound that comes after a
/// picture the picture's timestamp (`enforce-increasing-timestamps`): its units are 33, 33 and 0 ms apart, or twice at
/// the same time, whenever its machine is busy.
#[derive(Debug)]
pub(crate) struct AudioClock {
    sample_rate: u32,
    /// Position of the count's zero.
    base: Span,
    /// Samples since.
    samples: u64,
    started: bool,
}

impl AudioClock {
    pub(crate) fn new(sample_rate: u32) -> Self {
        Self { sample_rate: sample_rate.max(1), base: Span::ZERO, samples: 0, started: false }
    }

    /// The time of the next access unit of `samples`, which RTMP says is at `timestamp`.
    pub(crate) fn next(&mut self, timestamp: Span, samples: u32) -> Span {
        if !self.started {
            self.base = timestamp;
            self.started = true;
        }
        let counted = self.base + self.span(self.samples);
        let nearest = counted.max(timestamp - RESOLUTION).min(timestamp + RESOLUTION);
        let off = nearest - counted;
        let time = if off.abs() > GAP { nearest } else { counted + off.max(Span::ZERO - STEP).min(STEP) };
        if time != counted {
            self.base = time;
            self.samples = 0;
        }
        self.samples += u64::from(samples);
        time
    }

    /// How long so many samples last.
    pub(crate) fn span(&self, samples: u64) -> Span {
        Span::from_micros((u128::from(samples) * 1_000_000 / u128::from(self.sample_rate)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_timestamps_become_whole_samples() {
        for rounding in [0, 500, 999] {
            let mut clock = AudioClock::new(48_000);
            for unit in 0..100_000i64 {
                let exact = unit * 1_024_000_000 / 48_000;
                let timestamp = Span::from_millis((exact + rounding) / 1_000);
                assert_eq!(clock.next(timestamp, 1_024), Span::from_micros(exact), "unit {unit}, {rounding}");
            }
        }
    }

    #[test]
    fn a_drifting_clock_is_followed_in_small_steps() {
        let mut clock = AudioClock::new(44_100);
        let mut last = clock.next(Span::ZERO, 1_024);
        for unit in 1..100_000i64 {
            let exact = unit * 1_024_000_000 / 44_100;
            let timestamp = Span::from_millis((exact + exact / 1_000) / 1_000);
            let time = clock.next(timestamp, 1_024);
            assert!((time - timestamp).abs() <= RESOLUTION);
            let step = time - last;
            assert!(step > Span::from_millis(22) && step < Span::from_millis(25), "{step} at {unit}");
            last = time;
        }
    }

    #[test]
    fn timestamps_raised_to_the_pictures_leave_the_units_even() {
        let mut clock = AudioClock::new(48_000);
        let mut last = None;
        for unit in 0..10_000i64 {
            let exact = unit * 1_024_000_000 / 48_000;
            let pictures = (exact * 3 + 99_999) / 100_000;
            let time = clock.next(Span::from_millis(pictures * 100 / 3), 1_024);
            let step = last.map_or(Span::from_micros(21_333), |last| time - last);
            assert!((step - Span::from_micros(21_333)).abs() <= STEP, "{step} at {unit}");
            assert!((time - Span::from_micros(exact)).abs() <= Span::from_millis(34), "{time} at {unit}");
            last = Some(time);
        }
    }

    #[test]
    fn a_gap_is_followed_at_once() {
        let mut clock = AudioClock::new(48_000);
        clock.next(Span::ZERO, 1_024);
        let after = clock.next(Span::from_millis(500), 1_024);
        assert_eq!(after, Span::from_millis(499));
    }
}
