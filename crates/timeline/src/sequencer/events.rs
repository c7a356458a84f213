//! What can be answered, amended and taken back: the newest events of a room.

use crate::{Event, Rule};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use unisono_base::MediaTime;
use uuid::Uuid;

/// Events remembered, the oldest forgotten first. About 200 bytes each.
pub(super) const EVENTS_MAX: usize = 16_384;
/// Ids taken back that a snapshot names.
const CANCELLED_MAX: usize = 256;

/// What is remembered of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) at: MediaTime,
    pub(super) ty: Arc<str>,
    pub(super) author: Option<Arc<str>>,
    pub(super) fate: Fate,
    /// It has no rule of a window or a stock: it is somebody's word, and theirs to change.
    pub(super) is_plain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Stands,
    Cancelled,
    ReplacedBy(Uuid),
}

/// See the module.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Events {
    known: HashMap<Uuid, Known>,
    order: VecDeque<Uuid>,
    cancelled: VecDeque<Uuid>,
}

impl Events {
    pub(super) fn get(&self, id: Uuid) -> Option<&Known> {
        self.known.get(&id)
    }

    pub(super) fn cancelled(&self) -> impl Iterator<Item = Uuid> {
        self.cancelled.iter().copied()
    }

    pub(super) fn insert(&mut self, event: &Event) {
        if let Some(old) = event.supersedes {
            self.set_fate(old, Fate::ReplacedBy(event.id));
        }
        if let Some(old) = event.cancels {
            self.set_fate(old, Fate::Cancelled);
            self.cancelled.push_back(old);
            if self.cancelled.len() > CANCELLED_MAX {
                self.cancelled.pop_front();
            }
        }
        let is_plain = event.cancels.is_none()
            && matches!(event.rule, None | Some(Rule::Shown(_) | Rule::Replaces { .. }));
        let author = event.actor.as_ref().filter(|_| is_plain).map(|actor| actor.id.clone());
        let (at, ty) = (event.at, event.ty.as_str().into());
        let known = Known { at, ty, author, fate: Fate::Stands, is_plain };
        if self.known.insert(event.id, known).is_none() {
            self.order.push_back(event.id);
        }
        if self.order.len() > EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Nobody is the author of what an erased person wrote.
    pub(super) fn forget_person(&mut self, id: &str) {
        for known in self.known.values_mut() {
            known.author.take_if(|author| **author == *id);
        }
    }

    fn set_fate(&mut self, id: Uuid, fate: Fate) {
        if let Some(known) = self.known.get_mut(&id) {
            known.fate = fate;
        }
    }
}
