//! Class `window`: what is open, and what its host does with it. Entering is in `enter`, results in `fairness`.

use super::{
    Fact,
    snapshot::{DecidedView, Standing},
};
use crate::{
    Ballot, Commitment, Committed, Decide, Entered, Event, Extended, Outcome, Shortened, Terms,
    fairness::unhex,
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};
use unisono_base::MediaTime;
use uuid::Uuid;

mod host;

pub(super) use host::AMOUNT_MAX;

/// Windows open at once.
pub(super) const OPEN_MAX: usize = 64;
/// Entries of all open windows of a room. About 200 bytes each: 48 of the ballot, the rest to find a person's.
pub(super) const ENTRIES_MAX: usize = 1_000_000;
/// Decided windows remembered: for results of who comes late, and to tell a late entry from a wrong one.
const CLOSED_MAX: usize = 64;
/// Late entries of a decided window written down; more are only answered.
pub(super) const LATE_MAX: u32 = 10_000;

/// One open window.
#[derive(Debug, PartialEq)]
pub(super) struct Window {
    /// The entry that opened it.
    pub(super) n: u64,
    pub(super) ty: Arc<str>,
    pub(super) terms: Terms,
    pub(super) opened: Option<Arc<Event>>,
    pub(super) closes: MediaTime,
    pub(super) reveal: MediaTime,
    pub(super) extensions: u32,
    seed: Option<[u8; 32]>,
    pub(super) outcome: Option<u16>,
    ballots: Vec<Ballot<Arc<str>>>,
    persons: HashMap<Arc<str>, VecDeque<u32>>,
    /// Each amount that was the highest when it came, with when it was shown; for open bids only.
    prices: Vec<Price>,
    late: u64,
}

/// A highest amount.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Price {
    seq: u64,
    at: MediaTime,
    pub(super) amount: i64,
}

/// One decided window.
#[derive(Debug, PartialEq)]
pub(super) struct Closed {
    pub(super) ty: Arc<str>,
    pub(super) terms: Terms,
    pub(super) closes: MediaTime,
    reveal: MediaTime,
    extensions: u32,
    /// Late entries since.
    pub(super) late: u32,
    opened: Option<Arc<Event>>,
    result: Option<Arc<Event>>,
}

/// See the module.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Windows {
    open: BTreeMap<Uuid, Window>,
    closed: VecDeque<Closed>,
    entries: usize,
}

impl Windows {
    pub(super) fn get(&self, id: Uuid) -> Option<&Window> {
        self.open.get(&id)
    }

