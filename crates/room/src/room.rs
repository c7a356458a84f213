//! One open room, as everybody but its writer sees it.

use crate::{
    Batch, Latency, Notice, RoomError, RoomsLimits, Upstream,
    erasure::Erasure,
    judged::{self, Message, WAITING_MAX},
    mirror::Mirror,
    people::{Discipline, Presence},
    rate::Rate,
    told::Told,
    writer::{Answer, World, Writer},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use unisono_base::{MediaTime, RoomId};
use unisono_store::RoomLog;
use unisono_timeline::{
    Body, Command, DecidedView, Event, Sender, Types,
    audit::{Base, Undecided},
};

/// People whose rate is remembered; beyond it the longest silent are forgotten.
const RATES_MAX: usize = 20_000;

/// Events read from the log at once.
const PAGE: usize = 256;

/// What is asked of a room's writer, or of its mirror.
pub(crate) enum Work {
    Command {
        command: Command,
        sender: Box<Sender>,
        /// It may have been carried out already: its answer was lost between two nodes.
        is_again: bool,
        reply: oneshot::Sender<Answer>,
    },
    React {
        ty: String,
        key: String,
        count: u64,
        every: Duration,
    },
    Subscribe {
        /// Whose own entries belong to it.
        person: Option<Arc<str>>,
        /// What came just now may follow as events.
        is_feed: bool,
        reply: oneshot::Sender<Result<Subscribed, RoomError>>,
    },
    /// The next events of the order from `from` on; only of a mirror, which has no log to read them from.
    Page {
        from: u64,
        reply: oneshot::Sender<Result<Option<Batch>, RoomError>>,
    },
    Decided {
        reply: oneshot::Sender<Result<Vec<DecidedView>, RoomError>>,
    },
    Types(Arc<Types>),
    Erase {
        erasure: Box<Erasure>,
        reply: oneshot::Sender<Result<u64, RoomError>>,
    },
    Undecided {
        reply: oneshot::Sender<Result<Undecided, RoomError>>,
    },
    /// What the log must keep.
    KeepFrom {
        reply: oneshot::Sender<Result<u64, RoomError>>,
    },
    /// The log begins behind this entry now.
    Trimmed(Base),
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
    /// People present, at whatever node.
    pub(crate) members: usize,
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
    /// Tells nodes that mirror the room of another discipline, and of other types.
    pub(crate) ruled: watch::Sender<()>,
    /// Of a mirror: the types of the node that has the room, as far as they are known.
    types: Mutex<Option<Arc<Types>>>,
    /// It goes on elsewhere.
    is_ended: AtomicBool,
}

#[derive(Default)]
struct People {
    presence: Presence,
    discipline: Discipline,
    rates: HashMap<Arc<str>, (Rate, Option<Instant>)>,
    /// People and viewers at nodes that mirror this room.
    elsewhere: BTreeMap<u64, Crowd>,
}

/// How many are somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Crowd {
    /// In the room.
    pub(crate) members: usize,
    /// Who watch its stream.
    pub(crate) viewers: usize,
}

