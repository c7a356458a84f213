//! One reader of a room.

use crate::room::Room;
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use unisono_store::RoomLog;
use unisono_timeline::{Body, Event};

/// Entries read from the log at once.
const PAGE: usize = 256;

const BEFORE: &[u8] = br#"{"type":"event","event":"#;
const AFTER: &[u8] = b"}";

/// An event and its text, encoded once for all readers.
#[derive(Clone, Debug)]
pub struct Sequenced {
    event: Arc<Event>,
    message: Bytes,
}

impl Sequenced {
    pub(crate) fn new(event: Arc<Event>) -> Result<Self, serde_json::Error> {
        let mut message = BEFORE.to_vec();
        serde_json::to_writer(&mut message, &*event)?;
        message.extend_from_slice(AFTER);
        Ok(Self { event, message: message.into() })
    }

    /// The event itself.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The event as JSON.
    pub fn json(&self) -> Bytes {
        self.message.slice(BEFORE.len()..self.message.len() - AFTER.len())
    }

    /// The feed's message `{"type":"event","event":{…}}`, UTF-8.
    pub fn message(&self) -> Bytes {
        self.message.clone()
    }
}

/// What a feed yields.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// The next event. `seq` rises by one from item to item, except over what [`Self::Lagged`] tells.
    Event(Arc<Sequenced>),
    /// The reader was slower than the room. Events from `from_seq` on follow from the log; the `lost` ones before
    /// it are no longer kept.
    Lagged {
        /// The next event's `seq`.
        from_seq: u64,
        /// Events that nobody can give any more.
        lost: u64,
    },
}

/// One reader's place in a room. Holds at most one page of the log; what the room says meanwhile waits in a buffer
/// shared by all readers, and who falls out of it reads from the log.
pub struct Feed {
    room: Arc<Room>,
    log: Arc<dyn RoomLog>,
    live: Receiver<Arc<Sequenced>>,
    /// `seq` of the next event to yield.
    next: u64,
    last_at_start: u64,
    /// True while the log holds events that `live` will not bring.
    is_behind: bool,
    ahead: VecDeque<Arc<Sequenced>>,
    /// Where to read on in the log: no entry before it has a `seq` of [`Self::next`] or more.
    from_n: u64,
}

impl Feed {
    /// `next` is the first `seq` wanted, `last` the room's last one at the moment `live` was taken.
    pub(crate) fn new(
        room: Arc<Room>,
        log: Arc<dyn RoomLog>,
        live: Receiver<Arc<Sequenced>>,
        last: u64,
        from_seq: Option<u64>,
    ) -> Self {
        // A number from before a restart may lie beyond the end: such a reader goes on from now.
        let next = from_seq.map_or(last + 1, |from| from.clamp(1, last + 1));
        Self {
            room,
            log,
            live,
            next,
            last_at_start: last,
            is_behind: next <= last,
            ahead: VecDeque::new(),
            from_n: next,
        }
    }

    /// The room's last `seq` when the feed began.
    pub fn last_at_start(&self) -> u64 {
        self.last_at_start
    }

    /// The next item, whenever it comes; `None` when the room is gone or its log cannot be read. Cancelling loses
    /// nothing.
    pub async fn next(&mut self) -> Option<FeedItem> {
        loop {
            if let Some(event) = self.ahead.pop_front() {
                self.next = event.event.seq + 1;
                return Some(FeedItem::Event(event));
            }
            if self.is_behind {
                if let Some(item) = self.read_log().await? {
                    return Some(item);
                }
                continue;
            }
            match self.live.recv().await {
                Ok(event) if event.event.seq < self.next => {}
                Ok(event) if event.event.seq == self.next => self.ahead.push_back(event),
                Ok(_) => self.fall_behind(),
                Err(RecvError::Lagged(_)) => {
                    self.fall_behind();
                    return Some(FeedItem::Lagged { from_seq: self.next, lost: 0 });
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn fall_behind(&mut self) {
        self.is_behind = true;
        self.from_n = self.from_n.max(self.next);
    }

    /// Takes the next page. `Some(None)`: look again; `None`: the log failed.
    async fn read_log(&mut self) -> Option<Option<FeedItem>> {
        // Before reading: what is told from here on comes live, what was told before is in the log.
        self.live = self.live.resubscribe();
        let page = match self.log.read(self.room.id(), self.from_n, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(room = %self.room.id(), %error, "a feed ends: the log cannot be read");
                return None;
            }
        };
        self.is_behind = page.entries.last().is_some_and(|last| last.entry.n < page.last_n);
        if let Some(last) = page.entries.last() {
            self.from_n = last.entry.n + 1;
        }
        for sealed in page.entries {
            let Body::Event(event) = sealed.entry.body else { continue };
            if event.seq >= self.next {
                self.ahead.push_back(Arc::new(Sequenced::new(event).ok()?));
            }
        }
        let first = self.ahead.front().map(|event| event.event.seq);
        Some(first.filter(|first| *first > self.next).map(|first| {
            let lost = first - self.next;
            self.next = first;
            FeedItem::Lagged { from_seq: first, lost }
        }))
    }
}
