//! Commands carried out: the same one again does nothing and gets the first answer (fairness spec 10).

use super::window::Windows;
use crate::{Ack, Body, Entry, Rule, Status};
use std::collections::{HashMap, VecDeque};
use unisono_base::{MediaTime, Span};
use uuid::Uuid;

/// Commands remembered, the oldest forgotten first. About 90 bytes each.
const COMMANDS_MAX: usize = 65_536;
/// Entries of windows remembered, the oldest forgotten first. What is forgotten is still in the log.
const ENTRIES_MAX: usize = 1_048_576;
/// How long after its window's end an entry is remembered.
const AFTER_END: Span = Span::from_secs(24 * 3_600);

/// What the first answer said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    n: u64,
    seq: Option<u64>,
    id: Option<Uuid>,
    is_late: bool,
}

/// See the module.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Commands {
    done: HashMap<Uuid, Done>,
    order: VecDeque<Uuid>,
    entries: VecDeque<(MediaTime, Uuid)>,
    /// The latest time that an id of a forgotten command claims; an id without a time claims none.
    forgotten: Option<u64>,
}

impl Commands {
    pub(super) fn get(&self, cmd_id: Uuid) -> Option<Done> {
        self.done.get(&cmd_id).copied()
    }

    /// True where `cmd_id` is not known here, and may be a command that was forgotten. What an id says of its time is the sender's word:
    /// it tells only that it is none of those that claimed less.
    pub(super) fn may_have_forgotten(&self, cmd_id: Uuid) -> bool {
        self.forgotten.is_some_and(|latest| claimed(cmd_id).is_none_or(|made| made <= latest))
            && !self.done.contains_key(&cmd_id)
    }

    /// Remembers what `entry` answers, if it answers a command.
    pub(super) fn remember(&mut self, entry: &Entry, windows: &Windows) {
        let Some((cmd_id, done)) = Done::of(entry) else { return };
        if self.done.insert(cmd_id, done).is_some() {
            return;
        }
        match entered(entry) {
            Some(window) => {
                let end = windows.last_arrival(window).unwrap_or(entry.t);
                self.entries.push_back((end + AFTER_END, cmd_id));
            }
            None => self.order.push_back(cmd_id),
        }
        if self.order.len() > COMMANDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(oldest);
        }
        if self.entries.len() > ENTRIES_MAX
            && let Some((_, oldest)) = self.entries.pop_front()
        {
            self.forget(oldest);
        }
    }

    /// Forgets entries of windows that ended long ago. In their order: one of a longer window holds back those behind it.
    pub(super) fn forget_expired(&mut self, now: MediaTime) {
        while let Some((_, cmd_id)) = self.entries.pop_front_if(|(until, _)| *until < now) {
            self.forget(cmd_id);
        }
    }

    fn forget(&mut self, cmd_id: Uuid) {
        self.done.remove(&cmd_id);
        self.forgotten = self.forgotten.max(Some(claimed(cmd_id).unwrap_or(0)));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.done.len()
    }
}

/// When an id says that it was made (RFC 9562: versions 1, 6 and 7), milliseconds since the Unix epoch.
fn claimed(cmd_id: Uuid) -> Option<u64> {
    let (seconds, nanos) = cmd_id.get_timestamp()?.to_unix();
    Some(seconds.saturating_mul(1_000).saturating_add(u64::from(nanos / 1_000_000)))
}

impl Done {
    fn of(entry: &Entry) -> Option<(Uuid, Self)> {
        let done = Self { n: entry.n, seq: None, id: None, is_late: is_late(entry) };
        match &entry.body {
            Body::Event(event) => {
                Some((event.cause?, Self { seq: Some(event.seq), id: Some(event.id), ..done }))
            }
            Body::Hidden(hidden) => {
                let id = match &hidden.rule {
                    Rule::Queued(queued) => Some(queued.item),
                    _ => None,
                };
                Some((hidden.cause?, Self { id, ..done }))
            }
        }
    }

    /// The answer to the same command again.
    pub(super) fn again(self, cmd_id: Uuid) -> Ack {
        Ack { status: Status::Duplicate, ..self.ack(cmd_id) }
    }

    fn ack(self, cmd_id: Uuid) -> Ack {
        let (status, words) = match self.is_late {
            true => (Status::Late, Some(LATE.to_owned())),
            false => (Status::Accepted, None),
        };
        Ack {
            cmd_id,
            status,
            n: Some(self.n),
            seq: self.seq,
            id: self.id,
            words,
            data: serde_json::Value::Null,
        }
    }
}

impl Ack {
    /// The answer that the command behind `entry` got; `None` where no command is behind it.
    pub fn of(entry: &Entry) -> Option<Self> {
        Done::of(entry).map(|(cmd_id, done)| done.ack(cmd_id))
    }

    /// The answer to a command that `entry`, found in the log, has carried out already.
    pub fn again(entry: &Entry) -> Option<Self> {
        Done::of(entry).map(|(cmd_id, done)| done.again(cmd_id))
    }
}

/// What the sender of a late entry is told.
pub(super) const LATE: &str =
    "the window had closed for what you can have seen; it is written down and does not count";

fn is_late(entry: &Entry) -> bool {
    matches!(rule(entry), Some(Rule::Entered(entered)) if entered.is_late)
}

/// The window that an entry entered.
fn entered(entry: &Entry) -> Option<Uuid> {
    match rule(entry) {
        Some(Rule::Entered(entered)) => Some(entered.window),
        _ => None,
    }
}

fn rule(entry: &Entry) -> Option<&Rule> {
    match &entry.body {
        Body::Event(event) => event.rule.as_ref(),
        Body::Hidden(hidden) => Some(&hidden.rule),
    }
}
