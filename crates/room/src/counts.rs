//! Reactions: counted, never stored, told as one number now and then (timeline spec 10).

use crate::told::Notice;
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use unisono_base::MediaTime;

/// What is counted apart, per type; one more is counted as `other`.
const KEYS_MAX: usize = 64;
/// Types that count, per room.
const TYPES_MAX: usize = 64;
/// Longest key.
const KEY_LEN_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    types: BTreeMap<String, Counting>,
}

#[derive(Debug)]
struct Counting {
    every: Duration,
    due: Instant,
    counts: BTreeMap<String, u64>,
}

impl Counts {
    /// `count` more. False where the room counts too many types already.
    pub(crate) fn add(&mut self, ty: &str, (key, count): (&str, u64), every: Duration, now: Instant) -> bool {
        if self.types.len() >= TYPES_MAX && !self.types.contains_key(ty) {
            return false;
        }
        let counting = self.types.entry(ty.to_owned()).or_insert_with(|| Counting {
            every,
            due: now,
            counts: BTreeMap::new(),
        });
        if counting.counts.is_empty() {
            // The first after a while is told soon, those that follow wait for it.
            counting.due = counting.due.max(now + every / 2);
            counting.every = every;
        }
        let key: String = key.chars().take(KEY_LEN_MAX).collect();
        let fits = counting.counts.len() < KEYS_MAX || counting.counts.contains_key(&key);
        let counted = counting.counts.entry(if fits { key } else { "other".to_owned() }).or_default();
        *counted = counted.saturating_add(count);
        true
    }

    /// When [`Self::take`] has something to tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.types.values().filter(|counting| !counting.counts.is_empty()).map(|counting| counting.due).min()
    }

    /// What is to be told now. `at`: T of the newest frame, to which it belongs.
    pub(crate) fn take(&mut self, now: Instant, at: MediaTime) -> Vec<Notice> {
        let told = self.take_due(now).into_iter().map(|(ty, counts)| {
            let message = json!({"type": "counts", "name": ty, "counts": counts, "at": at}).to_string();
            Notice { kind: "counts", message: message.into() }
        });
        told.collect()
    }

    /// The same as numbers: by type, then by key.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(String, BTreeMap<String, u64>)> {
        let mut due = Vec::new();
        for (ty, counting) in &mut self.types {
            if counting.due > now || counting.counts.is_empty() {
                continue;
            }
            let counts = std::mem::take(&mut counting.counts);
            counting.due = now + counting.every;
            due.push((ty.clone(), counts));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(100);

    fn told(counts: &mut Counts, now: Instant) -> Vec<serde_json::Value> {
        let notices = counts.take(now, MediaTime::from_micros(7));
        notices.iter().map(|notice| serde_json::from_slice(&notice.message).expect("JSON")).collect()
    }

    #[test]
    fn a_crowd_of_reactions_is_one_message() {
        let (start, mut counts) = (Instant::now(), Counts::default());
        assert_eq!(counts.due(), None);
        for i in 0..1_000 {
            assert!(counts.add("reaction", (if i % 4 == 0 { "clap" } else { "heart" }, 1), EVERY, start));
        }
        assert!(told(&mut counts, start).is_empty(), "not yet");
        let due = counts.due().expect("something");
        let expected =
            json!({"type": "counts", "name": "reaction", "counts": {"clap": 250, "heart": 750}, "at": 7});
        assert_eq!(told(&mut counts, due), [expected]);
        assert_eq!(counts.due(), None);
        counts.add("reaction", ("heart", 1), EVERY, due);
        assert!(told(&mut counts, due + EVERY / 2).is_empty() && counts.due() == Some(due + EVERY));
    }

    #[test]
    fn what_senders_invent_does_not_grow_without_bound() {
        let (now, mut counts) = (Instant::now(), Counts::default());
        for i in 0..10_000 {
            counts.add("reaction", (&format!("{i}"), 1), EVERY, now);
            counts.add(&format!("t{i}"), ("x", 1), EVERY, now);
        }
        assert_eq!(counts.types.len(), TYPES_MAX);
        assert!(counts.types["reaction"].counts.len() <= KEYS_MAX + 1);
        assert_eq!(counts.types["reaction"].counts["other"], 10_000 - KEYS_MAX as u64);
    }
}
