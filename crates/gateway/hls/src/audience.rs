//! How many players there are, as far as requests can tell.

use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    time::{Duration, Instant},
};

/// A player that has asked for nothing this long is gone. One that plays asks twice a second.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// Players told apart per stream; more are not counted.
const PLAYERS_MAX: usize = 10_000;

/// Distinct clients of one stream, by address and user agent. Approximate: players behind one proxy look alike.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    hasher: RandomState,
    seen: Mutex<HashMap<u64, Instant>>,
}

impl Audience {
    /// A request came from `client`.
    pub(crate) fn saw(&self, client: impl Hash, now: Instant) {
        let client = self.hasher.hash_one(client);
        let mut seen = self.seen.lock();
        if seen.len() < PLAYERS_MAX || seen.contains_key(&client) {
            seen.insert(client, now);
        }
    }

    /// Players now.
    pub(crate) fn count(&self, now: Instant) -> usize {
        let mut seen = self.seen.lock();
        seen.retain(|_, last| now.saturating_duration_since(*last) < FORGOTTEN_AFTER);
        seen.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_counts_once_and_is_forgotten() {
        let audience = Audience::default();
        let start = Instant::now();
        audience.saw("a", start);
        audience.saw("a", start + Duration::from_secs(1));
        audience.saw("b", start + Duration::from_secs(5));
        assert_eq!(audience.count(start + Duration::from_secs(6)), 2);
        assert_eq!(audience.count(start + Duration::from_secs(12)), 1);
        assert_eq!(audience.count(start + Duration::from_secs(15)), 0);
    }
}
