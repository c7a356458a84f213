//! Class `stock`: a limited quantity, each unit taken exactly once, confirmed or returned.

use super::{Fact, Moment, Sequencer, refusal::Refusal, timeout::Due, verbs::may, window::base};
use crate::{Ack, Command, Event, EventType, Lane, Offer, Role, Rule, Sender, Status, Unit, Verb};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// Offers open at once.
const OPEN_MAX: usize = 64;
/// Units of one offer. A taken unit holds about 200 bytes, a person who bought about 100.
const QUANTITY_MAX: u64 = 100_000;

/// A unit somebody has taken and not paid yet.
#[derive(Clone, Debug, PartialEq)]
struct Hold {
    person: Option<Arc<str>>,
    /// The event that took it.
    event: Option<Uuid>,
    until: MediaTime,
}

/// One offer: `quantity = left + holds + confirmed`.
#[derive(Debug, PartialEq)]
pub(super) struct Stock {
    /// The entry that offered it.
    pub(super) n: u64,
    pub(super) ty: Arc<str>,
    pub(super) offer: Offer,
    pub(super) opened: Option<Arc<Event>>,
    pub(super) left: u32,
    pub(super) confirmed: u32,
    /// No more is given out; what was taken may still be paid.
    pub(super) is_withdrawn: bool,
    holds: BTreeMap<u64, Hold>,
    due: BTreeSet<(MediaTime, u64)>,
    /// Units taken or paid by each person.
    persons: HashMap<Arc<str>, u32>,
}

/// See the module.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Offers {
    open: BTreeMap<Uuid, Stock>,
}

impl Offers {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stock> {
        self.open.values()
    }

    pub(super) fn has(&self, id: Uuid) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn due(&self) -> impl Iterator<Item = (MediaTime, Due)> {
        self.open.values().filter_map(|stock| {
            let (at, reserved_n) = *stock.due.first()?;
            Some((at, Due::Return { offer: stock.offer.offer, reserved_n }))
        })
    }

    pub(super) fn open(&mut self, offer: &Offer, fact: &Fact<'_>) {
        let stock = Stock {
            n: fact.n,
            ty: base(fact.ty).into(),
            offer: offer.clone(),
            opened: fact.event.cloned(),
            left: offer.quantity,
            confirmed: 0,
            is_withdrawn: false,
            holds: BTreeMap::new(),
            due: BTreeSet::new(),
            persons: HashMap::new(),
        };
        self.open.insert(offer.offer, stock);
    }

    pub(super) fn reserve(&mut self, unit: &Unit, fact: &Fact<'_>) {
        let Some(stock) = self.open.get_mut(&unit.offer) else { return };
        let person = fact.person.map(|person| person.id.clone());
        if let Some(person) = person.clone() {
            *stock.persons.entry(person).or_default() += 1;
        }
        let hold = Hold { person, event: fact.event.map(|event| event.id), until: unit.until };
        stock.due.insert((unit.until, unit.reserved_n));
        stock.holds.insert(unit.reserved_n, hold);
        stock.left = unit.left;
    }

    pub(super) fn confirm(&mut self, unit: &Unit) {
        let Some(stock) = self.open.get_mut(&unit.offer) else { return };
        if stock.let_go(unit.reserved_n).is_some() {
            stock.confirmed += 1;
        }
        self.forget_if_done(unit.offer);
    }

    pub(super) fn give_back(&mut self, unit: &Unit) {
        let Some(stock) = self.open.get_mut(&unit.offer) else { return };
        let person = stock.let_go(unit.reserved_n).and_then(|hold| hold.person);
        if let Some(person) = person
            && let Some(count) = stock.persons.get_mut(&person)
        {
            *count -= 1;
            if *count == 0 {
                stock.persons.remove(&person);
            }
        }
        stock.left = unit.left;
        self.forget_if_done(unit.offer);
    }

    pub(super) fn withdraw(&mut self, id: Uuid) {
        if let Some(stock) = self.open.get_mut(&id) {
            stock.is_withdrawn = true;
        }
        self.forget_if_done(id);
    }

