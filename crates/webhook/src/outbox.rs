//! What goes out next, to one endpoint. Pure: time and chance are arguments.
//!
//! Each stream is a lane; only the first message of a lane is under way, so a stream's messages arrive in order, and a
//! message that the receiver does not take holds up its own stream only.

use crate::event::Message;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// Messages kept; the oldest makes room.
pub(crate) const MESSAGES_MAX: usize = 1_000;
/// Messages under way at once.
const FLIGHTS_MAX: usize = 8;
/// Wait after the first failure; doubled after each further one.
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A message that was not taken in so many attempts, half a day or so, is given up.
const ATTEMPTS_MAX: u32 = 150;

/// Place of a message in the order of all, also after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seq(pub(crate) u64);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<String, Lane>,
    count: usize,
    flights: usize,
}

#[derive(Debug)]
struct Lane {
    waiting: VecDeque<(Seq, Message)>,
    attempts: u32,
    due: Instant,
    is_under_way: bool,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken,
    /// Not taken; the receiver may have said how long to wait.
    Failed {
        retry_after: Option<Duration>,
    },
}

/// What the caller has to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Forget it: it was taken.
    Forget,
    /// Forget it: it will never be taken.
    GiveUp,
    /// It stays.
    Retry { after: Duration },
}

impl Outbox {
    /// A message more. Returns the one that was dropped to make room: the oldest that is not under way.
    pub(crate) fn push(&mut self, seq: Seq, message: Message, now: Instant) -> Option<(Seq, Message)> {
        let dropped = if self.count >= MESSAGES_MAX { self.drop_oldest() } else { None };
        let lane = self.lanes.entry(message.stream.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            attempts: 0,
            due: now,
            is_under_way: false,
        });
        lane.waiting.push_back((seq, message));
        self.count += 1;
        dropped
    }

    /// A message to send now; call until `None`. Oldest first.
    pub(crate) fn poll_due(&mut self, now: Instant) -> Option<(Seq, Message)> {
        if self.flights >= FLIGHTS_MAX {
            return None;
        }
        let ready = self.lanes.values_mut().filter(|lane| !lane.is_under_way && lane.due <= now);
        let lane = ready.min_by_key(|lane| lane.waiting.front().map(|(seq, _)| *seq))?;
        lane.is_under_way = true;
        self.flights += 1;
        lane.waiting.front().cloned()
    }

    /// When [`Self::poll_due`] may have one, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let idle = self.lanes.values().filter(|lane| !lane.is_under_way);
        if self.flights >= FLIGHTS_MAX { None } else { idle.map(|lane| lane.due).min() }
    }

    /// The attempt at the first message of `stream` is over. `chance` from 0 to 1.
    pub(crate) fn handle_outcome(
        &mut self,
        stream: &str,
        outcome: Outcome,
        now: Instant,
        chance: f64,
    ) -> Done {
        let Some(lane) = self.lanes.get_mut(stream) else { return Done::Forget };
        lane.is_under_way = false;
        self.flights -= 1;
        lane.attempts += 1;
        let done = match outcome {
            Outcome::Taken => Done::Forget,
            Outcome::Failed { .. } if lane.attempts >= ATTEMPTS_MAX => Done::GiveUp,
            Outcome::Failed { retry_after } => {
                let after =
                    backoff(lane.attempts, chance).max(retry_after.unwrap_or_default().min(BACKOFF_MAX));
                lane.due = now + after;
                return Done::Retry { after };
            }
        };
        lane.waiting.pop_front();
        (lane.attempts, lane.due) = (0, now);
        self.count -= 1;
        if lane.waiting.is_empty() {
            self.lanes.remove(stream);
        }
        done
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    fn drop_oldest(&mut self) -> Option<(Seq, Message)> {
        let droppable = |lane: &Lane| usize::from(lane.is_under_way);
        let oldest = |(_, lane): &(&String, &Lane)| lane.waiting.get(droppable(lane)).map(|(seq, _)| *seq);
        let lanes = self.lanes.iter().filter(|entry| oldest(entry).is_some());
        let stream = lanes.min_by_key(oldest)?.0.clone();
        let lane = self.lanes.get_mut(&stream)?;
        let dropped = lane.waiting.remove(droppable(lane));
        self.count -= 1;
        if lane.waiting.is_empty() {
            self.lanes.remove(&stream);
        }
        dropped
    }
}

/// Doubled each time, of which chance takes up to half away, so that many nodes do not come back at once.
fn backoff(attempts: u32, chance: f64) -> Duration {
    let full = BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(BACKOFF_MAX);
    full.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests;
