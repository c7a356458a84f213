//! An erasure, with everything it concerns: what waited in a queue stands in the log twice once it was shown.

use bytes::Bytes;
use serde_json::Value;
use unisono_base::RoomId;
use unisono_store::{Erase, LogError, RoomLog};
use unisono_timeline::{Body, Event, Rule, Uuid, audit::Sealed};

/// Entries read from the log at once.
const PAGE: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Erasure {
    what: Erase,
    /// The other entries that say the same.
    also: Vec<u64>,
    /// The event that the entry is, or will be when its turn has come.
    event: Option<Uuid>,
    /// What waits in a queue, until its showing was found.
    queued_n: Option<u64>,
    /// The log was looked through up to here.
    scanned_n: u64,
}

impl Erasure {
    pub(crate) fn new(what: Erase) -> Self {
        Self { what, also: Vec::new(), event: None, queued_n: None, scanned_n: 0 }
    }

    /// Looks the log through as far as it goes. Call it before the room's writer is asked, which then has only the newest
    /// entries to look at.
    pub(crate) async fn look(&mut self, log: &dyn RoomLog, room: &RoomId) -> Result<(), LogError> {
        let Erase::Payload { n } = self.what else { return Ok(()) };
        if self.scanned_n == 0 {
            let page = log.read(room, n, 1).await?;
            self.scanned_n = n;
            if let Some(sealed) = page.entries.first().filter(|sealed| sealed.entry.n == n) {
                self.begin(sealed);
            }
        }
        while let Some(queued_n) = self.queued_n {
            let page = log.read(room, self.scanned_n + 1, PAGE).await?;
            let Some(last) = page.entries.last() else { return Ok(()) };
            self.scanned_n = last.entry.n;
            if let Some(shown) = page.entries.iter().find(|sealed| shows(sealed) == Some(queued_n)) {
                self.also.push(shown.entry.n);
                self.queued_n = None;
            }
        }
        Ok(())
    }

    fn begin(&mut self, sealed: &Sealed) {
        match &sealed.entry.body {
            Body::Event(event) => {
                self.event = Some(event.id);
                self.also.extend(shows(sealed));
            }
            Body::Hidden(hidden) => {
                if let Rule::Queued(queued) = &hidden.rule {
                    (self.event, self.queued_n) = (Some(queued.item), Some(sealed.entry.n));
                }
            }
        }
    }

    /// Erases from the log; how many entries it concerned.
    pub(crate) async fn erase(&self, log: &dyn RoomLog, room: &RoomId) -> Result<u64, LogError> {
        let mut erased = log.erase(room, self.what.clone()).await?;
        for n in &self.also {
            erased += log.erase(room, Erase::Payload { n: *n }).await?;
        }
        Ok(erased)
    }

    /// What is left of an event, where it is concerned.
    pub(crate) fn left_of(&self, event: &Event) -> Option<Event> {
        let data = Value::Null;
        match &self.what {
            Erase::Payload { .. } if self.event == Some(event.id) => Some(Event { data, ..event.clone() }),
            Erase::Person { id } if event.actor.as_ref().is_some_and(|actor| actor.id == *id) => {
                Some(Event { data, actor: None, ..event.clone() })
            }
            Erase::Payload { .. } | Erase::Person { .. } => None,
        }
    }

    /// The same for an event in the stream's data track.
    pub(crate) fn left_of_json(&self, json: &Bytes) -> Option<Bytes> {
        let event = serde_json::from_slice(json).ok()?;
        serde_json::to_vec(&self.left_of(&event)?).map(Bytes::from).ok()
    }

    pub(crate) fn what(&self) -> &Erase {
        &self.what
    }

    pub(crate) fn event(&self) -> Option<Uuid> {
        self.event
    }
}

/// The entry that put into its queue what this one shows.
fn shows(sealed: &Sealed) -> Option<u64> {
    let Body::Event(event) = &sealed.entry.body else { return None };
    match &event.rule {
        Some(Rule::Shown(shown)) => shown.queued_n,
        _ => None,
    }
}
