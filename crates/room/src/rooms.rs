//! All rooms of a node, opened when somebody needs them and closed when nobody does.

use crate::{
    BlockedWords, Feed, Judge, Keeper, Latency, Measure, RoomError, Start, Upstream,
    judged::{Message, WAITING_MAX},
    people::Discipline,
    room::{Room, Work},
    writer::{Answer, World},
};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;
use unisono_base::{MediaTime, NodeClock, RoomId, Span};
use unisono_hub::Hub;
use unisono_store::RoomLog;
use unisono_timeline::{
    Ack, Command, DecidedView, Event, EventType, Person, Role, Seen, Sender, Types, Verb, Witness,
    audit::Signer,
};

mod elsewhere;
mod proof;
mod retention;

pub use retention::KeepFor;

/// How long an unused room stays open.
const IDLE: Duration = Duration::from_secs(60);

/// Bounds of a node's rooms. At each the caller is refused, in words.
#[derive(Clone, Copy, Debug)]
pub struct RoomsLimits {
    /// Rooms open at once.
    pub rooms_max: usize,
    /// Feeds of one room.
    pub feeds_max: usize,
    /// What waits for a room's writer.
    pub posts_max: usize,
    /// Commands a room takes per second, on average.
    pub events_per_second: u32,
    /// Commands a room takes at once.
    pub burst: u32,
    /// Commands one person may send per second, on average. Hosts and the tenant's systems are not counted.
    pub person_per_second: u32,
    /// Commands one person may send at once.
    pub person_burst: u32,
    /// Messages that a feed may be behind before it reads from the log instead.
    pub buffer: usize,
}

impl Default for RoomsLimits {
    fn default() -> Self {
        Self {
            rooms_max: 4_096,
            feeds_max: 10_000,
            posts_max: 4_096,
            events_per_second: 10_000,
            burst: 20_000,
            person_per_second: 5,
            person_burst: 20,
            buffer: 256,
        }
    }
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Who.
    pub person: Person,
    /// What they may do.
    pub role: Role,
}

/// What the server knows of a sender's view beside the stream itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Least round trip of the connection; zero where nothing is known.
    pub rtt_min: Span,
    /// B_p: how much a player of the protocol may hold back.
    pub buffer: Span,
    /// What the sender says to have seen.
    pub claimed: Option<Seen>,
}

/// What is open, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open rooms.
    pub rooms: usize,
    /// Open feeds.
    pub feeds: usize,
}

/// See the module.
pub struct Rooms {
    world: World,
    types: RwLock<Arc<Types>>,
    keeper: Option<Keeper>,
    blocked: RwLock<BlockedWords>,
    judge: RwLock<Option<Arc<dyn Judge>>>,
    /// The tenant's own types; one change at a time.
    own: tokio::sync::Mutex<Vec<EventType>>,
    /// Mutes, bans and slow mode, also of rooms that are closed.
    disciplines: Mutex<HashMap<RoomId, Discipline>>,
    /// Held while a measure is taken and kept.
    measuring: tokio::sync::Mutex<()>,
    open: Mutex<HashMap<RoomId, Arc<Room>>>,
    /// Held while a log is verified.
    reports: tokio::sync::Mutex<()>,
    keep_for: watch::Sender<KeepFor>,
    /// Where rooms are that are not here.
    upstream: RwLock<Option<Arc<dyn Upstream>>>,
    /// Rooms whose log is at this node, where there is an upstream.
    kept: Mutex<HashSet<RoomId>>,
}

impl Rooms {
    /// No rooms yet, nothing kept but the log. Events go into `log` first, then into the streams of `hub`.
    pub fn new(hub: Arc<Hub>, log: Arc<dyn RoomLog>, clock: NodeClock, limits: RoomsLimits) -> Arc<Self> {
        Arc::new(Self::assemble(
            World { hub, log, clock, signer: None, limits, writers: TaskTracker::new() },
            None,
        ))
    }

