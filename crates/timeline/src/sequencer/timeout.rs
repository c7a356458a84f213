//! What happens by itself when its time has come.

use super::{Moment, Sequencer};
use crate::{Event, Rule, fairness::TOLD_AHEAD};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// How long a window waits for its host to say what happened, before it is withdrawn.
const OUTCOME_WAIT: Span = Span::from_secs(24 * 3_600);

/// Why the sequencer wakes.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// The last entry of a window has arrived.
    Decide(Uuid),
    /// A unit was not confirmed in time.
    Return { offer: Uuid, reserved_n: u64 },
    /// The next of a queue may be shown.
    Next(String),
}

impl Sequencer {
    pub(super) fn next_due(&self) -> Option<(MediaTime, Due)> {
        let windows = self.state.windows.iter().map(|window| {
            let arrived = window.terms.last_arrival(window.closes).max(window.reveal - TOLD_AHEAD);
            let at = if window.waits_for_outcome() { arrived + OUTCOME_WAIT } else { arrived };
            (at, Due::Decide(window.terms.window))
        });
        let first = windows.chain(self.state.offers.due()).chain(self.state.queues.due());
        first.min_by_key(|(at, _)| *at)
    }

    pub(super) fn do_due(&mut self, due: Due, moment: Moment) {
        match due {
            Due::Decide(window) => self.end_window(window, moment),
            Due::Return { offer, reserved_n } => self.expire(offer, reserved_n, moment),
            Due::Next(ty) => self.show_next(&ty, moment),
        }
    }

    fn end_window(&mut self, id: Uuid, moment: Moment) {
        let Some(window) = self.state.windows.get(id) else { return };
        let lane = window.opened.as_ref().map_or_else(Default::default, |event| event.lane);
        let (ty, reveal, outcome) = (window.ty.clone(), window.reveal, window.decide());
        let (word, rule) = match outcome {
            Some(outcome) => ("decided", Rule::Decided(outcome)),
            None => ("withdrawn", Rule::Withdrawn { subject: id }),
        };
        let event = self.own_event(format!("{ty}.{word}"), lane, id, Some(reveal), moment);
        self.stage_event(Event { rule: Some(rule), ..event }, moment);
    }
}
