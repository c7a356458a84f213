//! The one writer of a room: a task that owns its sequencer and its chain. Everything asked of the room meanwhile is
//! handled as one group: one append to the log, then the answers, then the feeds.

mod erase;

use crate::{
    Notice, RoomError, RoomsLimits,
    counts::Counts,
    lead,
    lockstep::Lockstep,
    outlet::Outlet,
    room::{Shared, Work},
};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;
use unisono_base::{MediaTime, NodeClock, RoomId, Span};
use unisono_hub::Hub;
use unisono_media::Frame;
use unisono_store::{LogError, RoomLog};
use unisono_timeline::{
    Ack, Body, Command, Entry, Event, Moment, Own, Sender, Sequencer, Types,
    audit::{Base, Chain, Sealed, Signer},
};

/// What one append takes at most.
const GROUP_MAX: usize = 512;
/// Entries read from the log at once when a room is opened.
const PAGE: usize = 1_024;
/// How often presence and the common latency are told.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// After a failure of the log it is read again no sooner.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What became of a command.
pub(crate) type Answer = Result<(Ack, Option<Arc<Event>>), RoomError>;

/// What the writer needs of the node.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) log: Arc<dyn RoomLog>,
    pub(crate) clock: NodeClock,
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) limits: RoomsLimits,
    /// The writers, one per open room.
    pub(crate) writers: TaskTracker,
}

impl World {
    fn has_gate(&self, room: &RoomId) -> bool {
        self.hub.stream(room.stream()).is_some_and(|stream| stream.gate().is_some())
    }

    /// A release gate holds what belongs to `t`.
    fn holds(&self, room: &RoomId, t: MediaTime, now: MediaTime) -> bool {
        let gate = self.hub.stream(room.stream()).and_then(|stream| stream.gate());
        gate.is_some_and(|gate| gate.holds(t, now))
    }
}

/// See the module.
pub(crate) struct Writer {
    world: World,
    room: RoomId,
    shared: Arc<Shared>,
    types: Arc<Types>,
    /// `None` until the log was read, and after it failed.
    state: Option<State>,
    retry_at: Option<Instant>,
    outlet: Outlet,
    counts: Counts,
    lockstep: Lockstep,
    /// As told last.
    viewers: usize,
    status_at: Instant,
    /// A checkpoint on its way into the log.
    checkpointing: Option<JoinHandle<()>>,
    /// When the commands of this turn are carried out: one moment for all of them, as they become durable together.
    moment: Option<Moment>,
    /// Salts that could not be erased are tried again then.
    salts_at: Option<Instant>,
}

/// What the log says, staged entries included.
struct State {
    sequencer: Sequencer,
    chain: Chain,
    /// Entries up to here are signed.
    signed_n: u64,
}

/// A command under way.
struct Pending {
    ack: Ack,
    reply: oneshot::Sender<Answer>,
}

impl Writer {
    pub(crate) fn new(world: World, room: RoomId, shared: Arc<Shared>, types: Arc<Types>) -> Self {
        let outlet = Outlet::new(shared.clone(), world.clock.clone());
        Self {
            world,
            room,
            shared,
            types,
            state: None,
            retry_at: None,
            outlet,
            counts: Counts::default(),
            lockstep: Lockstep::default(),
            viewers: 0,
            status_at: Instant::now() + STATUS_EVERY,
            checkpointing: None,
            moment: None,
            salts_at: None,
        }
    }

