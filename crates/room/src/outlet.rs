//! What leaves a room towards its feeds: events in batches, held while a release gate holds them, and the snapshot that
//! newcomers get.

use crate::{
    Batch, Notice,
    room::{Shared, Standing, Subscribed},
    told::Told,
};
use serde_json::json;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{MediaTime, NodeClock};
use unisono_timeline::{Event, Snapshot};

/// Batches are at least so far apart: a lone event goes at once, a flood becomes forty messages a second.
const BATCH_EVERY: Duration = Duration::from_millis(25);
/// Events of one batch at most.
const BATCH_MAX: usize = 256;
/// While a gate holds events they are looked at so often.
const GATE_EVERY: Duration = Duration::from_millis(10);

/// See the module.
pub(crate) struct Outlet {
    shared: Arc<Shared>,
    clock: NodeClock,
    /// Durable, not told yet. Bounded by what a gate's ten seconds and the room's rate allow.
    waiting: VecDeque<Arc<Event>>,
    /// The first of them is held by a gate.
    is_held: bool,
    batch_at: Instant,
    snapshot: Option<Standing>,
    is_outdated: bool,
}

impl Outlet {
    pub(crate) fn new(shared: Arc<Shared>, clock: NodeClock) -> Self {
        Self {
            shared,
            clock,
            waiting: VecDeque::new(),
            is_held: false,
            batch_at: Instant::now(),
            snapshot: None,
            is_outdated: true,
        }
    }

    /// The log was read to `last_seq`: all of it counts as told.
    pub(crate) fn begin(&mut self, last_seq: u64) {
        self.waiting.clear();
        self.is_outdated = true;
        self.shared.set_told(last_seq);
    }

    /// The next event of the order.
    pub(crate) fn push(&mut self, event: Arc<Event>) {
        self.waiting.push_back(event);
    }

    /// Puts what is left of an event in its place while it waits to be told.
    pub(crate) fn rewrite(&mut self, left_of: impl Fn(&Event) -> Option<Event>) {
        for event in &mut self.waiting {
            if let Some(left) = left_of(event) {
                *event = Arc::new(left);
            }
        }
    }

    /// Something changed that a snapshot shows.
    pub(crate) fn outdate_snapshot(&mut self) {
        self.is_outdated = true;
    }

    pub(crate) fn notice(&self, notice: Notice) {
        // No receiver is no error.
        let _ = self.shared.feed.send(Arc::new(Told::Notice(notice)));
    }

    /// When to call [`Self::turn`] next.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(if self.is_held { Instant::now() + GATE_EVERY } else { self.batch_at })
    }

    /// Tells what is due. `holds(t, now)`: a gate holds what belongs to `t`.
    pub(crate) fn turn(&mut self, now: Instant, holds: impl Fn(MediaTime, MediaTime) -> bool) {
        if now >= self.batch_at {
            self.flush(now, holds);
        }
    }

    /// Tells what may be told, due or not.
    pub(crate) fn flush(&mut self, now: Instant, holds: impl Fn(MediaTime, MediaTime) -> bool) {
        let wall = self.clock.at(now);
        while !self.waiting.is_empty() {
            let free = self.waiting.iter().take(BATCH_MAX).take_while(|event| !holds(event.at, wall)).count();
            self.is_held = free == 0;
            if self.is_held {
                return;
            }
            let events: Vec<_> = self.waiting.drain(..free).collect();
            self.batch_at = now + BATCH_EVERY;
            self.shared.set_told(events.last().map_or(0, |event| event.seq));
            match Batch::new(&events) {
                Ok(batch) => drop(self.shared.feed.send(Arc::new(Told::Events(batch)))),
                // Feeds notice the gap and read the log.
                Err(error) => tracing::error!(%error, "events could not be written as JSON"),
            }
        }
        self.is_held = false;
    }

    /// The room as it stands for newcomers, encoded once per change. While events wait it stays as it was before them, so
    /// that nobody learns what a gate holds by joining anew; call [`Self::flush`] before, and also before anything is
    /// written while there is a gate.
    pub(crate) fn snapshot(&mut self, now: impl Fn() -> Snapshot) -> Standing {
        if let Some(standing) =
            self.snapshot.as_ref().filter(|_| !self.is_outdated || !self.waiting.is_empty())
        {
            return standing.clone();
        }
        let mut message = serde_json::to_value(now()).unwrap_or_else(|_| json!({}));
        let seq = self.shared.told();
        if let Some(fields) = message.as_object_mut() {
            fields.insert("type".to_owned(), json!("snapshot"));
            fields.insert("seq".to_owned(), json!(seq));
        }
        let standing = Standing { seq, message: message.to_string().into() };
        self.snapshot = Some(standing.clone());
        self.is_outdated = false;
        standing
    }

    /// A feed's beginning: everything told is in the log, everything after comes live.
    pub(crate) fn subscribe(
        &self,
        standing: Standing,
        (mine, lockstep): (Option<Notice>, Option<Notice>),
    ) -> Subscribed {
        let live = self.shared.feed.subscribe();
        let (last_seq, members) = (self.shared.told(), self.shared.members());
        Subscribed { live, last_seq, standing, mine, lockstep, members }
    }
}
