//! Every result of a log again, from its rules alone.

use super::{
    fairness::{Fairness, Sample},
    report::{OfferResult, WindowResult},
};
use crate::{
    Ballot, Commitment, Committed, Decide, Decision, Entered, Extended, Membership, Offer, Outcome, Person,
    Remembered, Rule, Terms, Unit, audit::Digest, decide, judge,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use unisono_base::MediaTime;
use uuid::Uuid;

/// The entry around a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact<'a> {
    pub(super) n: u64,
    pub(super) cause: Option<Uuid>,
    pub(super) person: Option<&'a Person>,
    pub(super) digest: Option<Digest>,
}

#[derive(Debug)]
struct Window {
    terms: Terms,
    closes: MediaTime,
    reveal: MediaTime,
    extensions: u32,
    committed: Option<Committed>,
    ballots: Vec<Ballot<Digest>>,
    /// By entry: who, for the report.
    names: HashMap<u64, Option<String>>,
    last: Option<(u64, MediaTime)>,
    late: u64,
    late_after: u64,
    clamped: u64,
    /// Entries, or its secret, are not in the log as it was given: nothing can be computed before it is decided.
    is_withheld: bool,
    is_over: bool,
    result: Option<Decision>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Stock {
    offer: Offer,
    left: u32,
    confirmed: u32,
    holds: HashMap<u64, Option<Digest>>,
    persons: HashMap<Digest, u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Results {
    windows: BTreeMap<Uuid, Window>,
    stocks: BTreeMap<Uuid, Stock>,
    remembered: HashSet<(Uuid, Digest)>,
}

impl Results {
    /// Takes the next rule in; words where it does not follow from what came before. What was opened by an entry
    /// that is no longer kept is passed over.
    pub(super) fn take(&mut self, rule: &Rule, fact: &Fact<'_>) -> Result<(), String> {
        match rule {
            Rule::Opened(terms) => self.open(terms),
            Rule::Committed(committed) => self.window(committed.window, |w| w.commit(committed)),
            Rule::Entered(entered) => self.window(entered.window, |w| w.enter(entered, fact)),
            Rule::Extended(extended) => self.window(extended.window, |w| w.extend(extended)),
            Rule::Shortened(shortened) => self.window(shortened.window, |w| {
                if shortened.closes > w.closes {
                    return Err("a window ended early, later than it would have".into());
                }
                (w.closes, w.reveal) = (shortened.closes, shortened.reveal);
                Ok(())
            }),
            Rule::Decided(outcome) => self.window(outcome.window, |w| w.decided(outcome)),
            Rule::Offered(offer) => self.offer(offer),
            Rule::Reserved(unit) => self.stock(unit.offer, |s| s.reserve(unit, fact)),
            Rule::Confirmed(unit) => self.stock(unit.offer, |s| s.confirm(unit)),
            Rule::Returned(unit) => self.stock(unit.offer, |s| s.give_back(unit)),
            Rule::Withdrawn { subject } => self.window(*subject, |w| {
                w.is_over = true;
                Ok(())
            }),
            Rule::Queued(_) | Rule::Shown(_) | Rule::Replaces { .. } => Ok(()),
            Rule::Remembered(remembered) => self.remember(remembered),
        }
    }

    /// Somebody is erased who took part: that is so at most once a person, and while it is open.
    fn remember(&mut self, remembered: &Remembered) -> Result<(), String> {
        let Remembered { subject, person } = *remembered;
        if self.windows.get(&subject).is_some_and(|window| window.is_over) {
            return Err(format!("window {subject}: somebody is remembered for it although it is over"));
        }
        match self.remembered.insert((subject, person)) {
            true => Ok(()),
            false => Err(format!("somebody is remembered twice for {subject}")),
        }
    }

    fn open(&mut self, terms: &Terms) -> Result<(), String> {
        if let Some(missing) = terms.missing() {
            return Err(format!(
                "window {} was opened although its result shows {} us too early",
                terms.window,
                missing.as_micros()
            ));
        }
        let window = Window {
            terms: terms.clone(),
            closes: terms.closes,
            reveal: terms.reveal,
            extensions: 0,
            committed: None,
            ballots: Vec::new(),
            names: HashMap::new(),
            last: None,
            late: 0,
            late_after: 0,
            clamped: 0,
            is_withheld: false,
            is_over: false,
            result: None,
            samples: Vec::new(),
        };
        match self.windows.insert(terms.window, window) {
            None => Ok(()),
            Some(_) => Err(format!("window {} was opened twice", terms.window)),
        }
    }

    /// An entry of window `id` is not given away.
    pub(super) fn withhold(&mut self, id: Uuid) -> Result<(), String> {
        self.window(id, |window| {
            if window.is_over {
                return Err("an entry is withheld although it is decided".into());
            }
            window.is_withheld = true;
            Ok(())
        })
    }

    fn offer(&mut self, offer: &Offer) -> Result<(), String> {
        let (holds, persons) = (HashMap::new(), HashMap::new());
        let stock = Stock { offer: offer.clone(), left: offer.quantity, confirmed: 0, holds, persons };
        match self.stocks.insert(offer.offer, stock) {
            None => Ok(()),
            Some(_) => Err(format!("offer {} was offered twice", offer.offer)),
        }
    }

    fn window(
        &mut self,
        id: Uuid,
        then: impl FnOnce(&mut Window) -> Result<(), String>,
    ) -> Result<(), String> {
        self.windows.get_mut(&id).map_or(Ok(()), then).map_err(|why| format!("window {id}: {why}"))
    }

    fn stock(&mut self, id: Uuid, then: impl FnOnce(&mut Stock) -> Result<(), String>) -> Result<(), String> {
        self.stocks.get_mut(&id).map_or(Ok(()), then).map_err(|why| format!("offer {id}: {why}"))
    }

    /// What came out, for the report.
    pub(super) fn told(&self) -> (Vec<WindowResult>, Vec<OfferResult>) {
        let windows = self.windows.values().map(Window::told).collect();
        let offers = self.stocks.values().map(|stock| OfferResult {
            offer: stock.offer.offer,
            quantity: stock.offer.quantity,
            confirmed: stock.confirmed,
            reserved: stock.holds.len() as u32,
        });
        (windows, offers.collect())
    }

    /// Entries by latency.
    pub(super) fn fairness(&self) -> Fairness {
        let windows = self.windows.iter().map(|(id, window)| {
            let late = window.late + window.late_after;
            (*id, &window.samples[..], late, window.clamped, window.winners())
        });
        Fairness::of(windows)
    }
}

impl Window {
    fn commit(&mut self, committed: &Committed) -> Result<(), String> {
        if let Some(seed) = &committed.seed
            && digest_of_seed(seed).as_ref() != Some(&self.terms.seed_digest)
        {
            return Err("another seed than the one promised when it opened".into());
        }
        self.committed = Some(committed.clone());
        Ok(())
    }

    fn enter(&mut self, entered: &Entered, fact: &Fact<'_>) -> Result<(), String> {
        let judged = judge(&self.terms, self.closes, &entered.witness);
        let is_late = self.is_over || judged.membership == Membership::Late;
        if (judged.t_seen, judged.is_clamped) != (entered.t_seen, entered.is_clamped) {
            return Err("what the sender had seen does not follow from what the server knew".into());
        }
        if judged.membership == Membership::Early || is_late != entered.is_late {
            return Err("an entry is not judged by the terms: in time or late".into());
        }
        self.clamped += u64::from(entered.is_clamped);
        let half = entered.witness.rtt_min.as_micros() / 2;
        let latency = (entered.witness.received - entered.t_seen).as_micros() - half;
        self.samples.push(Sample { n: fact.n, value: entered.value, latency, is_late });
        if is_late {
            *(if self.is_over { &mut self.late_after } else { &mut self.late }) += 1;
            return Ok(());
        }
        // An entry without anybody stands for itself.
        let person = fact.digest.unwrap_or_else(|| Digest::of(&[&fact.n.to_be_bytes()]));
        let (n, cmd_id, value) = (fact.n, fact.cause.unwrap_or_default(), entered.value);
        self.ballots.push(Ballot { n, cmd_id, person, value });
        self.names.insert(n, fact.person.map(name));
        self.last = Some((n, entered.t_seen));
        Ok(())
    }

    fn extend(&mut self, extended: &Extended) -> Result<(), String> {
        let by = self.last.filter(|(n, _)| *n == extended.by_n);
        let due =
            by.and_then(|(_, t_seen)| self.terms.extended(self.closes, self.reveal, self.extensions, t_seen));
        match by {
            None if self.is_withheld => {}
            None => return Err("extended by an entry that does not stand".into()),
            Some(_) if due == Some((extended.closes, extended.reveal)) => {}
            Some(_) => return Err("an extension that does not follow from its soft close".into()),
        }
        if extended.count != self.extensions + 1 {
            return Err("an extension that does not follow from its soft close".into());
        }
        (self.closes, self.reveal, self.extensions) = (extended.closes, extended.reveal, extended.count);
        Ok(())
    }

    fn decided(&mut self, told: &Outcome) -> Result<(), String> {
        if self.is_over {
            return Err("it was decided twice, or after it was withdrawn".into());
        }
        if self.is_withheld {
            return Err("its entries are withheld although it is decided".into());
        }
        let seed = told.seed.parse::<Digest>().map_err(|_| "the seed is none")?;
        if digest_of_seed(&told.seed).as_ref() != Some(&self.terms.seed_digest) {
            return Err("another seed than the one promised when it opened".into());
        }
        let promised = self.committed.as_ref().and_then(|committed| committed.outcome);
        let outcome = match &told.result {
            Decision::Match { outcome, .. } => promised.or(Some(*outcome)),
            Decision::Tally { .. } | Decision::Highest { .. } => promised,
        };
        let commitment = Commitment { seed: *seed.as_bytes(), outcome };
        let due = decide(&self.terms, &commitment, self.ballots.iter().cloned(), self.late);
        if due.as_ref() != Some(told) {
            return Err(format!(
                "the result told is not the one that follows: {:?}",
                due.map(|due| due.result)
            ));
        }
        self.is_over = true;
        self.result = Some(told.result.clone());
        Ok(())
    }

    fn told(&self) -> WindowResult {
        let winner = match self.result {
            Some(Decision::Highest { winner_n: Some(n), .. }) => self.names.get(&n).cloned(),
            _ => None,
        };
        WindowResult {
            window: self.terms.window,
            result: self.result.clone(),
            winner: winner.map(|name| name.unwrap_or_else(|| "erased".into())),
            entries: self.ballots.len() as u64,
            late: self.late + self.late_after,
            clamped: self.clamped,
        }
    }

    /// The value that won, or the one entry that did; `None` where nobody wins.
    fn winners(&self) -> Option<Winners> {
        match (&self.result, self.terms.decide) {
            (Some(Decision::Highest { winner_n, .. }), _) => winner_n.map(Winners::Entry),
            (Some(Decision::Match { outcome, .. }), Decide::Match { .. }) => {
                Some(Winners::Value(i64::from(*outcome)))
            }
            _ => None,
        }
    }
}

/// Who won a window.
#[derive(Clone, Copy, Debug)]
pub(super) enum Winners {
    /// Everybody with this value.
    Value(i64),
    /// One entry.
    Entry(u64),
}

impl Stock {
    fn reserve(&mut self, unit: &Unit, fact: &Fact<'_>) -> Result<(), String> {
        if self.left == 0 || unit.left != self.left - 1 {
            return Err(format!("a unit was taken with {} left, and {} are left now", self.left, unit.left));
        }
        if unit.reserved_n != fact.n || self.holds.insert(fact.n, fact.digest).is_some() {
            return Err("a unit was taken twice".into());
        }
        if let Some(person) = fact.digest {
            let own = self.persons.entry(person).or_default();
            *own += 1;
            if *own > self.offer.per_person {
                return Err(format!("one person took {own} units; {} are allowed", self.offer.per_person));
            }
        }
        self.left = unit.left;
        Ok(())
    }

    fn confirm(&mut self, unit: &Unit) -> Result<(), String> {
        if self.holds.remove(&unit.reserved_n).is_none() {
            return Err("a unit was paid that nobody had taken".into());
        }
        self.confirmed += 1;
        Ok(())
    }

    fn give_back(&mut self, unit: &Unit) -> Result<(), String> {
        let Some(person) = self.holds.remove(&unit.reserved_n) else {
            return Err("a unit came back that nobody had taken".into());
        };
        if unit.left > self.left + 1 {
            return Err(format!(
                "one unit came back, and {} are left instead of {}",
                unit.left,
                self.left + 1
            ));
        }
        if let Some(own) = person.and_then(|person| self.persons.get_mut(&person)) {
            *own = own.saturating_sub(1);
        }
        self.left = unit.left;
        Ok(())
    }
}

fn digest_of_seed(seed: &str) -> Option<String> {
    let seed: Digest = seed.parse().ok()?;
    Some(Digest::of(&[seed.as_bytes()]).to_string())
}

fn name(person: &Person) -> String {
    match &person.name {
        Some(name) => format!("{name} ({})", person.id),
        None => person.id.to_string(),
    }
}