/// See the module. Its writer ends with the last of its handles.
pub(crate) struct Room {
    id: RoomId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) work: mpsc::Sender<Work>,
    /// Where its events are kept; `None` of a mirror.
    log: Option<Arc<dyn RoomLog>>,
    /// Made with the first message that is judged.
    judged: OnceLock<mpsc::Sender<Message>>,
    writers: TaskTracker,
    /// What moderators and hosts post, and what all others do: nobody's flood silences who runs the room.
    rates: Mutex<[Rate; 2]>,
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
        let shared = Arc::new(Shared::new(world.limits.buffer, true));
        shared.people.lock().discipline = discipline;
        let (room, asked) = Self::assemble(id.clone(), &world, shared.clone(), Some(world.log.clone()), now);
        room.writers.spawn(Writer::new(world, id, shared, types).run(asked));
        room
    }

    /// Opens a mirror of a room whose sequencer is at another node. `path`: the nodes that ask for it by this one.
    pub(crate) fn open_mirror(
        id: RoomId,
        world: World,
        upstream: Arc<dyn Upstream>,
        path: Vec<u64>,
        now: Instant,
    ) -> Arc<Self> {
        let shared = Arc::new(Shared::new(world.limits.buffer, false));
        let (room, asked) = Self::assemble(id.clone(), &world, shared.clone(), None, now);
        room.writers.spawn(Mirror::new(&world, id, shared, (upstream, path)).run(asked));
        room
    }

    fn assemble(
        id: RoomId,
        world: &World,
        shared: Arc<Shared>,
        log: Option<Arc<dyn RoomLog>>,
        now: Instant,
    ) -> (Arc<Self>, mpsc::Receiver<Work>) {
        let limits = world.limits;
        let (work, asked) = mpsc::channel(limits.posts_max);
        let rates = Mutex::new([(); 2].map(|()| Rate::new(limits.events_per_second, limits.burst, now)));
        let writers = world.writers.clone();
        let judged = OnceLock::new();
        (Arc::new(Self { id, shared, work, log, judged, writers, rates, used: Mutex::new(now) }), asked)
    }

    /// Its sequencer is at another node.
    pub(crate) fn is_mirror(&self) -> bool {
        self.log.is_none()
    }

    /// Ends its feeds: the room goes on elsewhere.
    pub(crate) fn end(&self) {
        self.shared.is_ended.store(true, Ordering::Release);
        let _ = self.shared.feed.send(Arc::new(Told::Over));
    }

    /// See [`Self::end`].
    pub(crate) fn is_ended(&self) -> bool {
        self.shared.is_ended.load(Ordering::Acquire)
    }

    pub(crate) fn id(&self) -> &RoomId {
        &self.id
    }

    /// The room as a whole takes one more.
    pub(crate) fn may_post(&self, is_moderator: bool, now: Instant) -> bool {
        self.rates.lock()[usize::from(is_moderator)].take(now)
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

    /// Where a feed begins. Errors when the log cannot be read, the node that has the room is away, or the room is being
    /// closed.
    pub(crate) async fn subscribe(&self, person: Option<Arc<str>>) -> Result<Subscribed, RoomError> {
        self.enter(person, true).await
    }

    /// The room as it stands this moment, all that was acknowledged included. Errors as of [`Self::subscribe`].
    pub(crate) async fn look(&self) -> Result<Subscribed, RoomError> {
        self.enter(None, false).await
    }

    async fn enter(&self, person: Option<Arc<str>>, is_feed: bool) -> Result<Subscribed, RoomError> {
        let (reply, begin) = oneshot::channel();
        self.work.send(Work::Subscribe { person, is_feed, reply }).await.map_err(|_| RoomError::Closing)?;
        begin.await.map_err(|_| RoomError::Closing)?
    }

    /// The windows decided last. Errors as of [`Self::subscribe`].
    pub(crate) async fn decided(&self) -> Result<Vec<DecidedView>, RoomError> {
        let (reply, windows) = oneshot::channel();
        self.work.send(Work::Decided { reply }).await.map_err(|_| RoomError::Closing)?;
        windows.await.map_err(|_| RoomError::Closing)?
    }

    /// The next events from `seq` on that feeds may have, or from the oldest one kept; `None` where there are none.
    pub(crate) async fn page(&self, seq: u64) -> Result<Option<Batch>, RoomError> {
        let Some(log) = &self.log else {
            let (reply, page) = oneshot::channel();
            self.work.send(Work::Page { from: seq, reply }).await.map_err(|_| RoomError::Closing)?;
            return page.await.map_err(|_| RoomError::Closing)?;
        };
        let told = self.shared.told();
        let page = log.read_events(&self.id, seq, PAGE).await?;
        let events: Vec<Arc<Event>> = page
            .entries
            .into_iter()
            .filter_map(|sealed| match sealed.entry.body {
                // What is durable and not told yet may be held by a release gate.
                Body::Event(event) if event.seq <= told => Some(event),
                Body::Event(_) | Body::Hidden(_) => None,
            })
            .collect();
        if events.is_empty() {
            return Ok(None);
        }
        let batch = Batch::new(&events);
        batch.map(Some).map_err(|error| RoomError::Refused(format!("events that are no JSON: {error}")))
    }
}