    /// Runs until every handle of the room is gone.
    pub(crate) async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        // What the log left open goes on even if nobody asks for anything.
        self.turn(Vec::new()).await;
        loop {
            let wait = self.due().saturating_duration_since(Instant::now());
            tokio::select! {
                taken = work.recv_many(&mut group, GROUP_MAX) => if taken == 0 { break },
                () = tokio::time::sleep(wait) => {}
            }
            self.turn(std::mem::take(&mut group)).await;
        }
        if let Some(checkpointing) = self.checkpointing.take() {
            // It reports its own trouble.
            let _ = checkpointing.await;
        }
        self.checkpoint(Instant::now(), true);
        if let Some(checkpointing) = self.checkpointing.take() {
            let _ = checkpointing.await;
        }
    }

    /// When something happens by itself next.
    fn due(&self) -> Instant {
        let now = Instant::now();
        let by_rule = self.state.as_ref().and_then(|state| state.sequencer.poll_timeout()).map(|at| {
            let wait = (at - self.world.clock.at(now)).as_micros().max(0);
            // Not at once again where the clock is a little behind.
            now + Duration::from_micros(wait.unsigned_abs() + 500)
        });
        [by_rule, self.outlet.due(), self.counts.due(), Some(self.status_at), self.retry_at]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + STATUS_EVERY)
    }

    async fn turn(&mut self, group: Vec<Work>) {
        self.moment = None;
        let mut pending = Vec::new();
        let mut later = Vec::new();
        if let Err(error) = self.resume().await {
            let error = error.into();
            group.into_iter().for_each(|work| work.fail(&error));
            return self.status(Instant::now());
        }
        if let Some(state) = self.state.as_ref().filter(|_| self.world.has_gate(&self.room)) {
            // As it stands now, in case that what follows is held back.
            self.outlet.flush(Instant::now(), |t, at| self.world.holds(&self.room, t, at));
            self.outlet.snapshot(|| state.sequencer.snapshot());
        }
        for work in group {
            self.take(work, &mut pending, &mut later).await;
        }
        self.by_rule();
        self.write(pending).await;
        self.forget_salts().await;
        // Whoever comes in sees what was written before, and gets what comes after.
        for work in later {
            match work {
                Work::Erase { erasure, reply } => {
                    drop(reply.send(self.erase(*erasure).await.map_err(Into::into)))
                }
                other => self.admit(other),
            }
        }
        let now = Instant::now();
        self.tell_counts(now);
        self.outlet.turn(now, |t, at| self.world.holds(&self.room, t, at));
        self.status(now);
        self.checkpoint(now, false);
    }

    async fn resume(&mut self) -> Result<(), LogError> {
        if self.state.is_some() {
            return Ok(());
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(LogError::Backend {
                room: self.room.to_string(),
                reason: "it failed just now".into(),
            });
        }
        match read_all(&*self.world.log, &self.room, &self.types).await {
            Ok((sequencer, chain)) => {
                self.retry_at = None;
                self.outlet.begin(sequencer.last_seq());
                let signed_n = chain.head().0;
                self.state = Some(State { sequencer, chain, signed_n });
                Ok(())
            }
            Err(error) => {
                tracing::error!(room = %self.room, %error, "the room's log cannot be read");
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
                Err(error)
            }
        }
    }

    async fn take(&mut self, work: Work, pending: &mut Vec<Pending>, later: &mut Vec<Work>) {
        match work {
            Work::Command { command, sender, reply, .. } => {
                self.command(command, &sender, reply, pending).await;
            }
            Work::React { ty, key, count, every } => {
                self.counts.add(&ty, (&key, count), every, Instant::now());
            }
            Work::Types(types) => {
                self.types = types.clone();
                if let Some(state) = &mut self.state {
                    state.sequencer.set_types(types);
                }
            }
            Work::Lockstep(is_on) => self.lockstep.set(is_on),
            Work::Latency { session, latency } => match latency {
                Some(latency) => self.lockstep.report(session, latency),
                None => self.lockstep.forget(session),
            },
            Work::Trimmed(base) => {
                if let Some(state) = &mut self.state {
                    state.sequencer.forget_until(&base);
                    self.outlet.outdate_snapshot();
                }
            }
            Work::Subscribe { .. }
            | Work::Page { .. }
            | Work::Decided { .. }
            | Work::Erase { .. }
            | Work::Undecided { .. }
            | Work::KeepFrom { .. } => later.push(work),
        }
    }

    async fn command(
        &mut self,
        command: Command,
        sender: &Sender,
        reply: oneshot::Sender<Answer>,
        pending: &mut Vec<Pending>,
    ) {
        let moment = match self.moment.map_or_else(|| self.moment(), Ok) {
            Ok(moment) => moment,
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        self.moment = Some(moment);
        if self.state.as_ref().is_some_and(|state| state.sequencer.may_have_forgotten(command.cmd_id))
            && let Some(answer) = self.look_up(&command).await
        {
            return drop(reply.send(answer));
        }
        let Some(state) = &mut self.state else { return };
        let ack = state.sequencer.handle_command(command, sender, moment);
        pending.push(Pending { ack, reply });
    }

    /// The answer to a command that memory has forgotten; `None` for one that is new.
    async fn look_up(&self, command: &Command) -> Option<Answer> {
        match self.world.log.find_command(&self.room, command.cmd_id).await {
            Ok(found) => found.and_then(repeated).map(Ok),
            Err(error) => Some(Err(error.into())),
        }
    }

    fn by_rule(&mut self) {
        let now = self.world.clock.at(Instant::now());
        let is_due =
            self.state.as_ref().and_then(|state| state.sequencer.poll_timeout()).is_some_and(|at| at <= now);
        if is_due
            && let Ok(moment) = self.moment()
            && let Some(state) = &mut self.state
        {
            state.sequencer.handle_timeout(moment);
        }
    }

    /// Makes durable what was staged, then answers and tells. If the log fails nothing is told: whether it was written
    /// says the log when it is read again.
    async fn write(&mut self, pending: Vec<Pending>) {
        let Some(state) = &mut self.state else { return };
        let entries = state.sequencer.take_entries();
        if !entries.is_empty() {
            let expected = state.chain.head().0;
            let mut seed = [0; 32];
            let sealed = getrandom::fill(&mut seed).map(|()| state.chain.seal(entries.clone(), seed));
            let appended = match sealed {
                Ok(sealed) => self.world.log.append(&self.room, expected, sealed).await,
                Err(error) => {
                    Err(LogError::Backend { room: self.room.to_string(), reason: error.to_string() })
                }
            };
            if let Err(error) = appended {
                tracing::error!(room = %self.room, %error, "events were not written");
                self.state = None;
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
                let error = RoomError::from(error);
                pending.into_iter().for_each(|pending| drop(pending.reply.send(Err(error.clone()))));
                return;
            }
        }
        let events = by_seq(&entries);
        for Pending { ack, reply } in pending {
            let event = ack.seq.and_then(|seq| event_of(&events, seq));
            let _ = reply.send(Ok((ack, event)));
        }
        self.tell(&entries);
    }

    fn tell(&mut self, entries: &[Entry]) {
        let now = self.world.clock.at(Instant::now());
        let stream = self.world.hub.stream(self.room.stream());
        for entry in entries {
            let Body::Event(event) = &entry.body else { continue };
            if event.lane.is_timed()
                && let Some(stream) = &stream
                && let Ok(json) = serde_json::to_vec(&**event)
            {
                let mut frame = Frame::new(event.at, now, json.into());
                frame.dts = now.min(event.at);
                frame.duration = event.dur.unwrap_or_default();
                frame.key = true;
                stream.append_event(frame);
            }
            self.outlet.push(event.clone());
        }
        if !entries.is_empty() {
            self.outlet.outdate_snapshot();
        }
    }

    /// Who asks for the room as it stands.
    fn admit(&mut self, work: Work) {
        let Some(state) = &self.state else {
            let reason = "it failed just now".to_owned();
            return work.fail(&LogError::Backend { room: self.room.to_string(), reason }.into());
        };
        self.outlet.flush(Instant::now(), |t, at| self.world.holds(&self.room, t, at));
        match work {
            Work::Subscribe { person, reply, .. } => {
                let standing = self.outlet.snapshot(|| state.sequencer.snapshot());
                let target = self.lockstep.told();
                let own = person.map(|person| state.sequencer.own(&person)).filter(|own| !own.is_empty());
                let notices = (own.map(|own| mine(&own)), target.map(common_latency));
                let _ = reply.send(Ok(self.outlet.subscribe(standing, notices)));
            }
            Work::Decided { reply } => {
                // What a gate holds back has not been told, and is not told here either.
                let told = self.shared.told();
                let windows = state.sequencer.decided().filter(|window| window.result.seq <= told);
                let _ = reply.send(Ok(windows.collect()));
            }
            Work::Undecided { reply } => drop(reply.send(Ok(state.sequencer.undecided()))),
            Work::KeepFrom { reply } => {
                // What opens from here on is needed, too.
                let end = state.chain.head().0 + 1;
                let _ = reply.send(Ok(state.sequencer.keep_from().map_or(end, |from| from.min(end))));
            }
            other => other.fail(&RoomError::Closing),
        }
    }

    fn tell_counts(&mut self, now: Instant) {
        if self.counts.due().is_some_and(|due| due <= now) {
            let (_, newest) = lead::of(&self.world.hub, &self.room);
            let at = newest.unwrap_or_else(|| self.world.clock.at(now));
            self.counts.take(now, at).into_iter().for_each(|notice| self.outlet.notice(notice));
        }
    }

    fn status(&mut self, now: Instant) {
        if now < self.status_at {
            return;
        }
        self.status_at = now + STATUS_EVERY;
        self.shared
            .set_busy(self.state.as_ref().is_some_and(|state| state.sequencer.poll_timeout().is_some()));
        let (crowd, is_changed) = self.shared.presence();
        let members = crowd.members;
        let viewers = lead::viewers(&self.world.hub, &self.room) + crowd.viewers;
        if is_changed || viewers != self.viewers {
            self.viewers = viewers;
            let message = json!({"type": "presence", "members": members, "viewers": viewers}).to_string();
            self.outlet.notice(Notice { kind: "presence", message: message.into() });
        }
        if let Some(target) = self.lockstep.turn(now) {
            let message = json!({"type": "lockstep", "target": target}).to_string();
            self.outlet.notice(Notice { kind: "lockstep", message: message.into() });
        }
    }

    /// Signs the head of the chain now and then, so that a log cut off or written anew is found out (fairness spec 12).
    /// The status's ticks make it a second at most. Nobody waits for it: in a busy room it goes into the log together with the
    /// next group, where a commit of its own would cost each group a second fsync. One at a time; the next covers what it left out.
    fn checkpoint(&mut self, now: Instant, is_last: bool) {
        let (Some(state), Some(signer)) = (&mut self.state, &self.world.signer) else { return };
        let now = self.world.clock.at(now);
        let (n, _) = state.chain.head();
        let is_due = is_last || state.chain.is_checkpoint_due(now);
        if n == state.signed_n || !is_due || self.checkpointing.as_ref().is_some_and(|one| !one.is_finished())
        {
            return;
        }
        let checkpoint = state.chain.checkpoint(signer, now);
        state.signed_n = n;
        let (log, room) = (self.world.log.clone(), self.room.clone());
        self.checkpointing = Some(tokio::spawn(async move {
            if let Err(error) = log.checkpoint(&room, checkpoint).await {
                tracing::warn!(%room, %error, "a checkpoint was not written; the next one covers it");
            }
        }));
    }

    fn moment(&self) -> Result<Moment, LogError> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| LogError::Backend {
            room: self.room.to_string(),
            reason: format!("no randomness: {error}"),
        })?;
        let (epoch, newest) = lead::of(&self.world.hub, &self.room);
        Ok(Moment { now: self.world.clock.at(Instant::now()), newest, epoch, random })
    }
}

