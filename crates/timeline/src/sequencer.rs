//! The one writer of a room: gives everything its place in the order, and carries out what the types' rules say.
//!
//! Event sourcing: a command is checked against the state, becomes one or more [`Entry`]s, and only applying an entry
//! changes the state. So a state resumed from the log equals the one that wrote it. What is staged and not yet
//! durable counts already: if the append fails, throw the sequencer away and resume from the log.

mod commands;
mod enter;
mod events;
mod forget;
mod keep;
mod lanes;
mod latest;
mod own;
mod queue;
mod refusal;
mod snapshot;
mod stage;
mod stock;
mod timeout;
mod traces;
mod verbs;
mod window;

pub use own::{Own, OwnBought, OwnEntry, OwnUnit};
pub use snapshot::{DecidedView, OfferView, QueueView, Snapshot, Standing, WindowView};

use crate::{
    Ack, Body, Command, Entry, Event, Hidden, Lane, Person, Rule, Sender, Types,
    audit::{Base, Undecided},
};
use commands::Commands;
use events::Events;
use latest::Latest;
use queue::Queues;
use std::{collections::BTreeMap, sync::Arc};
use stock::Offers;
use traces::Traces;
use unisono_base::{Epoch, MediaTime, RoomId};
use uuid::Uuid;
use window::Windows;

/// What the sequencer must know of the world at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The node's timeline clock.
    pub now: MediaTime,
    /// T of the newest frame of the stream's lead track.
    pub newest: Option<MediaTime>,
    /// The running epoch of the stream, if there is one.
    pub epoch: Option<Epoch>,
    /// A fresh random seed: ids and the seeds of windows are derived from it. One may serve a whole batch.
    pub random: [u8; 32],
}

/// See the module.
#[derive(Debug)]
pub struct Sequencer {
    types: Arc<Types>,
    state: State,
    staged: Vec<Entry>,
    /// Values derived so far, so that no two are equal within a batch.
    derived: u64,
}

/// Everything that follows from the log alone.
#[derive(Debug, PartialEq)]
struct State {
    room: RoomId,
    term: u64,
    last_n: u64,
    last_seq: u64,
    epoch: Epoch,
    lanes: BTreeMap<Lane, MediaTime>,
    commands: Commands,
    events: Events,
    latest: Latest,
    windows: Windows,
    offers: Offers,
    queues: Queues,
    traces: Traces,
}

/// One entry with what the rules of classes need of it, whether it is an event or hidden.
struct Fact<'a> {
    n: u64,
    ty: &'a str,
    cause: Option<Uuid>,
    person: Option<&'a Person>,
    data: &'a serde_json::Value,
    event: Option<&'a Arc<Event>>,
}

impl Sequencer {
    /// The sequencer of a room whose log is empty, or is about to be applied.
    pub fn new(room: RoomId, types: Arc<Types>) -> Self {
        let state = State {
            room,
            term: 0,
            last_n: 0,
            last_seq: 0,
            epoch: Epoch::default(),
            lanes: BTreeMap::new(),
            commands: Commands::default(),
            events: Events::default(),
            latest: Latest::default(),
            windows: Windows::default(),
            offers: Offers::default(),
            queues: Queues::default(),
            traces: Traces::default(),
        };
        Self { types, state, staged: Vec::new(), derived: 0 }
    }

    /// The log's beginning is no longer kept: `n`, `seq` and `term` go on from its last entry. Before any
    /// [`Self::apply`].
    pub fn begin_after(&mut self, base: &Base) {
        (self.state.last_n, self.state.last_seq, self.state.term) = (base.n, base.seq, base.term);
    }

    /// Takes an entry of the log in. Give all of them in order, then [`Self::begin_term`].
    pub fn apply(&mut self, entry: &Entry) {
        self.state.apply(entry, &self.types);
    }

    /// Begins a new incarnation: one more than the log's last.
    pub fn begin_term(&mut self) {
        self.state.term += 1;
    }

    /// Carries a command out. What it writes is staged at once; give the answer to nobody before
    /// [`Self::take_entries`] is durable. A command that was carried out before is answered as it was then.
    pub fn handle_command(&mut self, command: Command, sender: &Sender, moment: Moment) -> Ack {
        let cmd_id = command.cmd_id;
        if let Some(done) = self.state.commands.get(cmd_id) {
            return done.again(cmd_id);
        }
        self.carry_out(command, sender, moment).unwrap_or_else(|refusal| refusal.ack(cmd_id))
    }

    /// Does what is due: decides windows, returns units that were not paid, moves queues on. Early calls are harmless;
    /// at most 1,024 steps a call, so ask [`Self::poll_timeout`] again.
    pub fn handle_timeout(&mut self, moment: Moment) {
        for _ in 0..STEPS_MAX {
            match self.next_due() {
                Some((at, due)) if at <= moment.now => self.do_due(due, moment),
                _ => return,
            }
        }
    }

