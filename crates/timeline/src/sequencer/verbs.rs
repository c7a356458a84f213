//! Which verb does what in which class.

use super::{Moment, Sequencer, events::Fate, refusal::Refusal};
use crate::{
    Ack, Class, Command, DATA_MAX, Event, EventType, Refused, Registered, Role, Rule, Sender, Status, Verb,
    event::{check_span, check_type},
};
use std::sync::Arc;
use uuid::Uuid;

impl Sequencer {
    pub(super) fn carry_out(
        &mut self,
        command: Command,
        sender: &Sender,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        check(&command)?;
        let types = Arc::clone(&self.types);
        let Some(registered) = types.get(&command.ty) else {
            return self.free(command, sender, moment);
        };
        let event_type = registered.event_type();
        if let Verb::Send | Verb::Amend | Verb::Open | Verb::Enter = command.verb {
            registered.check_data(&command.data).map_err(Refusal::invalid)?;
        }
        match (&event_type.class, command.verb) {
            (Class::Log {} | Class::Latest { .. }, Verb::Send) => {
                self.send(command, sender, registered, moment)
            }
            (Class::Log {} | Class::Latest { .. }, Verb::Amend) => {
                self.amend(command, sender, registered, moment)
            }
            (Class::Log {} | Class::Latest { .. }, Verb::Cancel) => {
                self.cancel(command, sender, event_type, moment)
            }
            (Class::Window(class), Verb::Open) => {
                self.open_window(command, sender, (event_type, class), moment)
            }
            (Class::Window(_), Verb::Enter) => self.enter_window(command, sender, event_type, moment),
            (Class::Window(_), Verb::Close) => self.close_window(command, sender, event_type, moment),
            (Class::Window(_), Verb::Cancel) => self.withdraw_window(command, sender, event_type, moment),
            (Class::Stock { hold, per_person }, Verb::Open) => {
                self.open_offer(command, sender, (event_type, *hold, *per_person), moment)
            }
            (Class::Stock { .. }, Verb::Enter) => self.reserve(command, sender, event_type, moment),
            (Class::Stock { .. }, Verb::Confirm | Verb::Release) => {
                self.settle(command, sender, event_type, moment)
            }
            (Class::Stock { .. }, Verb::Close | Verb::Cancel) => {
                self.withdraw_offer(command, sender, event_type, moment)
            }
            (Class::Queue { show, waiting_max }, Verb::Send) => {
                self.enqueue(command, sender, (event_type, *show, *waiting_max), moment)
            }
            (Class::Queue { .. }, Verb::Cancel) => self.unqueue(command, sender, event_type, moment),
            (Class::Counter { .. }, Verb::Send) => {
                Err(Refusal::invalid(format!("{} is counted, not written down", event_type.name)))
            }
            (class, verb) => Err(Refusal::invalid(format!(
                "{} is of class {}, which does not know {}; it knows {}",
                event_type.name,
                class.as_str(),
                verb.as_str(),
                class.verbs(),
            ))),
        }
    }

    /// An event of no registered type: a host's own word.
    fn free(&mut self, command: Command, sender: &Sender, moment: Moment) -> Result<Ack, Refusal> {
        check_type(&command.ty)?;
        if sender.role < Role::Host {
            let words =
                format!("type {:?} is not registered; only a host sends what no type describes", command.ty);
            return Err(Refusal::new(Status::Forbidden, words));
        }
        let lane = command.lane.unwrap_or_default();
        if !lane.is_sequenced() {
            return Err(Refused::NotSequenced(lane).into());
        }
        match command.verb {
            Verb::Send => self.known_subject(&command)?,
            Verb::Amend | Verb::Cancel => self.own_subject(&command, sender)?,
            Verb::Open | Verb::Enter | Verb::Confirm | Verb::Release | Verb::Close => {
                let words =
                    format!("type {:?} is not registered, so it knows send, amend and cancel", command.ty);
                return Err(Refusal::invalid(words));
            }
        }
        let ty = match command.verb {
            Verb::Cancel => format!("{}.cancelled", command.ty),
            _ => command.ty.clone(),
        };
        let event = self.event_of(ty, (&command, sender), (lane, None), moment)?;
        let event = match command.verb {
            Verb::Amend => Event { supersedes: command.subject, ..event },
            Verb::Cancel => Event { cancels: command.subject, ..event },
            _ => event,
        };
        self.answer(Event { data: command.data, ..event }, moment)
    }

