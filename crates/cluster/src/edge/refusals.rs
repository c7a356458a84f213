//! What could not be had a moment ago: more viewers of the same name do not ask the upstream again.
//!
//! They hold no place among the pulls, so that names which somebody makes up keep nobody's stream away.

use super::NotHere;
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};
use unisono_base::StreamId;

/// A refusal holds so long.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// Remembered at once; beyond it the oldest is forgotten, and asked for again.
const NAMES_MAX: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    why: HashMap<StreamId, (Instant, NotHere)>,
    /// Oldest first; a name as often as it was noted.
    order: VecDeque<(Instant, StreamId)>,
}

impl Refusals {
    /// Why it could not be had just now.
    pub(super) fn of(&self, id: &StreamId, now: Instant) -> Option<NotHere> {
        let (at, why) = self.why.get(id)?;
        (now.saturating_duration_since(*at) < REFUSED_FOR).then(|| why.clone())
    }

    pub(super) fn note(&mut self, id: StreamId, why: NotHere, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= REFUSED_FOR;
        while self.order.front().is_some_and(|(at, _)| self.order.len() >= NAMES_MAX || is_old(at)) {
            let Some((at, id)) = self.order.pop_front() else { break };
            if self.why.get(&id).is_some_and(|(newest, _)| *newest == at) {
                self.why.remove(&id);
            }
        }
        self.order.push_back((now, id.clone()));
        self.why.insert(id, (now, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_base::StreamName;

    fn stream(number: usize) -> StreamId {
        StreamId::local(StreamName::new("live", &number.to_string()).expect("valid"))
    }

    #[test]
    fn a_refusal_holds_a_second_and_made_up_names_stay_bounded() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let why = NotHere::Refused("nobody publishes it".to_owned());
        refusals.note(stream(0), why.clone(), start);
        assert_eq!(refusals.of(&stream(0), start + REFUSED_FOR / 2), Some(why.clone()));
        assert_eq!(refusals.of(&stream(0), start + REFUSED_FOR), None);
        assert_eq!(refusals.of(&stream(1), start), None);
        for number in 0..5 * NAMES_MAX {
            refusals.note(stream(number), why.clone(), start);
            assert!(refusals.why.len() <= NAMES_MAX && refusals.order.len() <= NAMES_MAX);
        }
        assert!(refusals.of(&stream(5 * NAMES_MAX - 1), start).is_some());
        // The same name again and again is one, and old ones go when a new one comes.
        for _ in 0..3 {
            refusals.note(stream(7), why.clone(), start + REFUSED_FOR);
        }
        assert_eq!(refusals.why.len(), 1);
        assert!(refusals.of(&stream(7), start + REFUSED_FOR).is_some());
    }
}
