//! Tokens that count: how often one lets in, and how many at once (`uses` and `sessions` of its claims).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counted tokens that have not expired, at most; one more is refused, since forgetting one would let it in again.
const COUNTED_MAX: usize = 20_000;
/// Clients of one token that poll at once (HLS has no connection to hold a place), at most.
const POLLING_MAX: usize = 10_000;
/// A client that polls is gone after so long, seconds: several target durations.
const POLLED_WITHIN_S: u64 = 30;

/// What a token allows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Times it lets in.
    pub(crate) uses: Option<u32>,
    /// Places at once.
    pub(crate) sessions: Option<u32>,
    /// Seconds since the Unix epoch; then nothing of it needs to be remembered.
    pub(crate) expires: u64,
}

/// Why a good token does not let in now. The words are for whoever presented it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Spent {
    /// Replayed.
    #[error("this token has been used {0} times, all that its \"uses\" allows; ask for a new one")]
    Uses(u32),
    /// One more at once.
    #[error("this token lets {0} in at once (its \"sessions\"), and they are in; end one first")]
    Sessions(u32),
    /// The server's bound.
    #[error(
        "this server counts the uses of {COUNTED_MAX} tokens, its limit; try again when some have expired"
    )]
    Full,
}

/// What each counted token has let in so far.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    counted: Arc<Mutex<Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    tokens: HashMap<String, Count>,
    /// Names and ends of tokens that were used for the last time, for whoever keeps them over a restart.
    exhausted: Vec<(String, u64)>,
}

#[derive(Debug)]
struct Count {
    used: u32,
    holding: u32,
    /// Clients that poll, and when each is gone; one that comes back has been counted as a use before.
    polling: HashMap<u64, u64>,
    expires: u64,
}

/// A place that a token holds, until the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Held(Arc<Place>);

#[derive(Debug)]
struct Place {
    jti: String,
    counted: Arc<Mutex<Counted>>,
}

/// Two passes are the same if they hold the same place.
impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Held {}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counted.tokens.get_mut(&self.jti) {
            count.holding = count.holding.saturating_sub(1);
        }
    }
}

impl Uses {
    /// Would [`Self::hold`] give a place now?
    pub(crate) fn check(&self, jti: &str, allowance: Allowance, now: u64) -> Result<(), Spent> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.tokens.get(jti).map_or(Ok(()), |count| count.has_room(allowance, now))
    }

    /// One use, and a place for as long as the answer lives.
    pub(crate) fn hold(&self, jti: &str, allowance: Allowance, now: u64) -> Result<Held, Spent> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.enter(jti, allowance, now, |count| count.holding += 1)?;
        drop(counted);
        Ok(Held(Arc::new(Place { jti: jti.to_owned(), counted: self.counted.clone() })))
    }

    /// A place for a client that asks again and again, given back when it stays away, and one use when it comes first.
    pub(crate) fn poll(&self, jti: &str, allowance: Allowance, client: u64, now: u64) -> Result<(), Spent> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let until = now + POLLED_WITHIN_S;
        if let Some(count) = counted.tokens.get_mut(jti) {
            let is_inside = count.polling.get(&client).map(|until| *until > now);
            match is_inside {
                Some(true) => {}
                // It was away: its use is counted, its place has to be free again.
                Some(false) => count.has_places(allowance, now)?,
                None if count.polling.len() >= POLLING_MAX => {
                    count.polling.retain(|_, until| *until > now);
                    if count.polling.len() >= POLLING_MAX {
                        return Err(Spent::Sessions(POLLING_MAX as u32));
                    }
                }
                None => {}
            }
            if is_inside.is_some() {
                count.polling.insert(client, until);
                return Ok(());
            }
        }
        counted.enter(jti, allowance, now, |count| {
            count.polling.insert(client, until);
        })
    }

    /// A token that was used for the last time in an earlier life of this server.
    pub(crate) fn exhaust(&self, jti: &str, expires: u64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.tokens.len() < COUNTED_MAX {
            let count = counted.tokens.entry(jti.to_owned()).or_insert_with(|| Count::new(expires));
            count.used = u32::MAX;
        }
    }

    /// Tokens used for the last time since this was asked.
    pub(crate) fn take_exhausted(&self) -> Vec<(String, u64)> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut counted.exhausted)
    }
}