impl Work {
    /// Tells whoever waits that it did not work.
    pub(crate) fn fail(self, error: &RoomError) {
        match self {
            Self::Command { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Subscribe { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Page { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Erase { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Undecided { reply } => drop(reply.send(Err(error.clone()))),
            Self::KeepFrom { reply } => drop(reply.send(Err(error.clone()))),
            Self::Decided { reply } => drop(reply.send(Err(error.clone()))),
            Self::Trimmed(_)
            | Self::React { .. }
            | Self::Types(_)
            | Self::Lockstep(_)
            | Self::Latency { .. } => {}
        }
    }
}

impl Shared {
    fn new(buffer: usize, is_busy: bool) -> Self {
        Self {
            feed: broadcast::Sender::new(buffer),
            told: AtomicU64::new(0),
            is_busy: AtomicBool::new(is_busy),
            people: Mutex::default(),
            ruled: watch::Sender::default(),
            types: Mutex::default(),
            is_ended: AtomicBool::new(false),
        }
    }

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

    /// How many people are in the room, here and at nodes that mirror it, how many viewers there are at those nodes, and
    /// whether people came or went since it was asked.
    pub(crate) fn presence(&self) -> (Crowd, bool) {
        let mut people = self.people.lock();
        (people.crowd(), std::mem::take(&mut people.presence.is_changed))
    }

    /// The people of [`Self::presence`].
    pub(crate) fn members(&self) -> usize {
        self.people.lock().crowd().members
    }

    /// So many are at another node; `None`: it mirrors the room no longer.
    pub(crate) fn set_elsewhere(&self, node: u64, crowd: Option<Crowd>) {
        let mut people = self.people.lock();
        let before = match crowd {
            Some(crowd) => people.elsewhere.insert(node, crowd),
            None => people.elsewhere.remove(&node),
        };
        people.presence.is_changed |= before != crowd;
    }

    pub(crate) fn discipline(&self) -> Discipline {
        self.people.lock().discipline.clone()
    }

    pub(crate) fn set_discipline(&self, discipline: Discipline) {
        self.people.lock().discipline = discipline;
        self.ruled.send_replace(());
    }

    /// See [`Self::set_types`].
    pub(crate) fn types(&self) -> Option<Arc<Types>> {
        self.types.lock().clone()
    }

    /// The types in force where the room is.
    pub(crate) fn set_types(&self, types: Arc<Types>) {
        *self.types.lock() = Some(types);
        self.ruled.send_replace(());
    }

    pub(crate) fn is_banned(&self, person: &str, now: MediaTime) -> bool {
        self.people.lock().discipline.is_banned(person, now)
    }

    /// Why this person may not say anything now: banned or muted.
    pub(crate) fn silenced(&self, person: &str, now: MediaTime) -> Option<String> {
        self.people.lock().discipline.silenced(person, now)
    }

    /// Why this person has to wait: it says too much. `is_slowed`: slow mode is for it.
    pub(crate) fn hasty(
        &self,
        person: &Arc<str>,
        limits: &RoomsLimits,
        is_slowed: bool,
        now: Instant,
    ) -> Option<String> {
        let mut people = self.people.lock();
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

impl People {
    fn crowd(&self) -> Crowd {
        let here = Crowd { members: self.presence.count(), viewers: 0 };
        self.elsewhere.values().fold(here, |sum, there| Crowd {
            members: sum.members.saturating_add(there.members),
            viewers: sum.viewers.saturating_add(there.viewers),
        })
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
    fn a_crowd_larger_than_what_is_remembered_stays_bounded_and_frees_nobody_who_floods() {
        let shared = Shared::new(1, false);
        let limits = RoomsLimits { person_per_second: 1, person_burst: 2, ..RoomsLimits::default() };
        let start = Instant::now();
        let loud: Arc<str> = "~loud".into();
        let mut refused = Vec::new();
        // Within a quarter of a second: nobody's bucket is full again.
        for number in 0..RATES_MAX as u64 + 5_000 {
            let now = start + Duration::from_micros(number * 10);
            let newcomer = Arc::from(format!("~{number}"));
            assert_eq!(shared.hasty(&newcomer, &limits, true, now), None, "{number}");
            if number % 1_000 == 0 {
                refused.push(shared.hasty(&loud, &limits, true, now).is_some());
            }
            assert!(shared.people.lock().rates.len() <= RATES_MAX);
        }
        assert_eq!(refused, [vec![false; 2], vec![true; 23]].concat(), "also after others were forgotten");
    }

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
