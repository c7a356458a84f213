//! Class `queue`: shown one after the other. What waits is hidden; it becomes an event when its turn comes.

use super::{Fact, Moment, Sequencer, refusal::Refusal, timeout::Due, verbs::may};
use crate::{
    Ack, Command, Event, EventType, Hidden, Person, Queued, Role, Rule, Sender, Shown, Status,
    event::check_span,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// Waiting in all queues of a room: types bound each, this bounds them together. At most about 3 KiB each.
const WAITING_MAX: usize = 4_096;

/// One that waits.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    n: u64,
    item: Uuid,
    show: Span,
    person: Option<Person>,
    data: serde_json::Value,
}

/// One queue: what is shown, what waits.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Queue {
    pub(super) showing: Option<(MediaTime, Arc<Event>)>,
    waiting: VecDeque<Waiting>,
}

impl Queue {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The entry of the one that waits longest.
    pub(super) fn first_n(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.n)
    }
}

/// Queues by type.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Queues {
    by_type: BTreeMap<String, Queue>,
}

impl Queues {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Queue)> {
        self.by_type.iter()
    }

    /// When the next one of each queue may be shown: long ago where nothing is shown, never where nobody waits.
    pub(super) fn due(&self) -> impl Iterator<Item = (MediaTime, Due)> {
        self.by_type.iter().filter_map(|(ty, queue)| {
            queue.waiting.front()?;
            let at = queue.showing.as_ref().map_or(MediaTime::default(), |(until, _)| *until);
            Some((at, Due::Next(ty.clone())))
        })
    }

    pub(super) fn wait(&mut self, queued: &Queued, fact: &Fact<'_>) {
        let waiting = Waiting {
            n: fact.n,
            item: queued.item,
            show: queued.show,
            person: fact.person.cloned(),
            data: fact.data.clone(),
        };
        self.by_type.entry(fact.ty.to_owned()).or_default().waiting.push_back(waiting);
    }

    pub(super) fn show(&mut self, shown: &Shown, fact: &Fact<'_>) {
        let queue = self.by_type.entry(fact.ty.to_owned()).or_default();
        queue.waiting.retain(|waiting| Some(waiting.n) != shown.queued_n);
        queue.showing = fact.event.map(|event| (shown.until, event.clone()));
    }

    /// Takes `item` out, whether it is shown or waits.
    pub(super) fn end(&mut self, item: Uuid) {
        for queue in self.by_type.values_mut() {
            queue.waiting.retain(|waiting| waiting.item != item);
            if queue.showing.as_ref().is_some_and(|(_, event)| event.id == item) {
                queue.showing = None;
            }
        }
    }

    /// The events that newcomers are shown.
    pub(super) fn events_mut(&mut self) -> impl Iterator<Item = &mut Arc<Event>> {
        self.by_type.values_mut().filter_map(|queue| queue.showing.as_mut().map(|(_, event)| event))
    }

    /// What waits, with its type: `of(item, person)`.
    pub(super) fn waiting(&self, of: impl Fn(Uuid, Option<&Person>) -> bool) -> Vec<(String, Uuid)> {
        let waiting = self.by_type.iter().flat_map(|(ty, queue)| queue.waiting.iter().map(move |w| (ty, w)));
        let chosen = waiting.filter(|(_, waiting)| of(waiting.item, waiting.person.as_ref()));
        chosen.map(|(ty, waiting)| (ty.clone(), waiting.item)).collect()
    }

    fn find(&self, ty: &str, item: Uuid) -> Option<&Waiting> {
        self.by_type.get(ty)?.waiting.iter().find(|waiting| waiting.item == item)
    }
}

impl Sequencer {
    pub(super) fn enqueue(
        &mut self,
        command: Command,
        sender: &Sender,
        (event_type, show, waiting_max): (&EventType, Span, u32),
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.send, "send", event_type)?;
        check_span("dur", command.dur)?;
        let show = command.dur.unwrap_or(show);
        let queue = self.state.queues.by_type.get(&event_type.name);
        let waiting = queue.map_or(0, Queue::waiting);
        let is_showing =
            queue.and_then(|queue| queue.showing.as_ref()).is_some_and(|(until, _)| *until > moment.now);
        if waiting == 0 && !is_showing {
            return self.show_now(command, sender, (event_type, show), moment);
        }
        let in_room: usize = self.state.queues.by_type.values().map(Queue::waiting).sum();
        if waiting >= waiting_max as usize || in_room >= WAITING_MAX {
            let words =
                format!("{waiting} wait already, the limit is {waiting_max} ({WAITING_MAX} in all queues)");
            return Err(Refusal::invalid(words));
        }
        let item = self.new_id(moment);
        let hidden = Hidden {
            epoch: moment.epoch.unwrap_or(self.state.epoch),
            cause: Some(command.cmd_id),
            ty: event_type.name.clone(),
            rule: Rule::Queued(Queued { item, show }),
            person: Some(sender.person.clone()),
            data: command.data,
        };
        let entry = self.stage_hidden(hidden, moment);
        Ack::of(&entry).ok_or_else(|| Refusal::invalid("a command has a cmd_id"))
    }

    fn show_now(
        &mut self,
        command: Command,
        sender: &Sender,
        (event_type, show): (&EventType, Span),
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        let place = (event_type.lane, event_type.late);
        let event = self.event_of(&event_type.name, (&command, sender), place, moment)?;
        let rule = Rule::Shown(Shown { queued_n: None, until: moment.now + show });
        self.answer(Event { dur: Some(show), rule: Some(rule), data: command.data, ..event }, moment)
    }

    /// Takes back what is shown, or what waits: by its author or a moderator.
    pub(super) fn unqueue(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        let subject = command.subject.ok_or_else(|| Refusal::invalid("say which: subject is missing"))?;
        let Some(waiting) = self.state.queues.find(&event_type.name, subject) else {
            return self.cancel(command, sender, event_type, moment);
        };
        let author = waiting.person.as_ref().map(|person| &*person.id);
        if author != Some(&*sender.person.id) && sender.role < Role::Moderator {
            return Err(Refusal::new(Status::Forbidden, "only its author or a moderator may take it back"));
        }
        let hidden = Hidden {
            epoch: moment.epoch.unwrap_or(self.state.epoch),
            cause: Some(command.cmd_id),
            ty: event_type.name.clone(),
            rule: Rule::Withdrawn { subject },
            person: Some(sender.person.clone()),
            data: command.data,
        };
        let entry = self.stage_hidden(hidden, moment);
        Ack::of(&entry).ok_or_else(|| Refusal::invalid("a command has a cmd_id"))
    }

    pub(super) fn show_next(&mut self, ty: &str, moment: Moment) {
        let queue = self.state.queues.by_type.get(ty);
        let Some(next) = queue.and_then(|queue| queue.waiting.front()).cloned() else { return };
        let registered = self.types.get(ty).map(|registered| registered.event_type());
        let lane = registered.map_or_else(Default::default, |event_type| event_type.lane);
        let late = registered.and_then(|event_type| event_type.late).unwrap_or(lane.late());
        let own = self.own_event(ty, lane, next.item, None, moment);
        let rule = Rule::Shown(Shown { queued_n: Some(next.n), until: moment.now + next.show });
        let event = Event {
            id: next.item,
            dur: Some(next.show),
            late,
            actor: next.person,
            subject: None,
            rule: Some(rule),
            data: next.data,
            ..own
        };
        self.stage_event(event, moment);
    }
}