    /// The events that newcomers are shown.
    pub(super) fn events_mut(&mut self) -> impl Iterator<Item = &mut Arc<Event>> {
        self.open.values_mut().filter_map(|stock| stock.opened.as_mut())
    }

    /// Whose units are known by another name from now on.
    pub(super) fn rename(&mut self, id: &str, stand_in: &Arc<str>) {
        for stock in self.open.values_mut() {
            if let Some(own) = stock.persons.remove(id) {
                stock.persons.insert(stand_in.clone(), own);
            }
            for hold in stock.holds.values_mut().filter(|hold| hold.person.as_deref() == Some(id)) {
                hold.person = Some(stand_in.clone());
            }
        }
    }

    fn forget_if_done(&mut self, id: Uuid) {
        if self.open.get(&id).is_some_and(|stock| stock.is_withdrawn && stock.holds.is_empty()) {
            self.open.remove(&id);
        }
    }

    /// The hold that `subject` names: the event that took it, or an offer of which `person` has taken one.
    fn find(&self, subject: Uuid, person: &str) -> Option<(&Stock, u64)> {
        if let Some(stock) = self.open.get(&subject) {
            let own = stock.holds.iter().find(|(_, hold)| hold.person.as_deref() == Some(person));
            return own.map(|(n, _)| (stock, *n));
        }
        self.open.values().find_map(|stock| {
            let found = stock.holds.iter().find(|(_, hold)| hold.event == Some(subject));
            found.map(|(n, _)| (stock, *n))
        })
    }
}

impl Stock {
    /// Units that this person holds or has paid.
    pub(super) fn units_of(&self, person: &str) -> u32 {
        self.persons.get(person).copied().unwrap_or(0)
    }

    /// Units that this person holds: entry, event, and until when.
    pub(super) fn held_by<'a>(
        &'a self,
        person: &'a str,
    ) -> impl Iterator<Item = (u64, Uuid, MediaTime)> + 'a {
        let own = self.holds.iter().filter(move |(_, hold)| hold.person.as_deref() == Some(person));
        own.filter_map(|(n, hold)| Some((*n, hold.event?, hold.until)))
    }

    fn let_go(&mut self, reserved_n: u64) -> Option<Hold> {
        let hold = self.holds.remove(&reserved_n)?;
        self.due.remove(&(hold.until, reserved_n));
        Some(hold)
    }

    fn unit(&self, reserved_n: u64, left: u32) -> Unit {
        let until = self.holds.get(&reserved_n).map_or_else(MediaTime::default, |hold| hold.until);
        Unit { offer: self.offer.offer, reserved_n, until, left }
    }

    fn lane(&self) -> Lane {
        self.opened.as_ref().map_or_else(Lane::default, |event| event.lane)
    }
}

