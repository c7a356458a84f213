//! One open room, as everybody but its writer sees it.

use crate::{
    Latency, Notice, RoomsLimits,
    erasure::Erasure,
    judged::{self, Message, WAITING_MAX},
    people::{Discipline, Presence},
    rate::Rate,
    told::Told,
    writer::{Answer, World, Writer},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::task::TaskTracker;
use unisono_base::{MediaTime, RoomId};
use unisono_store::LogError;
use unisono_timeline::{Command, DecidedView, Sender, Types, audit::Undecided};

/// People whose rate is remembered; beyond it the longest silent are forgotten.
const RATES_MAX: usize = 20_000;

/// What is asked of a room's writer.
pub(crate) enum Work {
    Command {
        command: Command,
        sender: Box<Sender>,
        reply: oneshot::Sender<Answer>,
    },
    React {
        ty: String,
        key: String,
        every: Duration,
    },
    Subscribe {
        /// Whose own entries belong to it.
        person: Option<Arc<str>>,
        reply: oneshot::Sender<Result<Subscribed, LogError>>,
    },
    Decided {
        reply: oneshot::Sender<Result<Vec<DecidedView>, LogError>>,
    },
    Types(Arc<Types>),
    Erase {
        erasure: Box<Erasure>,
        reply: oneshot::Sender<Result<u64, LogError>>,
    },
    Undecided {
        reply: oneshot::Sender<Result<Undecided, LogError>>,
    },
    Lockstep(bool),
    /// `None`: the session ended.
    Latency {
        session: u64,
        latency: Option<Latency>,
    },
}

/// A feed's beginning.
pub(crate) struct Subscribed {
    pub(crate) live: broadcast::Receiver<Arc<Told>>,
    /// The last `seq` told when it began.
    pub(crate) last_seq: u64,
    pub(crate) standing: Standing,
    /// What the reader has in open windows and offers; `None` for nothing.
    pub(crate) mine: Option<Notice>,
    pub(crate) lockstep: Option<Notice>,
}

/// The room as it stood after event `seq`: the feed's message `{"type":"snapshot",…}`.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The last event in it.
    pub seq: u64,
    /// UTF-8 JSON.
    pub message: Bytes,
}

/// What writer and feeds share.
pub(crate) struct Shared {
    pub(crate) feed: broadcast::Sender<Arc<Told>>,
    told: AtomicU64,
    /// Something is open that ends by itself; the room must not be closed.
    is_busy: AtomicBool,
    people: Mutex<People>,
}

#[derive(Default)]
struct People {
    presence: Presence,
    discipline: Discipline,
    rates: HashMap<Arc<str>, (Rate, Option<Instant>)>,
}

/// See the module. Its writer ends with the last of its handles.
pub(crate) struct Room {
    id: RoomId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) work: mpsc::Sender<Work>,
    /// Made with the first message that is judged.
    judged: OnceLock<mpsc::Sender<Message>>,
    writers: TaskTracker,
    rate: Mutex<Rate>,
    used: Mutex<Instant>,
}

impl Room {
    /// Opens the room and starts its writer.
    pub(crate) fn open(
        id: RoomId,
        world: World,
        types: Arc<Types>,
        discipline: Discipline,
        now: Instant,
    ) -> Arc<Self> {
        let limits = world.limits;
        let people = People { discipline, ..People::default() };
        let shared = Arc::new(Shared {
            feed: broadcast::Sender::new(limits.buffer),
            told: AtomicU64::new(0),
            is_busy: AtomicBool::new(true),
            people: Mutex::new(people),
        });
        let (work, asked) = mpsc::channel(limits.posts_max);
        let writers = world.writers.clone();
        writers.spawn(Writer::new(world, id.clone(), shared.clone(), types).run(asked));
        let judged = OnceLock::new();
        let rate = Mutex::new(Rate::new(limits.events_per_second, limits.burst, now));
        Arc::new(Self { id, shared, work, judged, writers, rate, used: Mutex::new(now) })
    }

    pub(crate) fn id(&self) -> &RoomId {
        &self.id
    }

    /// The room as a whole takes one more.
    pub(crate) fn may_post(&self, now: Instant) -> bool {
        self.rate.lock().take(now)
    }

    /// Has a message judged before it comes to the writer; false where too many wait already.
    pub(crate) fn judge(&self, message: Message) -> bool {
        let judged = self.judged.get_or_init(|| {
            let (judged, messages) = mpsc::channel(WAITING_MAX);
            self.writers.spawn(judged::run(self.id.clone(), messages, self.work.clone()));
            judged
        });
        judged.try_send(message).is_ok()
    }

    pub(crate) fn touch(&self, now: Instant) {
        *self.used.lock() = now;
    }

    pub(crate) fn used(&self) -> Instant {
        *self.used.lock()
    }

    pub(crate) fn feeds(&self) -> usize {
        self.shared.feed.receiver_count()
    }

