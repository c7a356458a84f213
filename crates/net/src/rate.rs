//! Rates per key in bounded memory: token buckets, and the patience with failures.
//!
//! A table has a fixed number of places. Where they run out the one that was quiet longest makes room: somebody with very
//! many addresses can be forgotten, and never costs memory.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

/// Places that compete for a key: beyond these the quietest makes room.
const WAYS: usize = 8;

/// A fixed number of places for a `T` per key.
#[derive(Debug)]
struct Table<T> {
    /// Which keys share places is not for outsiders to know.
    hasher: RandomState,
    places: Vec<Option<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    key: u64,
    touched: Instant,
    value: T,
}

impl<T> Table<T> {
    fn new(places: usize) -> Self {
        let places = places.max(WAYS).next_multiple_of(WAYS);
        Self { hasher: RandomState::new(), places: std::iter::repeat_with(|| None).take(places).collect() }
    }

    fn set_of(&self, key: u64) -> std::ops::Range<usize> {
        let sets = (self.places.len() / WAYS) as u64;
        let first = (key % sets) as usize * WAYS;
        first..first + WAYS
    }

    fn find(&self, key: impl Hash) -> Option<&T> {
        let key = self.hasher.hash_one(key);
        let entry = self.places[self.set_of(key)].iter().flatten().find(|entry| entry.key == key)?;
        Some(&entry.value)
    }

    /// The value of `key`, made by `make` where there is none.
    fn entry(&mut self, key: impl Hash, now: Instant, make: impl FnOnce() -> T) -> &mut T {
        let key = self.hasher.hash_one(key);
        let set = self.set_of(key);
        let places = &mut self.places[set];
        let is_own = |place: &Option<Entry<T>>| place.as_ref().is_some_and(|entry| entry.key == key);
        let index = places.iter().position(is_own).unwrap_or_else(|| {
            let quietest = |index: &usize| places[*index].as_ref().map(|entry| entry.touched);
            (0..WAYS).min_by_key(quietest).unwrap_or_default()
        });
        let place = &mut places[index];
        if !is_own(place) {
            *place = None;
        }
        let entry = place.get_or_insert_with(|| Entry { key, touched: now, value: make() });
        entry.touched = entry.touched.max(now);
        &mut entry.value
    }
}

/// So many per second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Per second, in the long run.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

/// A token bucket per key.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    table: Table<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    level: f64,
    filled: Instant,
}

/// The bucket is empty: one more after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Buckets {
    /// Buckets of `rate` for `places` keys at once.
    pub fn new(rate: Rate, places: usize) -> Self {
        Self { rate, table: Table::new(places) }
    }

    /// Takes one for `key`.
    pub fn take(&mut self, key: impl Hash, now: Instant) -> Result<(), Wait> {
        let Rate { per_second, burst } = self.rate;
        let bucket = self.table.entry(key, now, || Bucket { level: burst, filled: now });
        let since = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.level = (bucket.level + since * per_second).min(burst);
        bucket.filled = bucket.filled.max(now);
        if bucket.level >= 1.0 {
            bucket.level -= 1.0;
            return Ok(());
        }
        let wait = if per_second > 0.0 { (1.0 - bucket.level) / per_second } else { 3_600.0 };
        Err(Wait(Duration::from_secs_f64(wait.min(3_600.0))))
    }
}

/// Failures that cost nothing: somebody mistypes.
const FREE: u32 = 10;
/// Longest wait after a failure.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// After so long without a failure all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Who guesses waits: after ten failures 1 s, then 2 s, 4 s, up to a minute.
#[derive(Debug)]
pub struct Failures {
    table: Table<Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    count: u32,
    last: Instant,
}

impl Failures {
    /// Remembers `places` keys.
    pub fn new(places: usize) -> Self {
        Self { table: Table::new(places) }
    }

    /// Must `key` wait before it may try again?
    pub fn check(&self, key: impl Hash, now: Instant) -> Result<(), Wait> {
        let Some(failed) = self.table.find(key).filter(|failed| failed.count >= FREE) else { return Ok(()) };
        let doublings = (failed.count - FREE).min(6);
        let wait = Duration::from_secs(1 << doublings).min(WAIT_MAX);
        let over = (failed.last + wait).saturating_duration_since(now);
        if over.is_zero() { Ok(()) } else { Err(Wait(over)) }
    }

    /// Another failure of `key`.
    pub fn count(&mut self, key: impl Hash, now: Instant) {
        let failed = self.table.entry(key, now, || Failed { count: 0, last: now });
        if now.saturating_duration_since(failed.last) >= FORGOTTEN_AFTER {
            failed.count = 0;
        }
        failed.count = failed.count.saturating_add(1);
        failed.last = failed.last.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate_to_each_key_on_its_own() {
        let start = Instant::now();
        let mut buckets = Buckets::new(Rate { per_second: 2.0, burst: 3.0 }, 64);
        for _ in 0..3 {
            buckets.take("a", start).expect("the burst");
        }
        assert_eq!(buckets.take("a", start), Err(Wait(SECOND / 2)));
        buckets.take("b", start).expect("another key");
        buckets.take("a", start + SECOND / 2).expect("half a second later");
        assert!(buckets.take("a", start + SECOND / 2).is_err());
        for _ in 0..3 {
            buckets.take("a", start + 100 * SECOND).expect("no more than the burst is saved");
        }
        assert!(buckets.take("a", start + 100 * SECOND).is_err());
    }

    #[test]
    fn a_million_keys_take_no_more_memory_and_a_busy_one_is_kept() {
        let start = Instant::now();
        let mut buckets = Buckets::new(Rate { per_second: 0.001, burst: 1.0 }, 1_024);
        let places = buckets.table.places.len();
        buckets.take("busy", start).expect("the first");
        for key in 0..100_000u32 {
            let now = start + Duration::from_millis(u64::from(key));
            let _ = buckets.take(key, now);
            assert!(buckets.take("busy", now).is_err(), "remembered at {key}");
        }
        assert_eq!(buckets.table.places.len(), places);
    }

    #[test]
    fn failures_cost_twice_as_much_each_time_up_to_a_minute() {
        let (start, mut failures) = (Instant::now(), Failures::new(64));
        for _ in 0..FREE {
            failures.check("x", start).expect("free");
            failures.count("x", start);
        }
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..9 {
            let Err(Wait(wait)) = failures.check("x", now) else { panic!("must wait") };
            waits.push(wait.as_secs());
            now += wait;
            failures.check("x", now).expect("the wait is over");
            failures.count("x", now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        failures.check("y", now).expect("others are not concerned");
        failures.check("x", now + FORGOTTEN_AFTER).expect("forgotten");
        failures.count("x", now + FORGOTTEN_AFTER);
        failures.check("x", now + FORGOTTEN_AFTER).expect("begins anew");
    }
}
