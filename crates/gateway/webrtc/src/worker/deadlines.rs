//! When a worker's sessions want to be called.
//!
//! Most of what a session waits for is not urgent to some milliseconds: its next sender report, a consent check, silence that has
//! lasted too long. With a few hundred viewers these would wake the worker hundreds of times a second. They are met along
//! with what wakes it anyway, a frame as a rule, and wake it by themselves only when that stays away.

use crate::SessionId;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// What can wait waits so long at most.
const SLACK: Duration = Duration::from_millis(20);

/// When a session wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Then.
    At(Instant),
    /// Then, or up to [`SLACK`] later.
    About(Instant),
}

/// One entry per session that waits for a time.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    exact: BTreeSet<(Instant, SessionId)>,
    slack: BTreeSet<(Instant, SessionId)>,
}

impl Due {
    /// No sooner than `earliest`.
    pub(super) fn no_sooner(self, earliest: Instant) -> Self {
        match self {
            Self::At(at) => Self::At(at.max(earliest)),
            Self::About(at) => Self::About(at.max(earliest)),
        }
    }
}

impl Deadlines {
    /// Puts `due` in the place of what the session waited for, which it keeps in `place`.
    pub(super) fn set(&mut self, id: SessionId, place: &mut Option<Due>, due: Due) {
        if *place != Some(due) {
            self.clear(id, place);
            *place = Some(due);
            let (set, at) = self.of(due);
            set.insert((at, id));
        }
    }

    /// The session waits for nothing.
    pub(super) fn clear(&mut self, id: SessionId, place: &mut Option<Due>) {
        if let Some(due) = place.take() {
            let (set, at) = self.of(due);
            set.remove(&(at, id));
        }
    }

    /// When the worker has to wake up for them.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let exact = self.exact.first().map(|(at, _)| *at);
        let slack = self.slack.first().map(|(at, _)| *at + SLACK);
        exact.into_iter().chain(slack).min()
    }

    /// Takes out the next session to be called at `now`; its place is to be emptied.
    pub(super) fn pop(&mut self, now: Instant) -> Option<SessionId> {
        [&mut self.exact, &mut self.slack].into_iter().find_map(|set| {
            set.first().is_some_and(|(at, _)| *at <= now).then(|| set.pop_first()).flatten().map(|(_, id)| id)
        })
    }

    fn of(&mut self, due: Due) -> (&mut BTreeSet<(Instant, SessionId)>, Instant) {
        match due {
            Due::At(at) => (&mut self.exact, at),
            Due::About(at) => (&mut self.slack, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_wait_is_met_along_the_way_and_wakes_nobody_before_it_must() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let [one, two] = [1, 2].map(SessionId::from_bits);
        let (mut deadlines, mut first, mut second) = (Deadlines::default(), None, None);
        assert_eq!(deadlines.wakes_at(), None);
        deadlines.set(one, &mut first, Due::About(start + ms(10)));
        assert_eq!(deadlines.wakes_at(), Some(start + ms(10) + SLACK));
        deadlines.set(two, &mut second, Due::At(start + ms(12)));
        assert_eq!(deadlines.wakes_at(), Some(start + ms(12)));

        assert_eq!(deadlines.pop(start + ms(9)), None);
        assert_eq!(deadlines.pop(start + ms(12)), Some(two));
        assert_eq!(deadlines.pop(start + ms(12)), Some(one), "the worker is awake");
        assert_eq!((deadlines.pop(start + ms(60)), deadlines.wakes_at()), (None, None));
    }

    #[test]
    fn a_session_waits_for_one_thing_at_a_time() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let id = SessionId::from_bits(1);
        let (mut deadlines, mut place) = (Deadlines::default(), None);
        for due in [Due::At(start + ms(5)), Due::About(start + ms(5)), Due::At(start + ms(7))] {
            deadlines.set(id, &mut place, due);
        }
        assert_eq!((deadlines.wakes_at(), place), (Some(start + ms(7)), Some(Due::At(start + ms(7)))));
        deadlines.clear(id, &mut place);
        assert_eq!((deadlines.wakes_at(), place), (None, None));
        assert_eq!(Due::At(start).no_sooner(start + ms(1)), Due::At(start + ms(1)));
        assert_eq!(Due::About(start + ms(2)).no_sooner(start + ms(1)), Due::About(start + ms(2)));
    }
}
