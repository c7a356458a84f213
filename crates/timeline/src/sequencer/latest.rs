//! Class `latest`: the last value per key stands.

use crate::{Class, Event, Rule, Types};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Keys of a room at most. An event is at most about 3 KiB.
const KEYS_MAX: usize = 1_024;

/// See the module.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Latest {
    values: BTreeMap<(String, String), Arc<Event>>,
}

impl Latest {
    /// Why a value for `key` of type `ty` cannot be kept, in words.
    pub(super) fn check(&self, ty: &str, key: &str) -> Result<(), String> {
        let is_known = self.values.contains_key(&(ty.to_owned(), key.to_owned()));
        if is_known || self.values.len() < KEYS_MAX {
            return Ok(());
        }
        Err(format!("this room keeps {KEYS_MAX} values already, the limit; take one back first"))
    }

    /// The event that stands for `key` of type `ty`.
    pub(super) fn standing(&self, ty: &str, key: &str) -> Option<Uuid> {
        self.values.get(&(ty.to_owned(), key.to_owned())).map(|event| event.id)
    }

    pub(super) fn apply(&mut self, event: &Arc<Event>, types: &Types) {
        if let Some(cancelled) = event.cancels {
            self.remove(cancelled);
            return;
        }
        let Some(registered) = types.get(&event.ty) else { return };
        if !matches!(registered.event_type().class, Class::Latest { .. }) {
            return;
        }
        if let Some(old) = event.supersedes {
            self.remove(old);
        }
        if let Some(Rule::Replaces { event: old }) = event.rule {
            self.remove(old);
        }
        // What was erased stands for nothing, nor does what it replaced.
        if event.data.is_null() {
            self.values.remove(&(event.ty.clone(), String::new()));
            return;
        }
        let Ok(key) = registered.key_of(&event.data) else { return };
        self.values.insert((event.ty.clone(), key), event.clone());
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.values.values()
    }

    pub(super) fn forget(&mut self, is_erased: impl Fn(&Event) -> bool) {
        self.values.retain(|_, event| !is_erased(event));
    }

    /// Lets go of values whose events are no longer kept.
    pub(super) fn forget_until(&mut self, seq: u64) {
        self.values.retain(|_, event| event.seq > seq);
    }

    fn remove(&mut self, id: Uuid) {
        self.values.retain(|_, event| event.id != id);
    }
}