    pub(super) fn closed(&self, id: Uuid) -> Option<&Closed> {
        self.closed.iter().rev().find(|closed| closed.terms.window == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Window> {
        self.open.values()
    }

    pub(super) fn results(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.closed.iter().filter_map(|closed| closed.result.as_ref())
    }

    pub(super) fn decided_views(&self) -> impl Iterator<Item = DecidedView> {
        self.closed.iter().filter_map(|closed| {
            let Closed { closes, reveal, extensions, opened, result, .. } = closed;
            let (event, result) = (opened.clone()?, result.clone()?);
            Some(DecidedView { event, closes: *closes, reveal: *reveal, extensions: *extensions, result })
        })
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    pub(super) fn last_arrival(&self, id: Uuid) -> Option<MediaTime> {
        self.open.get(&id).map(|window| window.terms.last_arrival(window.closes))
    }

    pub(super) fn open(&mut self, terms: &Terms, fact: &Fact<'_>) {
        let window = Window {
            n: fact.n,
            ty: base(fact.ty).into(),
            terms: terms.clone(),
            opened: fact.event.cloned(),
            closes: terms.closes,
            reveal: terms.reveal,
            extensions: 0,
            seed: None,
            outcome: None,
            ballots: Vec::new(),
            persons: HashMap::new(),
            prices: Vec::new(),
            late: 0,
        };
        self.open.insert(terms.window, window);
    }

    pub(super) fn commit(&mut self, committed: &Committed) {
        let Some(window) = self.open.get_mut(&committed.window) else { return };
        window.outcome = committed.outcome.or(window.outcome);
        window.seed = committed.seed.as_deref().and_then(unhex).or(window.seed);
    }

    pub(super) fn enter(&mut self, entered: &Entered, fact: &Fact<'_>) {
        let Some(window) = self.open.get_mut(&entered.window) else {
            let closed = self.closed.iter_mut().find(|closed| closed.terms.window == entered.window);
            if let Some(closed) = closed {
                closed.late += 1;
            }
            return;
        };
        if entered.is_late {
            window.late += 1;
        } else {
            self.entries += window.count(entered, fact);
        }
    }

    pub(super) fn extend(&mut self, extended: &Extended) {
        if let Some(window) = self.open.get_mut(&extended.window) {
            window.closes = extended.closes;
            window.reveal = extended.reveal;
            window.extensions = extended.count;
        }
    }

    pub(super) fn shorten(&mut self, shortened: &Shortened) {
        if let Some(window) = self.open.get_mut(&shortened.window) {
            window.closes = shortened.closes;
            window.reveal = shortened.reveal;
        }
    }

    pub(super) fn decided(&mut self, outcome: &Outcome, fact: &Fact<'_>) {
        let Some(window) = self.remove(outcome.window) else { return };
        self.closed.push_back(Closed {
            ty: window.ty,
            terms: window.terms,
            closes: window.closes,
            reveal: window.reveal,
            extensions: window.extensions,
            late: 0,
            opened: window.opened,
            result: fact.event.cloned(),
        });
        if self.closed.len() > CLOSED_MAX {
            self.closed.pop_front();
        }
    }

    pub(super) fn withdraw(&mut self, id: Uuid) {
        self.remove(id);
    }

    /// The events that newcomers are shown.
    pub(super) fn events_mut(&mut self) -> impl Iterator<Item = &mut Arc<Event>> {
        let opened = self.open.values_mut().filter_map(|window| window.opened.as_mut());
        opened.chain(self.closed.iter_mut().filter_map(|closed| closed.result.as_mut()))
    }

    /// Lets go of results whose events are no longer kept.
    pub(super) fn forget_until(&mut self, seq: u64) {
        self.closed.retain(|closed| closed.result.as_ref().is_none_or(|result| result.seq > seq));
    }

    /// Whose entries are known by another name from now on.
    pub(super) fn rename(&mut self, id: &str, stand_in: &Arc<str>) {
        for window in self.open.values_mut() {
            let Some(own) = window.persons.remove(id) else { continue };
            for ballot in own.iter().filter_map(|index| usize::try_from(*index).ok()) {
                if let Some(ballot) = window.ballots.get_mut(ballot) {
                    ballot.person = stand_in.clone();
                }
            }
            window.persons.insert(stand_in.clone(), own);
        }
    }

    fn remove(&mut self, id: Uuid) -> Option<Window> {
        let window = self.open.remove(&id)?;
        self.entries -= window.ballots.len();
        Some(window)
    }
}

impl Window {
    /// Counts an entry that is in time. Returns by how much the number of entries grew.
    fn count(&mut self, entered: &Entered, fact: &Fact<'_>) -> usize {
        let erased = || Arc::from(format!("erased {}", fact.n));
        let person = fact.person.map_or_else(erased, |person| person.id.clone());
        self.note_price(entered.value, fact);
        let ballot = Ballot {
            n: fact.n,
            cmd_id: fact.cause.unwrap_or_default(),
            person: person.clone(),
            value: entered.value,
        };
        let own = self.persons.entry(person).or_default();
        if own.len() >= self.terms.entries_per_person as usize
            && let Some(oldest) = own.pop_front()
        {
            // The person's last word takes the first one's place, as `decide` would have it.
            own.push_back(oldest);
            self.ballots[oldest as usize] = ballot;
            return 0;
        }
        own.push_back(self.ballots.len() as u32);
        self.ballots.push(ballot);
        1
    }

    fn note_price(&mut self, amount: i64, fact: &Fact<'_>) {
        let Some(event) = fact.event else { return };
        if matches!(self.terms.decide, Decide::Highest { .. })
            && self.prices.last().is_none_or(|price| amount > price.amount)
        {
            self.prices.push(Price { seq: event.seq, at: event.at, amount });
        }
    }

    /// The highest amount so far, of open bids.
    pub(super) fn price(&self) -> Option<&Price> {
        self.prices.last()
    }

    /// The highest amount that a bidder knew of: shown on the frame they saw, or in an event they say they have.
    pub(super) fn price_seen(&self, t_seen: MediaTime, seq_seen: Option<u64>) -> Option<&Price> {
        let is_seen = |price: &&Price| price.at <= t_seen || seq_seen.is_some_and(|seq| price.seq <= seq);
        self.prices.iter().rev().find(is_seen)
    }

    /// Entries of a person that stand.
    pub(super) fn entries_of(&self, person: &str) -> usize {
        self.persons.get(person).map_or(0, VecDeque::len)
    }

    /// The highest amount of a person.
    pub(super) fn highest_of(&self, person: &str) -> Option<i64> {
        self.persons.get(person)?.iter().map(|index| self.ballots[*index as usize].value).max()
    }

    /// What a person entered last.
    pub(super) fn last_of(&self, person: &str) -> Option<i64> {
        let index = self.persons.get(person)?.back()?;
        Some(self.ballots[*index as usize].value)
    }

    /// What comes out; `None` where an outcome is needed and not told yet, or the seed is not in the log.
    pub(super) fn decide(&self) -> Option<Outcome> {
        let commitment = Commitment { seed: self.seed?, outcome: self.outcome };
        crate::decide(&self.terms, &commitment, self.ballots.iter().cloned(), self.late)
    }

    /// It is over and waits for its host to say what happened.
    pub(super) fn waits_for_outcome(&self) -> bool {
        matches!(self.terms.decide, Decide::Match { .. }) && self.outcome.is_none()
    }

    /// What may be told before it is decided.
    pub(super) fn standing(&self) -> Standing {
        let entries = self.ballots.len() as u64;
        match self.terms.decide {
            _ if self.terms.is_sealed => Standing { entries, counts: None, price: None },
            Decide::Highest { .. } => {
                Standing { entries, counts: None, price: self.price().map(|price| price.amount) }
            }
            Decide::Tally { choices } | Decide::Match { choices } => {
                let mut counts = vec![0; usize::from(choices)];
                for ballot in &self.ballots {
                    let choice = usize::try_from(ballot.value).ok();
                    if let Some(count) = choice.and_then(|choice| counts.get_mut(choice)) {
                        *count += 1;
                    }
                }
                Standing { entries, counts: Some(counts), price: None }
            }
        }
    }
}

/// `poll` of `poll.opened`.
pub(super) fn base(ty: &str) -> &str {
    ty.rsplit_once('.').map_or(ty, |(base, _)| base)
}