impl Counted {
    fn enter(
        &mut self,
        jti: &str,
        allowance: Allowance,
        now: u64,
        take: impl FnOnce(&mut Count),
    ) -> Result<(), Spent> {
        if self.tokens.len() >= COUNTED_MAX && !self.tokens.contains_key(jti) {
            // Only one that can come in no more may be forgotten.
            self.tokens.retain(|_, count| count.expires + super::token::SKEW_S > now);
            if self.tokens.len() >= COUNTED_MAX {
                return Err(Spent::Full);
            }
        }
        let count = self.tokens.entry(jti.to_owned()).or_insert_with(|| Count::new(allowance.expires));
        count.has_room(allowance, now)?;
        count.used = count.used.saturating_add(1);
        take(count);
        if allowance.uses == Some(count.used) {
            self.exhausted.push((jti.to_owned(), allowance.expires));
        }
        Ok(())
    }
}

impl Count {
    fn new(expires: u64) -> Self {
        Self { used: 0, holding: 0, polling: HashMap::new(), expires }
    }

    fn has_room(&self, allowance: Allowance, now: u64) -> Result<(), Spent> {
        match allowance.uses.filter(|uses| self.used >= *uses) {
            Some(uses) => Err(Spent::Uses(uses)),
            None => self.has_places(allowance, now),
        }
    }

    fn has_places(&self, allowance: Allowance, now: u64) -> Result<(), Spent> {
        let Some(sessions) = allowance.sessions else { return Ok(()) };
        let polling = self.polling.values().filter(|until| **until > now).count() as u32;
        let is_full = self.holding.saturating_add(polling) >= sessions;
        if is_full { Err(Spent::Sessions(sessions)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn allowance(uses: Option<u32>, sessions: Option<u32>) -> Allowance {
        Allowance { uses, sessions, expires: 1_000 }
    }

    #[test]
    fn a_token_used_up_is_refused_also_after_its_places_came_back_and_after_a_restart() {
        let uses = Uses::default();
        let twice = allowance(Some(2), None);
        drop(uses.hold("a", twice, 0).expect("first"));
        assert!(uses.take_exhausted().is_empty());
        uses.poll("a", twice, 7, 0).expect("second");
        assert_eq!(uses.hold("a", twice, 0).expect_err("replayed"), Spent::Uses(2));
        uses.poll("a", twice, 7, POLLED_WITHIN_S - 1).expect("the same client goes on");
        assert_eq!(uses.poll("a", twice, 8, 0).expect_err("another client"), Spent::Uses(2));
        let exhausted = uses.take_exhausted();
        assert_eq!(exhausted, [("a".to_owned(), 1_000)]);
        let restarted = Uses::default();
        restarted.exhaust("a", 1_000);
        assert_eq!(restarted.hold("a", twice, 0).expect_err("still"), Spent::Uses(2));
    }

    #[test]
    fn places_come_back_when_sessions_end_and_when_pollers_stay_away() {
        let uses = Uses::default();
        let two = allowance(None, Some(2));
        let held = uses.hold("a", two, 0).expect("one");
        uses.poll("a", two, 7, 0).expect("two");
        assert_eq!(uses.hold("a", two, 0).expect_err("full"), Spent::Sessions(2));
        let clone = held.clone();
        drop(held);
        assert!(uses.hold("a", two, 0).is_err(), "a clone holds it still");
        drop(clone);
        let _third = uses.hold("a", two, 0).expect("free again");
        assert!(uses.hold("a", two, 0).is_err());
        let _fourth = uses.hold("a", two, POLLED_WITHIN_S).expect("the poller is gone");
        assert_eq!(uses.poll("a", two, 7, POLLED_WITHIN_S).expect_err("and back"), Spent::Sessions(2));
    }

    #[test]
    fn a_player_that_paused_goes_on_with_its_one_use() {
        let uses = Uses::default();
        let once = allowance(Some(1), Some(1));
        uses.poll("a", once, 7, 0).expect("begins");
        uses.poll("a", once, 7, 10 * POLLED_WITHIN_S).expect("goes on after a pause");
        assert!(uses.check("a", once, 0).is_err() && uses.check("b", once, 0).is_ok());
    }
}
