//! Who is in a room, and what they may not do there for a while.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use unisono_base::{MediaTime, Span};

/// People told apart in one room; beyond it nobody is let in.
const PEOPLE_MAX: usize = 100_000;
/// Mutes and bans of one room.
const SANCTIONS_MAX: usize = 10_000;
/// Longest mute, ban and slow mode.
pub const SANCTION_MAX: Span = Span::from_secs(366 * 86_400);

/// Who is here: feeds per person.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    people: HashMap<Arc<str>, u32>,
    pub(crate) is_changed: bool,
}

impl Presence {
    /// One more feed of this person. False when the room is full.
    pub(crate) fn join(&mut self, id: &Arc<str>) -> bool {
        if self.people.len() >= PEOPLE_MAX && !self.people.contains_key(id) {
            return false;
        }
        *self.people.entry(id.clone()).or_default() += 1;
        self.is_changed = true;
        true
    }

    /// One less.
    pub(crate) fn leave(&mut self, id: &Arc<str>) {
        if let Some(feeds) = self.people.get_mut(id) {
            *feeds -= 1;
            if *feeds == 0 {
                self.people.remove(id);
                self.is_changed = true;
            }
        }
    }

    /// How many people.
    pub(crate) fn count(&self) -> usize {
        self.people.len()
    }
}

/// Mutes, bans and slow mode of a room. Kept in the store, so that a restart lets nobody back in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discipline {
    /// Who may not say anything, and until when on the node's timeline clock.
    pub muted: BTreeMap<Arc<str>, MediaTime>,
    /// Who may not even listen.
    pub banned: BTreeMap<Arc<str>, MediaTime>,
    /// Between two messages of one person; zero for none.
    #[serde(default)]
    pub slow: Span,
}

/// What a moderator does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum Measure {
    /// Says nothing for a while.
    Mute {
        /// Person's id.
        person: Arc<str>,
        /// How long.
        dur: Span,
    },
    /// May speak again.
    Unmute {
        /// Person's id.
        person: Arc<str>,
    },
    /// Is out for a while.
    Ban {
        /// Person's id.
        person: Arc<str>,
        /// How long.
        dur: Span,
    },
    /// May come back.
    Unban {
        /// Person's id.
        person: Arc<str>,
    },
    /// Members say one thing per `every`; zero ends it.
    Slow {
        /// How often.
        every: Span,
    },
}

/// A measure that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// Too long, or negative.
    #[error("a mute, a ban or slow mode lasts 0 to {max} microseconds (a year), not {0}", max = SANCTION_MAX.as_micros())]
    Span(i64),
    /// As many as may be.
    #[error("{SANCTIONS_MAX} people are muted or banned in this room, its limit")]
    TooMany,
}

impl Discipline {
    /// Takes a measure from `now` on; what is over is forgotten.
    pub fn take(&mut self, measure: &Measure, now: MediaTime) -> Result<(), MeasureError> {
        self.forget_over(now);
        let (list, person, dur) = match measure {
            Measure::Mute { person, dur } => (&mut self.muted, person, *dur),
            Measure::Ban { person, dur } => (&mut self.banned, person, *dur),
            Measure::Unmute { person } => {
                self.muted.remove(person);
                return Ok(());
            }
            Measure::Unban { person } => {
                self.banned.remove(person);
                return Ok(());
            }
            Measure::Slow { every } => {
                self.slow = within(*every)?;
                return Ok(());
            }
        };
        if list.len() >= SANCTIONS_MAX && !list.contains_key(person) {
            return Err(MeasureError::TooMany);
        }
        list.insert(person.clone(), now + within(dur)?);
        Ok(())
    }

    /// Forgets what is over.
    pub(crate) fn forget_over(&mut self, now: MediaTime) {
        self.muted.retain(|_, until| *until > now);
        self.banned.retain(|_, until| *until > now);
    }

    /// Why this person may not say anything now, in words.
    pub(crate) fn silenced(&self, person: &str, now: MediaTime) -> Option<String> {
        let left = |list: &BTreeMap<Arc<str>, MediaTime>| {
            list.get(person)
                .filter(|until| **until > now)
                .map(|until| (*until - now).as_micros() / 1_000_000 + 1)
        };
        if let Some(seconds) = left(&self.banned) {
            return Some(format!("you are banned from this room for {seconds} s more"));
        }
        left(&self.muted).map(|seconds| format!("you are muted in this room for {seconds} s more"))
    }

    /// May not be here at all.
    pub(crate) fn is_banned(&self, person: &str, now: MediaTime) -> bool {
        self.banned.get(person).is_some_and(|until| *until > now)
    }
}

fn within(span: Span) -> Result<Span, MeasureError> {
    if span < Span::ZERO || span > SANCTION_MAX {
        Err(MeasureError::Span(span.as_micros()))
    } else {
        Ok(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> MediaTime {
        MediaTime::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_person_with_two_feeds_is_one() {
        let (ann, bob): (Arc<str>, Arc<str>) = ("~ann".into(), "~bob".into());
        let mut presence = Presence::default();
        assert!(presence.join(&ann) && presence.join(&ann) && presence.join(&bob));
        assert_eq!(presence.count(), 2);
        presence.leave(&ann);
        presence.leave(&bob);
        assert_eq!(presence.count(), 1);
    }

    #[test]
    fn a_mute_ends_by_itself_and_says_when() {
        let mut discipline = Discipline::default();
        let mute = Measure::Mute { person: "~bob".into(), dur: Span::from_secs(60) };
        discipline.take(&mute, at(100)).expect("in range");
        assert!(discipline.silenced("~bob", at(110)).expect("muted").contains("51 s"));
        assert_eq!(discipline.silenced("~ann", at(110)), None);
        assert_eq!(discipline.silenced("~bob", at(160)), None);
        discipline
            .take(&Measure::Ban { person: "~bob".into(), dur: Span::from_secs(1) }, at(200))
            .expect("ok");
        assert!(discipline.is_banned("~bob", at(200)) && !discipline.is_banned("~bob", at(201)));
        discipline.take(&Measure::Unban { person: "~bob".into() }, at(200)).expect("ok");
        assert!(
            !discipline.is_banned("~bob", at(200)) && discipline.muted.is_empty(),
            "the old mute is forgotten"
        );
        assert!(discipline.take(&Measure::Slow { every: Span::from_secs(-1) }, at(0)).is_err());
    }
}
