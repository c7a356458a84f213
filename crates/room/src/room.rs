//! One room: its sequencer, its rate, its readers.

use crate::{RoomsLimits, Sequenced, rate::Rate};
use parking_lot::Mutex;
use std::{sync::Arc, time::Instant};
use tokio::sync::{Semaphore, broadcast};
use unisono_base::RoomId;
use unisono_store::{LogError, RoomLog};
use unisono_timeline::{Sequencer, Types};

/// Entries read from the log at once when a room is opened.
const PAGE: usize = 1_024;

/// See the module. Everything it knows is in the log too, so that it can be dropped and opened again.
pub(crate) struct Room {
    id: RoomId,
    /// `None` until the log was read. Held while an event is made durable: one writer, one order.
    pub(crate) sequencer: tokio::sync::Mutex<Option<Sequencer>>,
    /// Posts in progress.
    pub(crate) posts: Arc<Semaphore>,
    pub(crate) feed: broadcast::Sender<Arc<Sequenced>>,
    rate: Mutex<Rate>,
    used: Mutex<Instant>,
}

impl Room {
    pub(crate) fn new(id: RoomId, limits: &RoomsLimits, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            id,
            sequencer: tokio::sync::Mutex::new(None),
            posts: Arc::new(Semaphore::new(limits.posts_max)),
            feed: broadcast::Sender::new(limits.buffer),
            rate: Mutex::new(Rate::new(limits.events_per_second, limits.burst, now)),
            used: Mutex::new(now),
        })
    }

    pub(crate) fn id(&self) -> &RoomId {
        &self.id
    }

    pub(crate) fn may_post(&self, now: Instant) -> bool {
        self.rate.lock().take(now)
    }

    pub(crate) fn touch(&self, now: Instant) {
        *self.used.lock() = now;
    }

    pub(crate) fn used(&self) -> Instant {
        *self.used.lock()
    }
}

/// The sequencer in `slot`, read from the log where that has not been done, or must be done again.
pub(crate) async fn resumed<'a>(
    slot: &'a mut Option<Sequencer>,
    log: &dyn RoomLog,
    room: &RoomId,
) -> Result<&'a mut Sequencer, LogError> {
    if slot.is_none() {
        *slot = Some(resume(log, room).await?);
    }
    // Cannot be `None` any more; the closure only spares a panic path.
    Ok(slot.get_or_insert_with(|| Sequencer::new(room.clone(), Arc::default())))
}

async fn resume(log: &dyn RoomLog, room: &RoomId) -> Result<Sequencer, LogError> {
    let mut sequencer = Sequencer::new(room.clone(), Arc::new(Types::default()));
    let mut from = 1;
    loop {
        let page = log.read(room, from, PAGE).await?;
        page.entries.iter().for_each(|entry| sequencer.apply(entry));
        let Some(last) = page.entries.last().map(|entry| entry.n) else { break };
        from = last + 1;
        if last >= page.last_n {
            break;
        }
    }
    sequencer.begin_term();
    Ok(sequencer)
}