impl Sequencer {
    pub(super) fn open_offer(
        &mut self,
        command: Command,
        sender: &Sender,
        (event_type, hold, per_person): (&EventType, Span, u32),
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.host, "open", event_type)?;
        if self.state.offers.open.len() >= OPEN_MAX {
            let words =
                format!("{OPEN_MAX} offers are open in this room already, its limit; close one first");
            return Err(Refusal::invalid(words));
        }
        let quantity = command.data.get("quantity").and_then(Value::as_u64);
        let quantity = quantity.filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
        let quantity = quantity.and_then(|quantity| u32::try_from(quantity).ok());
        let quantity =
            quantity.ok_or_else(|| Refusal::invalid(format!("data/quantity must be 1 to {QUANTITY_MAX}")))?;
        let owner_confirms = command.data.get("owner_confirms").and_then(Value::as_bool).unwrap_or(false);
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.offered", event_type.name), (&command, sender), place, moment)?;
        let rule = Rule::Offered(Offer { offer: event.id, quantity, per_person, hold, owner_confirms });
        self.answer(Event { rule: Some(rule), data: command.data, ..event }, moment)
    }

    pub(super) fn reserve(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.send, "take one of", event_type)?;
        let id =
            command.subject.ok_or_else(|| Refusal::invalid("say which: subject is the id of the offer"))?;
        let stock =
            self.state.offers.open.get(&id).filter(|stock| *stock.ty == *command.ty && !stock.is_withdrawn);
        let stock =
            stock.ok_or_else(|| Refusal::invalid(format!("no {} with the id {id} is open", command.ty)))?;
        if self.state.traces.know(id, &sender.person.id) {
            return Err(Refusal::took_part());
        }
        let own = stock.persons.get(&sender.person.id).copied().unwrap_or(0);
        if own >= stock.offer.per_person {
            let words = format!("you have taken {own}, the limit of each person");
            return Err(Refusal::invalid(words));
        }
        if stock.left == 0 {
            let words = match stock.holds.is_empty() {
                true => "all are sold",
                false => "all are taken; one comes back if it is not paid in time",
            };
            return Err(Refusal::new(Status::Sold, words));
        }
        let until = moment.now + stock.offer.hold;
        let unit = Unit { offer: id, reserved_n: self.state.last_n + 1, until, left: stock.left - 1 };
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.reserved", event_type.name), (&command, sender), place, moment)?;
        self.answer(Event { rule: Some(Rule::Reserved(unit)), data: command.data, ..event }, moment)
    }

    /// Confirms a unit, or gives it back.
    pub(super) fn settle(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        let subject =
            command.subject.ok_or_else(|| Refusal::invalid("say which: subject is the reservation"))?;
        let found = self.state.offers.find(subject, &sender.person.id);
        let (stock, reserved_n) = found.filter(|(stock, _)| *stock.ty == *command.ty).ok_or_else(|| {
            Refusal::invalid(format!(
                "{subject} is no reservation that waits: it may have expired or been settled"
            ))
        })?;
        let is_owner = stock.holds[&reserved_n].person.as_deref() == Some(&*sender.person.id);
        let is_confirm = command.verb == Verb::Confirm;
        let is_allowed = match is_confirm {
            true => sender.role >= Role::Host || (is_owner && stock.offer.owner_confirms),
            false => sender.role >= Role::Moderator || is_owner,
        };
        if !is_allowed {
            let who = if is_confirm {
                "the host or the payment system confirms"
            } else {
                "its owner gives it back"
            };
            return Err(Refusal::new(Status::Forbidden, who));
        }
        let (word, rule) = match is_confirm {
            true => ("confirmed", Rule::Confirmed(stock.unit(reserved_n, stock.left))),
            false => ("returned", Rule::Returned(stock.unit(reserved_n, stock.left + 1))),
        };
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.{word}", event_type.name), (&command, sender), place, moment)?;
        self.answer(Event { rule: Some(rule), data: command.data, ..event }, moment)
    }

    pub(super) fn withdraw_offer(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.host, "close", event_type)?;
        let subject =
            command.subject.ok_or_else(|| Refusal::invalid("say which: subject is the id of the offer"))?;
        let stock = self.state.offers.open.get(&subject);
        if stock.is_none_or(|stock| *stock.ty != *command.ty || stock.is_withdrawn) {
            return Err(Refusal::invalid(format!("no {} with the id {subject} is open", command.ty)));
        }
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.withdrawn", event_type.name), (&command, sender), place, moment)?;
        self.answer(Event { rule: Some(Rule::Withdrawn { subject }), data: command.data, ..event }, moment)
    }

    pub(super) fn expire(&mut self, offer: Uuid, reserved_n: u64, moment: Moment) {
        let Some(stock) = self.state.offers.open.get(&offer) else { return };
        let rule = Rule::Returned(stock.unit(reserved_n, stock.left + 1));
        let (ty, lane) = (stock.ty.clone(), stock.lane());
        let event = self.own_event(format!("{ty}.returned"), lane, offer, None, moment);
        self.stage_event(Event { rule: Some(rule), ..event }, moment);
    }
}
