//! Entering a window: membership by what was seen, then the rule's own conditions.

use super::{
    Moment, Sequencer,
    refusal::Refusal,
    verbs::may,
    window::{AMOUNT_MAX, ENTRIES_MAX, LATE_MAX, Window},
};
use crate::{
    Ack, Command, Decide, Entered, Event, EventType, Extended, Hidden, Judged, Membership, Rule, Sender,
    Status, judge,
};
use serde_json::{Value, json};
use unisono_base::MediaTime;
use uuid::Uuid;

impl Sequencer {
    pub(super) fn enter_window(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.send, "enter", event_type)?;
        let id =
            command.subject.ok_or_else(|| Refusal::invalid("say which: subject is the id of the window"))?;
        let (entered, is_sealed) = self.examine(id, &command, sender)?;
        if entered.is_late || is_sealed {
            return self.enter_hidden(entered, command, sender, event_type, moment);
        }
        let t_seen = entered.t_seen;
        let place = (event_type.lane, event_type.late);
        let witnessed =
            self.event_of(format!("{}.entered", event_type.name), (&command, sender), place, moment)?;
        // Shown with the newest frame: its price holds from there on for everybody.
        let at = self.place_own(event_type.lane, super::lanes::newest(moment)).max(witnessed.at);
        let event = Event { at, rule: Some(Rule::Entered(entered)), data: command.data, ..witnessed };
        let ack = self.answer(event, moment)?;
        self.soft_close(id, t_seen, event_type, moment);
        Ok(ack)
    }

    fn enter_hidden(
        &mut self,
        entered: Entered,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        let (id, t_seen, is_late) = (entered.window, entered.t_seen, entered.is_late);
        let hidden = Hidden {
            epoch: moment.epoch.unwrap_or(self.state.epoch),
            cause: Some(command.cmd_id),
            ty: event_type.name.clone(),
            rule: Rule::Entered(entered),
            person: Some(sender.person.clone()),
            data: command.data,
        };
        let entry = self.stage_hidden(hidden, moment);
        if !is_late {
            self.soft_close(id, t_seen, event_type, moment);
        }
        Ack::of(&entry).ok_or_else(|| Refusal::invalid("a command has a cmd_id"))
    }

    /// The entry that `command` is, and whether its window is sealed.
    fn examine(&self, id: Uuid, command: &Command, sender: &Sender) -> Result<(Entered, bool), Refusal> {
        if let Some(window) = self.state.windows.get(id).filter(|window| *window.ty == *command.ty) {
            let value = value_of(window.terms.decide, &command.data)?;
            let judged = judge(&window.terms, window.closes, &sender.witness);
            if judged.membership == Membership::Early {
                let words =
                    format!("it opens at {}, which you have not seen yet", window.terms.opens.as_micros());
                return Err(Refusal::invalid(words));
            }
            if judged.membership == Membership::In {
                self.admit(window, value, judged.t_seen, sender)?;
            }
            return Ok((entered(id, value, judged, sender), window.terms.is_sealed));
        }
        let Some(closed) = self.state.windows.closed(id).filter(|closed| *closed.ty == *command.ty) else {
            return Err(Refusal::invalid(format!("no {} with the id {id} is open", command.ty)));
        };
        if closed.late >= LATE_MAX {
            return Err(Refusal::new(Status::Late, "the window has been decided"));
        }
        let value = value_of(closed.terms.decide, &command.data)?;
        let judged = judge(&closed.terms, closed.closes, &sender.witness);
        Ok((entered(id, value, Judged { membership: Membership::Late, ..judged }, sender), true))
    }

    /// Whether an entry that is in time counts.
    fn admit(&self, window: &Window, value: i64, t_seen: MediaTime, sender: &Sender) -> Result<(), Refusal> {
        if self.state.traces.know(window.terms.window, &sender.person.id) {
            return Err(Refusal::took_part());
        }
        let most = window.terms.entries_per_person;
        let is_full = window.entries_of(&sender.person.id) >= most as usize;
        if is_full && !window.terms.changes {
            return Err(Refusal::invalid(match most {
                1 => "you have entered already, and an entry cannot be changed".to_owned(),
                _ => format!("you have entered {most} times, the limit"),
            }));
        }
        if !is_full && self.state.windows.entries() >= ENTRIES_MAX {
            return Err(Refusal::invalid(format!(
                "the room's windows hold {ENTRIES_MAX} entries, its limit"
            )));
        }
        let Decide::Highest { start, step } = window.terms.decide else { return Ok(()) };
        if value < start {
            let words = format!("the least amount is {start}");
            return Err(Refusal::invalid(words).with(json!({"least": start})));
        }
        // Nobody has to beat what they cannot have seen, and everybody knows their own bid: equal amounts stand beside each other and are split by the seed.
        let seq_seen = sender.witness.claimed.and_then(|claim| claim.seq);
        let least =
            window.price_seen(t_seen, seq_seen).map_or(start, |price| price.amount.saturating_add(step));
        let Some(price) = window.price() else { return Ok(()) };
        let own = window.highest_of(&sender.person.id);
        let over_own = own.map_or(value, |own| own.saturating_add(step));
        if value < least || value < price.amount || value < over_own {
            let words = format!(
                "the price is {} by now; bid {} or more",
                price.amount,
                price.amount.saturating_add(step)
            );
            let data = json!({"price": price.amount, "least": price.amount.saturating_add(step)});
            return Err(Refusal::new(Status::Outbid, words).with(data));
        }
        Ok(())
    }

    /// Moves the end where an entry came shortly before it (fairness spec 9).
    fn soft_close(&mut self, id: Uuid, t_seen: MediaTime, event_type: &EventType, moment: Moment) {
        let Some(window) = self.state.windows.get(id) else { return };
        let moved = window.terms.extended(window.closes, window.reveal, window.extensions, t_seen);
        let Some((closes, reveal)) = moved else { return };
        let count = window.extensions + 1;
        let by_n = self.state.last_n;
        let event =
            self.own_event(format!("{}.extended", event_type.name), event_type.lane, id, None, moment);
        let rule = Rule::Extended(Extended { window: id, closes, reveal, count, by_n });
        self.stage_event(Event { rule: Some(rule), ..event }, moment);
    }
}

fn entered(window: Uuid, value: i64, judged: Judged, sender: &Sender) -> Entered {
    Entered {
        window,
        value,
        t_seen: judged.t_seen,
        is_clamped: judged.is_clamped,
        is_late: judged.membership == Membership::Late,
        witness: sender.witness,
    }
}

fn value_of(decide: Decide, data: &Value) -> Result<i64, Refusal> {
    match decide {
        Decide::Tally { choices } | Decide::Match { choices } => {
            let choice = data.get("choice").and_then(Value::as_i64);
            let fits = choice.filter(|choice| (0..i64::from(choices)).contains(choice));
            fits.ok_or_else(|| Refusal::invalid(format!("data/choice must be 0 to {}", choices - 1)))
        }
        Decide::Highest { .. } => {
            let amount = data.get("amount").and_then(Value::as_i64);
            let fits = amount.filter(|amount| (1..=AMOUNT_MAX).contains(amount));
            fits.ok_or_else(|| {
                Refusal::invalid("data/amount must be a whole number from 1 in the smallest unit")
            })
        }
    }
}