    /// Where a feed begins; `None` when the log cannot be read, or the room is being closed.
    pub(crate) async fn subscribe(&self, person: Option<Arc<str>>) -> Option<Subscribed> {
        let (reply, begin) = oneshot::channel();
        self.work.send(Work::Subscribe { person, reply }).await.ok()?;
        begin.await.ok()?.ok()
    }

    /// The windows decided last; `None` as for [`Self::subscribe`].
    pub(crate) async fn decided(&self) -> Option<Vec<DecidedView>> {
        let (reply, windows) = oneshot::channel();
        self.work.send(Work::Decided { reply }).await.ok()?;
        windows.await.ok()?.ok()
    }
}

impl Work {
    /// Tells whoever waits that it did not work.
    pub(crate) fn fail(self, error: &LogError) {
        match self {
            Self::Command { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Subscribe { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Erase { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Undecided { reply } => drop(reply.send(Err(error.clone()))),
            Self::Decided { reply } => drop(reply.send(Err(error.clone()))),
            Self::React { .. } | Self::Types(_) | Self::Lockstep(_) | Self::Latency { .. } => {}
        }
    }
}

impl Shared {
    /// `seq` of the last event that feeds may have.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    pub(crate) fn set_told(&self, seq: u64) {
        self.told.store(seq, Ordering::Release);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// One more feed of this person; false when the room is full.
    pub(crate) fn join(&self, person: &Arc<str>) -> bool {
        self.people.lock().presence.join(person)
    }

    pub(crate) fn leave(&self, person: &Arc<str>) {
        self.people.lock().presence.leave(person);
    }

    /// How many people are here, and whether that changed since it was asked.
    pub(crate) fn presence(&self) -> (usize, bool) {
        let mut people = self.people.lock();
        (people.presence.count(), std::mem::take(&mut people.presence.is_changed))
    }

    pub(crate) fn members(&self) -> usize {
        self.people.lock().presence.count()
    }

    pub(crate) fn discipline(&self) -> Discipline {
        self.people.lock().discipline.clone()
    }

    pub(crate) fn set_discipline(&self, discipline: Discipline) {
        self.people.lock().discipline = discipline;
    }

    pub(crate) fn is_banned(&self, person: &str, now: MediaTime) -> bool {
        self.people.lock().discipline.is_banned(person, now)
    }

    /// Why this person may not say anything now: banned, muted, or too fast. `is_slowed`: slow mode is for it.
    pub(crate) fn silenced(
        &self,
        person: &Arc<str>,
        limits: &RoomsLimits,
        is_slowed: bool,
        (now, wall): (Instant, MediaTime),
    ) -> Option<String> {
        let mut people = self.people.lock();
        if let Some(words) = people.discipline.silenced(person, wall) {
            return Some(words);
        }
        let every = Duration::from_micros(people.discipline.slow.as_micros().max(0).unsigned_abs());
        if people.rates.len() >= RATES_MAX && !people.rates.contains_key(person) {
            people.rates.retain(|_, (rate, said)| {
                !rate.is_full(now) || said.is_some_and(|said| now.saturating_duration_since(said) < every)
            });
            if people.rates.len() >= RATES_MAX {
                forget_oldest(&mut people.rates);
            }
        }
        let fresh = || (Rate::new(limits.person_per_second, limits.person_burst, now), None);
        let (rate, said) = people.rates.entry(person.clone()).or_insert_with(fresh);
        if !rate.take(now) {
            return Some(format!(
                "you may say {} things a second; try again in a second",
                limits.person_per_second
            ));
        }
        if is_slowed && !every.is_zero() {
            if let Some(left) = said.and_then(|said| (said + every).checked_duration_since(now)) {
                return Some(format!("slow mode: you may say something again in {} s", left.as_secs() + 1));
            }
            *said = Some(now);
        }
        None
    }
}
/// Makes room for others: a part of those who have been silent longest, so that it need not be done for each newcomer.
fn forget_oldest(rates: &mut HashMap<Arc<str>, (Rate, Option<Instant>)>) {
    let mut last: Vec<_> = rates.values().map(|(rate, _)| rate.last()).collect();
    let part = last.len() / 16;
    let (_, oldest, _) = last.select_nth_unstable(part);
    let oldest = *oldest;
    rates.retain(|_, (rate, _)| rate.last() > oldest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_spoke_just_now_is_not_forgotten_for_the_sake_of_newcomers() {
        let start = Instant::now();
        let mut rates = HashMap::new();
        for number in 0..160_u64 {
            let mut rate = Rate::new(5, 20, start);
            rate.take(start + Duration::from_millis(number));
            rates.insert(Arc::from(format!("~{number}")), (rate, None));
        }
        forget_oldest(&mut rates);
        assert_eq!(rates.len(), 149);
        assert!(!rates.contains_key("~10") && rates.contains_key("~11") && rates.contains_key("~159"));
    }
}
