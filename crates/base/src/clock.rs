//! The node's timeline clock (timeline spec 1): realtime at start plus monotonic time, slewed and never stepped.

use crate::{MediaTime, Span};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

/// Largest slew towards the system's real time, in parts per million.
const SLEW_PPM: i64 = 500;

/// One per node. Maps `Instant`s to T without ever running backwards or jumping.
///
/// The owner calls [`Self::discipline`] about once a second with the system's real time; between calls the
/// clock runs at the monotonic rate plus at most 500 ppm of correction.
#[derive(Clone, Copy, Debug)]
pub struct TimelineClock {
    reference: Instant,
    at_reference: MediaTime,
    correction_ppm: i64,
}

impl TimelineClock {
    /// Starts the clock: at `now` it reads `realtime`.
    pub fn new(now: Instant, realtime: MediaTime) -> Self {
        Self { reference: now, at_reference: realtime, correction_ppm: 0 }
    }

    /// T at `now`. `now` may lie before the last reference point (frames stamped on arrival, read later).
    pub fn at(&self, now: Instant) -> MediaTime {
        let micros = match now.checked_duration_since(self.reference) {
            Some(ahead) => ahead.as_micros() as i64,
            None => -(self.reference.duration_since(now).as_micros() as i64),
        };
        let corrected = i128::from(micros) * i128::from(1_000_000 + self.correction_ppm) / 1_000_000;
        self.at_reference + Span::from_micros(corrected as i64)
    }

    /// Compares with the system's real time and sets the slew that closes the gap within about a minute,
    /// limited to 500 ppm. Returns the gap (system minus clock).
    pub fn discipline(&mut self, now: Instant, realtime: MediaTime) -> Span {
        let current = self.at(now);
        let gap = realtime - current;
        self.reference = now;
        self.at_reference = current;
        self.correction_ppm = (gap.as_micros() / 60).clamp(-SLEW_PPM, SLEW_PPM);
        gap
    }
}

/// The node's one [`TimelineClock`], shared by everything that stamps or measures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeClock(Arc<RwLock<TimelineClock>>);

impl NodeClock {
    /// See [`TimelineClock::new`].
    pub fn new(now: Instant, realtime: MediaTime) -> Self {
        Self(Arc::new(RwLock::new(TimelineClock::new(now, realtime))))
    }

    /// T at `now`.
    pub fn at(&self, now: Instant) -> MediaTime {
        self.0.read().unwrap_or_else(PoisonError::into_inner).at(now)
    }

    /// Starts anew: at `now` it reads `realtime`. Only before anything was stamped, since this is a step.
    pub fn begin_at(&self, now: Instant, realtime: MediaTime) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = TimelineClock::new(now, realtime);
    }

    /// See [`TimelineClock::discipline`]; one owner calls it.
    pub fn discipline(&self, now: Instant, realtime: MediaTime) -> Span {
        self.0.write().unwrap_or_else(PoisonError::into_inner).discipline(now, realtime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_stepped_system_clock_is_followed_at_500_ppm() {
        let start = Instant::now();
        let mut clock = TimelineClock::new(start, MediaTime::from_micros(1_000_000));
        let gap = clock.discipline(start, MediaTime::from_micros(61_000_000));
        assert_eq!(gap, Span::from_secs(60));
        assert_eq!(clock.at(start), MediaTime::from_micros(1_000_000), "no step");
        let later = clock.at(start + Duration::from_secs(10));
        assert_eq!(later, MediaTime::from_micros(11_005_000), "10 s plus 500 ppm");
    }

    #[test]
    fn it_never_runs_backwards() {
        let start = Instant::now();
        let mut clock = TimelineClock::new(start, MediaTime::from_micros(100_000_000));
        let mut last = clock.at(start);
        for second in 1..100u64 {
            let now = start + Duration::from_secs(second);
            clock.discipline(now, MediaTime::from_micros(0));
            assert!(clock.at(now) > last);
            last = clock.at(now);
        }
    }
}
