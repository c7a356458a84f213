//! What was erased from the log leaves the room's memory as well: afterwards the room is as if it had been read from the
//! log that is left.

use super::{Moment, Sequencer};
use crate::{Event, Hidden, Rule};
use std::sync::Arc;
use uuid::Uuid;

impl Sequencer {
    /// What the event `id` says was erased, or what will be the event `id` and waits in a queue: that is not shown any more,
    /// which is staged as an entry.
    pub fn forget_payload(&mut self, id: Uuid, moment: Moment) {
        let is_erased = |event: &Event| event.id == id;
        self.state.latest.forget(is_erased);
        for event in self.shown_events().filter(|event| is_erased(event)) {
            Arc::make_mut(event).data = serde_json::Value::Null;
        }
        self.unqueue_erased(self.state.queues.waiting(|item, _| item == id), moment);
    }

    /// A person was erased, with all they wrote. Their entries in open windows and the units they have taken go on
    /// counting, as `stand_in`'s; whoever comes back is somebody new.
    pub fn forget_person(&mut self, id: &str, stand_in: Option<&Arc<str>>, moment: Moment) {
        let is_erased = |event: &Event| event.actor.as_ref().is_some_and(|actor| *actor.id == *id);
        self.state.latest.forget(is_erased);
        for event in self.shown_events().filter(|event| is_erased(event)) {
            let event = Arc::make_mut(event);
            (event.data, event.actor) = (serde_json::Value::Null, None);
        }
        self.state.events.forget_person(id);
        if let Some(stand_in) = stand_in {
            self.state.windows.rename(id, stand_in);
            self.state.offers.rename(id, stand_in);
        }
        let theirs = self.state.queues.waiting(|_, person| person.is_some_and(|person| *person.id == *id));
        self.unqueue_erased(theirs, moment);
    }

    fn shown_events(&mut self) -> impl Iterator<Item = &mut Arc<Event>> {
        let state = &mut self.state;
        state.windows.events_mut().chain(state.offers.events_mut()).chain(state.queues.events_mut())
    }

    fn unqueue_erased(&mut self, items: Vec<(String, Uuid)>, moment: Moment) {
        for (ty, subject) in items {
            let hidden = Hidden {
                epoch: moment.epoch.unwrap_or(self.state.epoch),
                cause: None,
                ty,
                rule: Rule::Withdrawn { subject },
                person: None,
                data: serde_json::Value::Null,
            };
            self.stage_hidden(hidden, moment);
        }
    }
}
