//! Opening, closing and withdrawing windows.

use super::{OPEN_MAX, Window};
use crate::{
    Ack, CLOCK_ERROR, Command, Committed, Decide, DecideBy, Entry, Event, EventType, Hidden, L_MAX, L_MIN,
    Rule, Sender, Shortened, SoftClose, Terms, UPLINK, WindowClass,
    fairness::{hex, seed_digest},
    sequencer::{Moment, Sequencer, lanes::newest, refusal::Refusal, verbs::may},
};
use serde_json::{Value, json};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// Choices of one window at most.
const CHOICES_MAX: usize = 64;
/// Greatest amount: what a number of JavaScript holds exactly.
pub(crate) const AMOUNT_MAX: i64 = (1 << 53) - 1;
/// Shortest window.
const OPEN_LEAST: Span = Span::from_secs(1);

impl Sequencer {
    pub(in crate::sequencer) fn open_window(
        &mut self,
        command: Command,
        sender: &Sender,
        (event_type, class): (&EventType, &WindowClass),
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.host, "open", event_type)?;
        if self.state.windows.len() >= OPEN_MAX {
            return Err(Refusal::invalid(format!(
                "{OPEN_MAX} windows are open in this room already, its limit"
            )));
        }
        let dur = command.dur.filter(|dur| *dur >= OPEN_LEAST);
        let dur = dur.ok_or_else(|| {
            Refusal::invalid("dur must say how long it is open: 1000000 microseconds or more")
        })?;
        let (decide, outcome) = rule_of(class, &command.data)?;
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.opened", event_type.name), (&command, sender), place, moment)?;
        let seed = self.derive(moment);
        let numbers = Numbers::of(&command.data)?;
        let terms = numbers.terms((class, decide), (event.id, event.at, dur), seed_digest(&seed));
        if let Some(missing) = terms.missing() {
            return Err(leak(&terms, missing));
        }
        let window = event.id;
        let data = without(command.data, "outcome");
        let ack = self.answer(Event { rule: Some(Rule::Opened(terms)), data, ..event }, moment)?;
        let committed = Committed { window, outcome, seed: Some(hex(&seed)) };
        self.commit(committed, event_type, None, moment);
        Ok(ack)
    }

    /// Ends a window now, tells its outcome, or both.
    pub(in crate::sequencer) fn close_window(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.host, "close", event_type)?;
        let (id, window) = self.window_of(&command)?;
        let outcome = outcome_of(window.terms.decide, &command.data)?;
        if outcome.is_some() && window.outcome.is_some() {
            return Err(Refusal::invalid("its outcome was told already and stays"));
        }
        let end = newest(moment).max(window.terms.opens) + Span::from_millis(1);
        let (closes, gap) = (window.closes, window.reveal - window.closes);
        if end >= closes && outcome.is_none() {
            return Err(Refusal::invalid(match window.waits_for_outcome() {
                true => "it has ended and waits for data.outcome: say which choice was right".to_owned(),
                false => format!("it ends by itself at {}", closes.as_micros()),
            }));
        }
        let committed = Committed { window: id, outcome, seed: None };
        if end >= closes {
            let entry = self.commit(committed, event_type, Some((&command, sender)), moment);
            return Ack::of(&entry).ok_or_else(|| Refusal::invalid("a command has a cmd_id"));
        }
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.shortened", event_type.name), (&command, sender), place, moment)?;
        let rule = Rule::Shortened(Shortened { window: id, closes: end, reveal: end + gap });
        let data = without(command.data, "outcome");
        let ack = self.answer(Event { rule: Some(rule), data, ..event }, moment)?;
        if outcome.is_some() {
            self.commit(committed, event_type, None, moment);
        }
        Ok(ack)
    }

    pub(in crate::sequencer) fn withdraw_window(
        &mut self,
        command: Command,
        sender: &Sender,
        event_type: &EventType,
        moment: Moment,
    ) -> Result<Ack, Refusal> {
        may(sender, event_type.host, "cancel", event_type)?;
        let (subject, _) = self.window_of(&command)?;
        let place = (event_type.lane, event_type.late);
        let event =
            self.event_of(format!("{}.withdrawn", event_type.name), (&command, sender), place, moment)?;
        self.answer(Event { rule: Some(Rule::Withdrawn { subject }), data: command.data, ..event }, moment)
    }

    fn window_of(&self, command: &Command) -> Result<(Uuid, &Window), Refusal> {
        let id =
            command.subject.ok_or_else(|| Refusal::invalid("say which: subject is the id of the window"))?;
        let window = self.state.windows.get(id).filter(|window| *window.ty == *command.ty);
        window
            .map(|window| (id, window))
            .ok_or_else(|| Refusal::invalid(format!("no {} with the id {id} is open", command.ty)))
    }

    fn commit(
        &mut self,
        committed: Committed,
        event_type: &EventType,
        command: Option<(&Command, &Sender)>,
        moment: Moment,
    ) -> Entry {
        let hidden = Hidden {
            epoch: moment.epoch.unwrap_or(self.state.epoch),
            cause: command.map(|(command, _)| command.cmd_id),
            ty: event_type.name.clone(),
            rule: Rule::Committed(committed),
            person: command.map(|(_, sender)| sender.person.clone()),
            data: Value::Null,
        };
        self.stage_hidden(hidden, moment)
    }
}

