//! One reader of a room.

use crate::{
    Batch, Notice, RoomError, Standing,
    room::{Room, Subscribed},
    told::Told,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use unisono_timeline::Person;

/// A reader farther behind gets the room as it stands and only the newest events.
const BEHIND_MAX: u64 = 2_048;
/// How many those are.
const TAIL: u64 = 128;
/// Events that a newcomer may ask for.
const TAIL_MAX: u32 = 512;
/// While the node that has the room is away, its events are asked for again this often.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With this `seq`.
    From(u64),
    /// With the room as it stands, and the last `tail` events as history.
    Standing {
        /// At most 512.
        tail: u32,
    },
}

/// What a feed yields.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// The next events. `seq` rises by one from event to event, except over what [`Self::Lagged`] and
    /// [`Self::Snapshot`] tell.
    Events(Batch),
    /// Something of the moment.
    Notice(Notice),
    /// The room as it stands: at the start of a feed without a place to go on from, and for a reader far behind. Events
    /// before it are in it as far as they matter still.
    Snapshot(Standing),
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
    live: Receiver<Arc<Told>>,
    person: Option<Person>,
    /// `seq` of the next event to yield.
    next: u64,
    last_at_start: u64,
    /// True while the log holds events that `live` will not bring.
    is_behind: bool,
    ahead: VecDeque<FeedItem>,
}

impl Feed {
    /// `person`: who is present by it.
    pub(crate) fn new(room: Arc<Room>, begin: Subscribed, start: Start, person: Option<Person>) -> Self {
        let Subscribed { live, last_seq, standing, mine, lockstep, .. } = begin;
        let mut ahead = VecDeque::new();
        let next = match start {
            // A number from before a restart may lie beyond the end: such a reader goes on from now.
            Start::From(seq) => seq.clamp(1, last_seq.saturating_add(1)),
            Start::Standing { tail } => {
                let next = (standing.seq + 1).saturating_sub(u64::from(tail.min(TAIL_MAX))).max(1);
                ahead.push_back(FeedItem::Snapshot(standing));
                next
            }
        };
        ahead.extend([mine, lockstep].into_iter().flatten().map(FeedItem::Notice));
        Self { room, live, person, next, last_at_start: last_seq, is_behind: next <= last_seq, ahead }
    }

    /// The room's last `seq` when the feed began.
    pub fn last_at_start(&self) -> u64 {
        self.last_at_start
    }

    /// The room as its other handles know it.
    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The next item, whenever it comes; `None` when the room is gone or its log cannot be read. Cancelling loses
    /// nothing.
    pub async fn next(&mut self) -> Option<FeedItem> {
        loop {
            if let Some(item) = self.ahead.pop_front() {
                return Some(item);
            }
            if self.is_behind {
                self.read_log().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(told) => match &*told {
                    Told::Over => return None,
                    Told::Notice(notice) => return Some(FeedItem::Notice(notice.clone())),
                    Told::Events(batch) if batch.first() > self.next => self.is_behind = true,
                    Told::Events(batch) => {
                        let Some(batch) = batch.starting_at(self.next) else { continue };
                        self.next = batch.last() + 1;
                        return Some(FeedItem::Events(batch));
                    }
                },
                Err(RecvError::Lagged(_)) => {
                    self.is_behind = true;
                    return Some(FeedItem::Lagged { from_seq: self.next, lost: 0 });
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Takes the next page; `None`: the log failed.
    async fn read_log(&mut self) -> Option<()> {
        // Before reading: what is told from here on comes live, what was told before is in the log; but that the room goes on
        // elsewhere is told once, and not by the log.
        let live = self.live.resubscribe();
        if self.is_over() {
            return None;
        }
        let told = self.room.shared.told();
        if told + 1 > self.next + BEHIND_MAX {
            let begin = match self.room.subscribe(None).await {
                Ok(begin) => begin,
                Err(error) => return self.wait(&error).await,
            };
            self.next = (begin.standing.seq + 1).saturating_sub(TAIL).max(self.next);
            self.live = begin.live;
            self.ahead.push_back(FeedItem::Snapshot(begin.standing));
            return Some(());
        }
        let batch = match self.room.page(self.next).await {
            Ok(batch) => batch,
            Err(error) => return self.wait(&error).await,
        };
        let Some(batch) = batch else {
            self.next = self.next.max(told + 1);
            self.live = live;
            self.is_behind = false;
            return Some(());
        };
        if batch.first() > self.next {
            let lost = batch.first() - self.next;
            self.ahead.push_back(FeedItem::Lagged { from_seq: batch.first(), lost });
        }
        self.next = batch.last() + 1;
        self.is_behind = self.next <= told;
        if !self.is_behind {
            self.live = live;
        }
        self.ahead.push_back(FeedItem::Events(batch));
        Some(())
    }

    /// The node that has the room may come back; a log that failed ends the feed.
    async fn wait(&self, error: &RoomError) -> Option<()> {
        if self.room.is_mirror() && !matches!(error, RoomError::Closing) && !self.is_over() {
            tokio::time::sleep(AGAIN_AFTER).await;
            return Some(());
        }
        tracing::warn!(room = %self.room.id(), %error, "a feed ends: the log cannot be read");
        None
    }

    /// The room goes on elsewhere, whatever else was told.
    fn is_over(&self) -> bool {
        self.room.is_ended()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(person) = &self.person {
            self.room.shared.leave(&person.id);
        }
    }
}