    /// With what `keeper` kept; `signer` signs checkpoints.
    pub async fn open(
        hub: Arc<Hub>,
        log: Arc<dyn RoomLog>,
        clock: NodeClock,
        (keeper, signer): (Keeper, Arc<Signer>),
        limits: RoomsLimits,
    ) -> Result<Arc<Self>, RoomError> {
        let mut own = Vec::new();
        for ty in keeper.types().await? {
            let name = ty.name.clone();
            match Types::new([ty.clone()]) {
                Ok(_) => own.push(ty),
                Err(error) => tracing::warn!(name, %error, "a type is left out"),
            }
        }
        let types = Types::new(own.clone()).map_err(|error| RoomError::Refused(error.to_string()))?;
        let disciplines = keeper.disciplines().await?.into_iter().collect();
        let mut rooms = Self::assemble(
            World { hub, log, clock, signer: Some(signer), limits, writers: TaskTracker::new() },
            Some(keeper),
        );
        rooms.types = RwLock::new(Arc::new(types));
        rooms.own = tokio::sync::Mutex::new(own);
        rooms.disciplines = Mutex::new(disciplines);
        Ok(Arc::new(rooms))
    }

    fn assemble(world: World, keeper: Option<Keeper>) -> Self {
        Self {
            world,
            types: RwLock::default(),
            keeper,
            blocked: RwLock::default(),
            judge: RwLock::default(),
            own: tokio::sync::Mutex::default(),
            disciplines: Mutex::default(),
            measuring: tokio::sync::Mutex::default(),
            open: Mutex::default(),
            reports: tokio::sync::Mutex::default(),
            keep_for: watch::Sender::default(),
            upstream: RwLock::default(),
            kept: Mutex::default(),
        }
    }

    /// Carries a command to its end: ordered, durable and told when this returns. The same `cmd_id` again gives the first
    /// answer again. Also the event it made, where there is one.
    pub async fn command(
        &self,
        room: RoomId,
        command: Command,
        visitor: &Visitor,
        view: View,
    ) -> Result<(Ack, Option<Arc<Event>>), RoomError> {
        match self.submit(&room, command, visitor, view)? {
            Submitted::Done(ack) => Ok((ack, None)),
            Submitted::Waiting(answer) => answer.come().await,
        }
    }

    /// The same, with the answer to be waited for: commands submitted one after the other are carried out in that order.
    /// Once submitted a command is carried on even if the caller goes away, so that log and room never disagree.
    pub fn submit(
        &self,
        room: &RoomId,
        command: Command,
        visitor: &Visitor,
        view: View,
    ) -> Result<Submitted, RoomError> {
        let now = Instant::now();
        let room = self.room(room, now)?;
        self.may(&room, &command, visitor, now)?;
        if let Some(ack) = self.counted(&room, &command, visitor.role)? {
            return Ok(Submitted::Done(ack));
        }
        let sender = Box::new(Sender {
            person: visitor.person.clone(),
            role: visitor.role,
            witness: self.witness(&room, view, now),
        });
        self.pass_on(&room, command, sender, false)
    }

    /// To the room's writer, by its judge where it has one; to its mirror as it is.
    fn pass_on(
        &self,
        room: &Room,
        command: Command,
        sender: Box<Sender>,
        is_again: bool,
    ) -> Result<Submitted, RoomError> {
        let (reply, answer) = oneshot::channel();
        match self.judge_of(&command, sender.role).filter(|_| !room.is_mirror()) {
            Some(judge) => {
                if !room.judge(Message { judge, command, sender, is_again, reply }) {
                    return Err(RoomError::Busy(WAITING_MAX));
                }
            }
            None => self.ask(room, Work::Command { command, sender, is_again, reply })?,
        }
        Ok(Submitted::Waiting(Waiting(answer)))
    }

    /// A feed for somebody present, or for a visitor nobody counts (`None`). Dropping it ends it.
    pub async fn subscribe(
        &self,
        room: RoomId,
        start: Start,
        visitor: Option<&Visitor>,
    ) -> Result<Feed, RoomError> {
        let room = self.room(&room, Instant::now())?;
        if room.feeds() >= self.world.limits.feeds_max {
            return Err(RoomError::TooManyFeeds(self.world.limits.feeds_max));
        }
        let person = visitor.map(|visitor| visitor.person.id.clone());
        let begin = room.subscribe(person).await?;
        if let Some(visitor) = visitor {
            if room.shared.is_banned(&visitor.person.id, self.now()) {
                return Err(RoomError::Banned);
            }
            if !room.shared.join(&visitor.person.id) {
                return Err(RoomError::Crowded);
            }
        }
        let person = visitor.map(|visitor| visitor.person.clone());
        Ok(Feed::new(room, begin, start, person))
    }

