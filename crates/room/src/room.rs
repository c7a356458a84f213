//! One room: its sequencer, its rate, its readers.

use crate::{RoomsLimits, Sequenced, rate::Rate};
use parking_lot::Mutex;
use std::{sync::Arc, time::Instant};
use tokio::sync::{Semaphore, broadcast};
use unisono_base::RoomId;
use unisono_store::{LogError, RoomLog};
use unisono_timeline::{Sequencer, audit::Chain};

/// Entries read from the log at once when a room is opened.
const PAGE: usize = 1_024;

/// See the module. Everything it knows is in the log too, so that it can be dropped and opened again.
pub(crate) struct Room {
    id: RoomId,
    /// `None` until the log was read. Held while an event is made durable: one writer, one order.
    pub(crate) sequencer: tokio::sync::Mutex<Option<Running>>,
    /// Posts in progress.
    pub(crate) posts: Arc<Semaphore>,
    pub(crate) feed: broadcast::Sender<Arc<Sequenced>>,
    rate: Mutex<Rate>,
    used: Mutex<Instant>,
}

/// A room's order, and the chain over it. If an append fails both are thrown away and read from the log again.
pub(crate) struct Running {
    pub(crate) sequencer: Sequencer,
    pub(crate) chain: Chain,
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

/// What is in `slot`, read from the log where that has not been done, or must be done again.
pub(crate) async fn resumed<'a>(
    slot: &'a mut Option<Running>,
    log: &dyn RoomLog,
    room: &RoomId,
) -> Result<&'a mut Running, LogError> {
    let running = match slot.take() {
        Some(running) => running,
        None => resume(log, room).await?,
    };
    Ok(slot.insert(running))
}

async fn resume(log: &dyn RoomLog, room: &RoomId) -> Result<Running, LogError> {
    let mut entries = Vec::new();
    let mut chain = Chain::new(room.clone());
    let mut from = 1;
    loop {
        let page = log.read(room, from, PAGE).await?;
        if let (1, Some(base)) = (from, page.base) {
            chain = Chain::from_base(room.clone(), base);
        }
        let Some(last) = page.entries.last().map(|sealed| sealed.entry.n) else { break };
        from = last + 1;
        for sealed in page.entries {
            let n = sealed.entry.n;
            let damaged = |reason: String| LogError::Damaged { room: room.to_string(), n, reason };
            chain.apply(&sealed).map_err(|broken| damaged(broken.to_string()))?;
            entries.push(sealed.entry);
        }
        if last >= page.last_n {
            break;
        }
    }
    Ok(Running { sequencer: Sequencer::resume(room.clone(), &entries), chain })
}