    /// True where a command may have been carried out and forgotten: the log knows.
    pub fn may_have_forgotten(&self, cmd_id: Uuid) -> bool {
        self.state.commands.may_have_forgotten(cmd_id)
    }

    /// When to call [`Self::handle_timeout`] next, on the node's timeline clock.
    pub fn poll_timeout(&self) -> Option<MediaTime> {
        self.next_due().map(|(at, _)| at)
    }

    /// What was staged since the last call, in order: append it, and only then answer and tell.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.staged)
    }

    /// What somebody needs who comes late.
    pub fn snapshot(&self) -> Snapshot {
        self.state.snapshot()
    }

    /// Windows whose secrets must not be given away yet.
    pub fn undecided(&self) -> Undecided {
        let open = self.state.windows.iter().map(|window| (window.terms.window, window.terms.is_sealed));
        // Of an offer nothing else is secret.
        let offers = self.state.traces.subjects().map(|subject| (subject, false));
        Undecided(offers.chain(open).collect())
    }

    /// The windows decided last, oldest first; at most 64.
    pub fn decided(&self) -> impl Iterator<Item = DecidedView> {
        self.state.windows.decided_views()
    }

    /// What this person has in the windows and offers that are open.
    pub fn own(&self, person: &str) -> Own {
        self.state.own(person)
    }

    /// `n` of the last entry, staged ones included; 0 before the first.
    pub fn last_n(&self) -> u64 {
        self.state.last_n
    }

    /// `seq` of the last event, staged ones included; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.state.last_seq
    }

    /// This incarnation.
    pub fn term(&self) -> u64 {
        self.state.term
    }

    /// The types from now on. Windows and offers that are open keep the terms they opened with.
    pub fn set_types(&mut self, types: Arc<Types>) {
        self.types = types;
    }
}

impl State {
    fn apply(&mut self, entry: &Entry, types: &Types) {
        self.last_n = entry.n;
        self.term = self.term.max(entry.term);
        self.commands.forget_expired(entry.t);
        match &entry.body {
            Body::Event(event) => self.apply_event(entry, event, types),
            Body::Hidden(hidden) => self.apply_hidden(entry, hidden),
        }
        self.commands.remember(entry, &self.windows);
    }

    fn apply_event(&mut self, entry: &Entry, event: &Arc<Event>, types: &Types) {
        self.last_seq = event.seq;
        self.epoch = event.epoch;
        let lane = self.lanes.entry(event.lane).or_insert(event.at);
        *lane = event.at.max(*lane);
        self.events.insert(event);
        self.latest.apply(event, types);
        if let Some(rule) = &event.rule {
            let fact = Fact {
                n: entry.n,
                ty: &event.ty,
                cause: event.cause,
                person: event.actor.as_ref(),
                data: &event.data,
                event: Some(event),
            };
            self.apply_rule(rule, &fact);
        }
        if let Some(cancelled) = event.cancels {
            self.queues.end(cancelled);
        }
    }

    fn apply_hidden(&mut self, entry: &Entry, hidden: &Hidden) {
        self.epoch = hidden.epoch;
        let fact = Fact {
            n: entry.n,
            ty: &hidden.ty,
            cause: hidden.cause,
            person: hidden.person.as_ref(),
            data: &hidden.data,
            event: None,
        };
        self.apply_rule(&hidden.rule, &fact);
    }

    fn apply_rule(&mut self, rule: &Rule, fact: &Fact<'_>) {
        match rule {
            Rule::Opened(terms) => self.windows.open(terms, fact),
            Rule::Committed(committed) => self.windows.commit(committed),
            Rule::Entered(entered) => self.windows.enter(entered, fact),
            Rule::Extended(extended) => self.windows.extend(extended),
            Rule::Shortened(shortened) => self.windows.shorten(shortened),
            Rule::Decided(outcome) => self.windows.decided(outcome, fact),
            Rule::Offered(offer) => self.offers.open(offer, fact),
            Rule::Reserved(unit) => self.offers.reserve(unit, fact),
            Rule::Confirmed(unit) => self.offers.confirm(unit),
            Rule::Returned(unit) => self.offers.give_back(unit),
            Rule::Withdrawn { subject } => {
                self.windows.withdraw(*subject);
                self.offers.withdraw(*subject);
                self.queues.end(*subject);
            }
            Rule::Queued(queued) => self.queues.wait(queued, fact),
            Rule::Shown(shown) => self.queues.show(shown, fact),
            Rule::Replaces { .. } => {}
            Rule::Remembered(remembered) => self.traces.take(remembered, fact.data, fact.n),
        }
        let (windows, offers) = (&self.windows, &self.offers);
        self.traces.close(|subject| windows.get(subject).is_some() || offers.has(subject));
    }
}

/// Steps of one [`Sequencer::handle_timeout`], so that one batch stays within what a log takes at once.
const STEPS_MAX: usize = 1_024;

#[cfg(test)]
mod tests;