    /// The last `seq` told in a room, its number of feeds, and the room as it stands.
    pub async fn look(&self, room: RoomId) -> Result<Look, RoomError> {
        let room = self.room(&room, Instant::now())?;
        let begin = room.look().await?;
        drop(begin.live);
        Ok(Look {
            seq: begin.last_seq,
            feeds: room.feeds(),
            members: begin.members,
            standing: begin.standing.message,
        })
    }

    /// The windows decided last, oldest first; what a release gate holds is not among them yet.
    pub async fn decided(&self, room: &RoomId) -> Result<Vec<DecidedView>, RoomError> {
        self.room(room, Instant::now())?.decided().await
    }

    /// Mutes, bans, slows, from now on and after a restart.
    pub async fn measure(&self, room: &RoomId, measure: &Measure) -> Result<Discipline, RoomError> {
        // Each is written with all before it: what is written last must be what stands.
        let _turn = self.measuring.lock().await;
        let discipline = self.measure_now(room, measure)?;
        if let Some(keeper) = &self.keeper {
            keeper.keep_discipline(room, &discipline).await?;
        }
        Ok(discipline)
    }

    fn measure_now(&self, room: &RoomId, measure: &Measure) -> Result<Discipline, RoomError> {
        let open = self.room(room, Instant::now())?;
        let mut discipline = open.shared.discipline();
        discipline.take(measure, self.now())?;
        open.shared.set_discipline(discipline.clone());
        self.disciplines.lock().insert(room.clone(), discipline.clone());
        Ok(discipline)
    }

    /// Mutes, bans and slow mode that stand now.
    pub fn discipline(&self, room: &RoomId) -> Result<Discipline, RoomError> {
        let mut discipline = self.room(room, Instant::now())?.shared.discipline();
        discipline.forget_over(self.now());
        Ok(discipline)
    }

    /// This person is out for a while.
    pub fn is_banned(&self, feed: &Feed, person: &Person) -> bool {
        feed.room().shared.is_banned(&person.id, self.now())
    }

    /// Registers a type of the tenant's own, or changes it. Windows that are open keep the terms they began with.
    pub async fn register(&self, ty: EventType) -> Result<(), RoomError> {
        let mut own = self.own.lock().await;
        let others = own.iter().filter(|other| other.name != ty.name).cloned();
        let next: Vec<_> = others.chain([ty.clone()]).collect();
        let types = Types::new(next.clone()).map_err(|error| RoomError::Refused(error.to_string()))?;
        if let Some(keeper) = &self.keeper {
            keeper.keep_type(&ty).await?;
        }
        *own = next;
        self.set_types(Arc::new(types));
        Ok(())
    }

    /// Takes a type of the tenant's own away; what was said with it stays.
    pub async fn unregister(&self, name: &str) -> Result<(), RoomError> {
        let mut own = self.own.lock().await;
        let next: Vec<_> = own.iter().filter(|other| other.name != name).cloned().collect();
        if next.len() == own.len() {
            return Err(RoomError::NoSuchType(name.to_owned()));
        }
        let types = Types::new(next.clone()).map_err(|error| RoomError::Refused(error.to_string()))?;
        if let Some(keeper) = &self.keeper {
            keeper.forget_type(name).await?;
        }
        *own = next;
        self.set_types(Arc::new(types));
        Ok(())
    }

    fn set_types(&self, types: Arc<Types>) {
        *self.types.write() = types.clone();
        for room in self.open.lock().values() {
            // A room that is too busy to take them now gets them when it is opened anew.
            let _ = room.work.try_send(Work::Types(types.clone()));
            room.shared.ruled.send_replace(());
        }
    }

    /// From now on members who use one of these words are refused.
    pub fn block_words(&self, words: BlockedWords) {
        *self.blocked.write() = words;
    }

