//! A recording while it is being written: what everybody may look at.

use crate::{Head, Index, Line, queue::Queue};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use unisono_base::MediaTime;

/// Why nothing is written at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub words: String,
    /// Since when, on the node's timeline clock.
    pub since: MediaTime,
}

/// Shared by its recorder, its keeper and readers.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) head: Head,
    /// `app/name/id`.
    pub(crate) folder: String,
    pub(crate) queue: Queue,
    index: RwLock<Arc<Index>>,
    trouble: Mutex<Option<Trouble>>,
}

impl Live {
    pub(crate) fn new(head: Head, queue: Queue) -> Self {
        let folder = folder(&head);
        Self { head, folder, queue, index: RwLock::default(), trouble: Mutex::default() }
    }

    /// As it stands; it costs a reader nothing to keep it.
    pub(crate) fn index(&self) -> Arc<Index> {
        self.index.read().clone()
    }

    pub(crate) fn push(&self, line: Line) {
        Arc::make_mut(&mut *self.index.write()).push(line);
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().clone()
    }

    /// True when it was in no trouble before.
    pub(crate) fn set_trouble(&self, words: String, now: MediaTime) -> bool {
        let mut trouble = self.trouble.lock();
        let is_new = trouble.is_none();
        let since = trouble.as_ref().map_or(now, |trouble| trouble.since);
        *trouble = Some(Trouble { words, since });
        is_new
    }

    /// The trouble that is over.
    pub(crate) fn clear_trouble(&self) -> Option<Trouble> {
        self.trouble.lock().take()
    }
}

/// Where a recording's files are.
pub(crate) fn folder(head: &Head) -> String {
    format!("{}/{}", head.stream, head.id)
}