/// What `data.terms` of an `open` may say, in microseconds; the rest follows from it.
struct Numbers {
    l_max: Span,
    l_min: Span,
    uplink: Span,
    reveal_after: Option<Span>,
}

impl Numbers {
    fn of(data: &Value) -> Result<Self, Refusal> {
        let number = |name: &str, most: Span| match data.pointer(&format!("/terms/{name}")) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(micros) if (0..=most.as_micros()).contains(&micros) => {
                    Ok(Some(Span::from_micros(micros)))
                }
                _ => Err(Refusal::invalid(format!(
                    "data/terms/{name} must be 0 to {} microseconds",
                    most.as_micros()
                ))),
            },
        };
        let l_max = number("l_max", Span::from_secs(60))?.unwrap_or(L_MAX);
        let l_min = number("l_min", Span::from_secs(60))?.unwrap_or(L_MIN.min(l_max));
        if l_min > l_max {
            return Err(Refusal::invalid("data/terms/l_min must not be over l_max"));
        }
        Ok(Self {
            l_max,
            l_min,
            uplink: number("uplink", Span::from_secs(5))?.unwrap_or(UPLINK),
            reveal_after: number("reveal_after", Span::from_secs(24 * 3_600))?,
        })
    }

    fn terms(
        self,
        (class, decide): (&WindowClass, Decide),
        (window, opens, dur): (Uuid, MediaTime, Span),
        seed_digest: String,
    ) -> Terms {
        let closes = opens + dur;
        let within = Terms::soft_close_within(self.l_max, self.uplink);
        let soft_close = SoftClose { within, extensions_max: class.extensions_max };
        let terms = Terms {
            window,
            opens,
            closes,
            reveal: closes,
            l_max: self.l_max,
            l_min: self.l_min,
            uplink: self.uplink,
            decide,
            is_sealed: class.is_sealed,
            entries_per_person: class.entries_per_person,
            changes: class.changes,
            soft_close: (class.extensions_max > 0).then_some(soft_close),
            seed_digest,
        };
        let reveal = closes + self.reveal_after.unwrap_or(terms.reveal_usual());
        Terms { reveal, ..terms }
    }
}

fn leak(terms: &Terms, missing: Span) -> Refusal {
    let millis = |span: Span| (span.as_micros() + 999) / 1_000;
    let words = format!(
        "the result would show before the last viewer's window closes: reveal_after is {} ms and must be {} ms \
         (l_max {} - l_min {} + {}); {} ms are missing. Reveal later, lower l_max, or use lockstep",
        millis(terms.reveal - terms.closes),
        millis(terms.reveal_gap()),
        millis(terms.l_max),
        millis(terms.l_min),
        millis(CLOCK_ERROR),
        millis(missing),
    );
    Refusal::invalid(words).with(json!({"missing_us": missing.as_micros()}))
}

fn rule_of(class: &WindowClass, data: &Value) -> Result<(Decide, Option<u16>), Refusal> {
    let decide = match class.decide {
        DecideBy::Tally => Decide::Tally { choices: choices_of(data)? },
        DecideBy::Match => Decide::Match { choices: choices_of(data)? },
        DecideBy::Highest => {
            Decide::Highest { start: amount_of(data, "start")?, step: amount_of(data, "step")? }
        }
    };
    Ok((decide, outcome_of(decide, data)?))
}

fn choices_of(data: &Value) -> Result<u16, Refusal> {
    let count = data.get("choices").and_then(Value::as_array).map(Vec::len);
    let fits = count.filter(|count| (2..=CHOICES_MAX).contains(count));
    // At most 64, so it fits.
    fits.map(|count| count as u16)
        .ok_or_else(|| Refusal::invalid(format!("data/choices must be a list of 2 to {CHOICES_MAX}")))
}

/// At least 1, which is also what it is unless said.
fn amount_of(data: &Value, name: &str) -> Result<i64, Refusal> {
    let Some(value) = data.get(name) else { return Ok(1) };
    let fits = value.as_i64().filter(|amount| (1..=AMOUNT_MAX).contains(amount));
    fits.ok_or_else(|| {
        Refusal::invalid(format!("data/{name} must be a whole number from 1 in the smallest unit"))
    })
}

fn outcome_of(decide: Decide, data: &Value) -> Result<Option<u16>, Refusal> {
    let Some(value) = data.get("outcome") else { return Ok(None) };
    let Decide::Match { choices } = decide else {
        return Err(Refusal::invalid("data/outcome: this window is not decided by an outcome"));
    };
    let outcome = value.as_u64().and_then(|outcome| u16::try_from(outcome).ok());
    match outcome.filter(|outcome| *outcome < choices) {
        Some(outcome) => Ok(Some(outcome)),
        None => Err(Refusal::invalid(format!("data/outcome must be 0 to {}", choices - 1))),
    }
}

fn without(mut data: Value, member: &str) -> Value {
    if let Value::Object(members) = &mut data {
        members.remove(member);
    }
    data
}