    /// From now on what members say is judged first; `None`: by the list of words alone. Entries of windows never wait.
    pub fn set_judge(&self, judge: Option<Arc<dyn Judge>>) {
        *self.judge.write() = judge;
    }

    fn judge_of(&self, command: &Command, role: Role) -> Option<Arc<dyn Judge>> {
        let is_said = matches!(command.verb, Verb::Send | Verb::Amend) && role < Role::Moderator;
        if is_said { self.judge.read().clone() } else { None }
    }

    /// Types in force.
    pub fn types(&self) -> Arc<Types> {
        self.types.read().clone()
    }

    /// From now on all viewers who can hold one latency, or each their own.
    pub fn set_lockstep(&self, room: &RoomId, is_on: bool) -> Result<(), RoomError> {
        let room = self.room(room, Instant::now())?;
        self.ask(&room, Work::Lockstep(is_on))
    }

    /// What a session's player reports of its latency; `None` when it ends.
    pub fn report_latency(&self, feed: &Feed, session: u64, latency: Option<Latency>) {
        // A report lost is made up for by the next.
        let _ = feed.room().work.try_send(Work::Latency { session, latency });
    }

    /// The event of this `seq`, if it was told and is kept.
    pub async fn event(&self, room: &RoomId, seq: u64) -> Result<Option<Arc<Event>>, RoomError> {
        let page = self.room(room, Instant::now())?.page(seq).await?;
        let mut events = page.iter().flat_map(|batch| batch.events());
        Ok(events.find(|(event, _)| event.seq == seq).map(|(event, _)| event.clone()))
    }

    /// The node's timeline clock now, in microseconds.
    pub fn clock_micros(&self) -> i64 {
        self.now().as_micros()
    }

    /// What is open.
    pub fn counts(&self) -> Counts {
        let open = self.open.lock();
        Counts { rooms: open.len(), feeds: open.values().map(|room| room.feeds()).sum() }
    }

    /// Opens rooms in which something was left open that ends by itself. Call at start, with those used lately.
    pub fn wake(&self, rooms: impl IntoIterator<Item = RoomId>) {
        for room in rooms {
            let _ = self.room(&room, Instant::now());
        }
    }

    /// Closes rooms that nobody has used for a minute and in which nothing is open; they are in the log. Call now and
    /// then.
    pub fn sweep(&self, now: Instant) {
        // Feeds and commands hold their room: a count of one is this map alone, and new holders come through it.
        self.open.lock().retain(|_, room| {
            let is_used = now.saturating_duration_since(room.used()) < IDLE;
            Arc::strong_count(room) > 1 || is_used || room.shared.is_busy()
        });
    }

    /// Closes every room and waits until each has signed the end of its log; feeds must have ended.
    pub async fn close(&self) {
        self.open.lock().clear();
        self.world.writers.close();
        self.world.writers.wait().await;
    }

    pub(crate) fn now(&self) -> MediaTime {
        self.world.clock.at(Instant::now())
    }

    /// The open room, opened if need be. Where the limit is reached, rooms nobody uses this moment make way.
    fn room(&self, id: &RoomId, now: Instant) -> Result<Arc<Room>, RoomError> {
        self.room_by(id, Vec::new(), now)
    }

    /// The same for nodes that ask for it by this one.
    fn room_by(&self, id: &RoomId, path: Vec<u64>, now: Instant) -> Result<Arc<Room>, RoomError> {
        let limits = self.world.limits;
        let elsewhere = self.elsewhere(id);
        let mut open = self.open.lock();
        if let Some(room) = open.get(id) {
            if elsewhere.is_none_or(|is_elsewhere| is_elsewhere == room.is_mirror()) {
                room.touch(now);
                return Ok(room.clone());
            }
            tracing::info!(room = %id, is_elsewhere = !room.is_mirror(), "the room goes on at another node than before");
            room.end();
            open.remove(id);
        }
        if open.len() >= limits.rooms_max {
            open.retain(|_, room| Arc::strong_count(room) > 1 || room.shared.is_busy());
        }
        if open.len() >= limits.rooms_max {
            return Err(RoomError::TooManyRooms(limits.rooms_max));
        }
        if let Some(upstream) = self.mirrors(id, elsewhere) {
            let room = Room::open_mirror(id.clone(), self.world.clone(), upstream, path, now);
            open.insert(id.clone(), room.clone());
            return Ok(room);
        }
        let discipline = self.disciplines.lock().get(id).cloned().unwrap_or_default();
        let room = Room::open(id.clone(), self.world.clone(), self.types(), discipline, now);
        open.insert(id.clone(), room.clone());
        Ok(room)
    }

