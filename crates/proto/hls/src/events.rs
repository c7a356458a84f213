//! Events waiting for the part that holds the first frame at or after their T.

use crate::input::Event;
use std::collections::VecDeque;
use unisono_base::MediaTime;

/// Events waiting at once, future ones included. Beyond it the oldest arrival goes, and is counted.
const WAITING_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: VecDeque<Event>,
}

impl Events {
    /// Returns true when the bound made an older one go.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let overflows = self.waiting.len() == WAITING_MAX;
        if overflows {
            self.waiting.pop_front();
        }
        self.waiting.push_back(event);
        overflows
    }

    /// Forgets what was bound to media before `t`: it belongs to parts that were never made here.
    pub(crate) fn forget_before(&mut self, t: MediaTime) {
        self.waiting.retain(|event| event.at >= t);
    }

    /// The events of the part whose newest frame is at `newest`, late ones included, in order of `at`, then arrival.
    pub(crate) fn take_until(&mut self, newest: MediaTime) -> Vec<Event> {
        let all = std::mem::take(&mut self.waiting);
        let (mut due, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|event| event.at <= newest);
        self.waiting = rest.into();
        due.sort_by_key(|event| event.at);
        due
    }
}