/// Sequencer and chain as the log leaves them.
async fn read_all(
    log: &dyn RoomLog,
    room: &RoomId,
    types: &Arc<Types>,
) -> Result<(Sequencer, Chain), LogError> {
    let mut sequencer = Sequencer::new(room.clone(), types.clone());
    let mut chain = None;
    let mut from = 1;
    loop {
        let page = log.read(room, from, PAGE).await?;
        let chain = chain.get_or_insert_with(|| {
            let base = page.base.unwrap_or_else(|| Base::start(room));
            sequencer.begin_after(&base);
            Chain::from_base(room.clone(), base)
        });
        for sealed in &page.entries {
            chain.apply(sealed).map_err(|broken| LogError::Damaged {
                room: room.to_string(),
                n: sealed.entry.n,
                reason: broken.to_string(),
            })?;
            sequencer.apply(&sealed.counted());
        }
        match page.entries.last() {
            Some(last) if last.entry.n < page.last_n => from = last.entry.n + 1,
            _ => break,
        }
    }
    let chain = chain.unwrap_or_else(|| Chain::new(room.clone()));
    sequencer.begin_term();
    Ok((sequencer, chain))
}

/// `None` where no command is behind the entry, which nobody finds by one.
fn repeated(sealed: Sealed) -> Option<(Ack, Option<Arc<Event>>)> {
    let ack = Ack::again(&sealed.entry)?;
    let event = match sealed.entry.body {
        Body::Event(event) => Some(event),
        Body::Hidden(_) => None,
    };
    Some((ack, event))
}

/// The events among `entries`, which come by rising `seq`.
fn by_seq(entries: &[Entry]) -> Vec<&Arc<Event>> {
    let events = entries.iter().filter_map(|entry| match &entry.body {
        Body::Event(event) => Some(event),
        Body::Hidden(_) => None,
    });
    events.collect()
}

fn event_of(events: &[&Arc<Event>], seq: u64) -> Option<Arc<Event>> {
    let at = events.binary_search_by_key(&seq, |event| event.seq).ok()?;
    events.get(at).map(|event| Arc::clone(event))
}

fn mine(own: &Own) -> Notice {
    let Own { windows, units, bought } = own;
    let message = json!({"type": "mine", "windows": windows, "units": units, "bought": bought});
    Notice { kind: "mine", message: message.to_string().into() }
}

fn common_latency(target: Span) -> Notice {
    Notice { kind: "lockstep", message: json!({"type": "lockstep", "target": target}).to_string().into() }
}