    fn may(&self, room: &Room, command: &Command, visitor: &Visitor, now: Instant) -> Result<(), RoomError> {
        let limits = &self.world.limits;
        let is_moderator = visitor.role >= Role::Moderator;
        self.may_ever(room, command, visitor, now)?;
        let is_said = command.verb == Verb::Send;
        if !is_moderator && let Some(words) = room.shared.hasty(&visitor.person.id, limits, is_said, now) {
            return Err(RoomError::Silenced(words));
        }
        // Last: what is refused to one person is not taken from all the others.
        if !room.may_post(is_moderator, now) {
            return Err(RoomError::TooFast(limits.events_per_second));
        }
        Ok(())
    }

    /// Whatever was said before: who is banned or muted says nothing, and nobody says what is not allowed.
    fn may_ever(
        &self,
        room: &Room,
        command: &Command,
        visitor: &Visitor,
        now: Instant,
    ) -> Result<(), RoomError> {
        if visitor.role >= Role::Moderator {
            return Ok(());
        }
        if self.blocked.read().are_in(&command.data) {
            return Err(RoomError::Silenced(
                "your message has a word that is not allowed in this room".to_owned(),
            ));
        }
        let silenced = room.shared.silenced(&visitor.person.id, self.world.clock.at(now));
        silenced.map_or(Ok(()), |words| Err(RoomError::Silenced(words)))
    }

    /// A reaction is counted here and never reaches the sequencer.
    fn counted(&self, room: &Room, command: &Command, role: Role) -> Result<Option<Ack>, RoomError> {
        let types = self.types_of(room);
        let Some(registered) = types.get(&command.ty) else { return Ok(None) };
        let Some(every) = registered.counted_every() else { return Ok(None) };
        let ty = registered.event_type();
        if role < ty.send {
            return Err(RoomError::Silenced(format!("{} needs the role {}", ty.name, ty.send)));
        }
        registered.check_data(&command.data).map_err(RoomError::Refused)?;
        let key = registered.key_of(&command.data).map_err(RoomError::Refused)?;
        let every = Duration::from_micros(every.as_micros().max(0).unsigned_abs());
        self.ask(room, Work::React { ty: ty.name.clone(), key, count: 1, every })?;
        Ok(Some(Ack::accepted(command.cmd_id)))
    }

    fn witness(&self, room: &Room, view: View, now: Instant) -> Witness {
        let received = self.world.clock.at(now);
        let (_, newest) = crate::lead::of(&self.world.hub, room.id());
        let delivered = newest.map(|newest| newest - Span::from_micros(view.rtt_min.as_micros() / 2));
        Witness { received, rtt_min: view.rtt_min, delivered, buffer: view.buffer, claimed: view.claimed }
    }

    fn ask(&self, room: &Room, work: Work) -> Result<(), RoomError> {
        room.work.try_send(work).map_err(|_| RoomError::Busy(self.world.limits.posts_max))
    }
}

/// A command on its way.
pub enum Submitted {
    /// It needed no place in the log.
    Done(Ack),
    /// The answer comes when it is durable.
    Waiting(Waiting),
}

/// An answer to come.
pub struct Waiting(oneshot::Receiver<Answer>);

impl Waiting {
    /// The answer, and the event that the command made.
    pub async fn come(self) -> Result<(Ack, Option<Arc<Event>>), RoomError> {
        self.0.await.map_err(|_| RoomError::Closing)?
    }
}

/// A room at a glance.
#[derive(Clone, Debug)]
pub struct Look {
    /// The last event told; 0 before the first.
    pub seq: u64,
    /// Open feeds.
    pub feeds: usize,
    /// People present.
    pub members: usize,
    /// `{"type":"snapshot",…}`.
    pub standing: bytes::Bytes,
}

#[cfg(test)]
mod tests;