    fn send(
        &mut self,
        command: Command,
        sender: &Sender,
        registered: &Registered,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        let event_type = registered.event_type();
        may(sender, event_type.send, "send", event_type)?;
        self.known_subject(&command)?;
        let rule = self.replacing(registered, &command)?;
        let place = (event_type.lane, event_type.late);
        let event = self.event_of(&event_type.name, (&command, sender), place, moment)?;
        self.answer(Event { rule, data: command.data, ..event }, moment)
    }

    fn amend(
        &mut self,
        command: Command,
        sender: &Sender,
        registered: &Registered,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        let event_type = registered.event_type();
        self.own_subject(&command, sender)?;
        let rule = self.replacing(registered, &command)?;
        let place = (event_type.lane, event_type.late);
        let event = self.event_of(&event_type.name, (&command, sender), place, moment)?;
        self.answer(Event { rule, supersedes: command.subject, data: command.data, ..event }, moment)
    }

    pub(super) fn cancel(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        self.own_subject(&command, sender)?;
        let ty = format!("{}.cancelled", event_type.name);
        let event = self.event_of(ty, (&command, sender), (event_type.lane, event_type.late), moment)?;
        self.answer(Event { cancels: command.subject, data: command.data, ..event }, moment)
    }

    /// Of class `latest`: the value that this one takes the place of. It stands in clear, since a key is gone with its erased payload, and
    /// the value before must not come back then.
    fn replacing(&self, registered: &Registered, command: &Command) -> Result<Option<Rule>, Refusal> {
        let key = registered.key_of(&command.data).map_err(Refusal::invalid)?;
        if !matches!(registered.event_type().class, Class::Latest { .. }) {
            return Ok(None);
        }
        self.state.latest.check(&command.ty, &key).map_err(Refusal::invalid)?;
        let standing = self.state.latest.standing(&command.ty, &key);
        Ok(standing.map(|event| Rule::Replaces { event }))
    }

    /// What is answered must be known, so that the answer is not shown before it.
    fn known_subject(&self, command: &Command) -> Result<(), Refusal> {
        match command.subject {
            Some(subject) if self.state.events.get(subject).is_none() => Err(unknown(subject)),
            Some(_) | None => Ok(()),
        }
    }

    /// What is amended or taken back must stand, be of the same type, and be the sender's own unless a moderator asks.
    fn own_subject(&self, command: &Command, sender: &Sender) -> Result<(), Refusal> {
        let subject = command.subject.ok_or_else(|| Refusal::invalid("say which: subject is missing"))?;
        let known = self.state.events.get(subject).ok_or_else(|| unknown(subject))?;
        if !known.is_plain || *known.ty != *command.ty {
            let words = format!("{subject} is a {}, not a {} that stands by itself", known.ty, command.ty);
            return Err(Refusal::invalid(words));
        }
        if known.author.as_deref() != Some(&*sender.person.id) && sender.role < Role::Moderator {
            return Err(Refusal::new(Status::Forbidden, "only its author or a moderator may change it"));
        }
        match known.fate {
            Fate::Stands => Ok(()),
            Fate::Cancelled => Err(Refusal::invalid(format!("{subject} was taken back already"))),
            Fate::ReplacedBy(new) => {
                Err(Refusal::invalid(format!("{subject} was replaced by {new}: change that")))
            }
        }
    }
}

/// Refuses a sender whose role is too low.
pub(super) fn may(sender: &Sender, needed: Role, verb: &str, event_type: &EventType) -> Result<(), Refusal> {
    if sender.role >= needed {
        return Ok(());
    }
    let words = format!("to {verb} {} one must be {}", event_type.name, needed.as_str());
    Err(Refusal::new(Status::Forbidden, words))
}

fn unknown(subject: Uuid) -> Refusal {
    let max = super::events::EVENTS_MAX;
    Refusal::invalid(format!("subject {subject} is not among the newest {max} events of this room"))
}

fn check(command: &Command) -> Result<(), Refusal> {
    check_span("dur", command.dur)?;
    check_span("ttl", command.ttl)?;
    match command.data.to_string().len() {
        fits if fits <= DATA_MAX => Ok(()),
        bytes => Err(Refused::Data(bytes).into()),
    }
}
