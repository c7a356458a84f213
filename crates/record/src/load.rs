//! What was recorded before the node started: first all of it is known, so that it is listed, played and taken away in time;
//! then what a program that died left open is finished, each recording by itself.

use crate::{
    Head, RecordingId, State, StorageError,
    catalog::{self, Entry, Unread},
    keep::Tries,
    live::{self, Live},
    queue::Queue,
    recordings::Recordings,
    repair,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Between two tries to read what recordings there are, at first and at most.
const LOAD_AGAIN: Duration = Duration::from_secs(10);
const LOAD_AGAIN_MAX: Duration = Duration::from_secs(300);
/// Between two tries to finish what was left open, at first and at most.
const REPAIR_AGAIN: Duration = Duration::from_secs(1);
const REPAIR_AGAIN_MAX: Duration = Duration::from_secs(60);

/// A recording that is being finished.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repair {
    /// It is to be taken away, and not finished before.
    unwanted: CancellationToken,
    /// Nothing is written to it any more.
    over: CancellationToken,
}

impl Recordings {
    /// Reads what there is, for as long as it takes.
    pub(crate) async fn load(self: Arc<Self>) {
        let mut again = LOAD_AGAIN;
        while !self.clone().try_load().await {
            tokio::select! {
                () = tokio::time::sleep(again) => {}
                () = self.stop.cancelled() => return,
            }
            again = (again * 2).min(LOAD_AGAIN_MAX);
        }
    }

    /// False where something is still unknown, which is to be tried again.
    async fn try_load(self: Arc<Self>) -> bool {
        let tidied = tokio::select! {
            tidied = self.shelf.tidy() => tidied,
            () = self.stop.cancelled() => return true,
        };
        if let Err(error) = tidied {
            tracing::warn!("what is left of recordings that were taken away cannot be: {error}");
        }
        let found = tokio::select! {
            found = self.find_all() => found,
            () = self.stop.cancelled() => return true,
        };
        let (left_open, unread) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("the recordings there are cannot be read; it is tried again: {error}");
                return false;
            }
        };
        if unread == 0 {
            self.is_loaded.store(true, Ordering::Relaxed);
        }
        // First: it can make the room that finishing the others needs.
        self.clone().sweep_or_stop().await;
        for head in left_open {
            let repair = Repair::default();
            self.repairs.lock().insert(head.id, repair.clone());
            self.tasks.spawn(self.clone().repair(head, repair));
        }
        unread == 0
    }

    /// Enters all recordings into the catalog. Returns those that were left open, and how many could not be read just now.
    async fn find_all(&self) -> Result<(Vec<Head>, usize), StorageError> {
        let found = catalog::read_heads(&*self.shelf).await?;
        let (mut left_open, mut others) = (Vec::new(), 0);
        for head in found.heads {
            if self.catalog.get(head.id).is_some() {
                continue;
            }
            if !head.is_of(self.owner) {
                others += 1;
            } else if head.state == State::Recording {
                left_open.push(head.clone());
            }
            self.catalog.insert(Entry { head, live: None });
        }
        if others > 0 {
            tracing::info!(
                others,
                "recordings of other nodes are kept in the same place; here they are only played"
            );
        }
        Ok((left_open, found.unread))
    }

    /// Finishes one recording, for as long as it takes. None waits for another one.
    async fn repair(self: Arc<Self>, head: Head, repair: Repair) {
        let _over = repair.over.clone().drop_guard();
        let stream = &head.stream;
        tracing::warn!(stream, recording = %head.id, "the program died while it recorded this; finishing it");
        let (mut live, mut again) = (None, REPAIR_AGAIN);
        loop {
            let is_done = tokio::select! {
                turn = self.repair_turns.acquire() => {
                    tokio::select! {
                        is_done = self.try_repair(&head, &mut live) => { drop(turn); is_done }
                        () = self.stop.cancelled() => return,
                    }
                }
                () = repair.unwanted.cancelled() => return,
                () = self.stop.cancelled() => return,
            };
            if is_done {
                self.repairs.lock().remove(&head.id);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(again) => {}
                () = repair.unwanted.cancelled() => return,
                () = self.stop.cancelled() => return,
            }
            again = (again * 2).min(REPAIR_AGAIN_MAX);
        }
    }

    async fn try_repair(&self, head: &Head, live: &mut Option<Arc<Live>>) -> bool {
        let live = match live {
            Some(live) => live.clone(),
            None => match repair::repaired(&*self.shelf, head).await {
                Ok(index) => {
                    let found = repair::as_live(head.clone(), &index, Queue::new(self.budget.clone()));
                    self.catalog.insert(Entry { head: head.clone(), live: Some(found.clone()) });
                    live.insert(found).clone()
                }
                Err(error) => {
                    tracing::error!(
                        stream = head.stream, recording = %head.id,
                        "a recording that was left open cannot be finished; it is tried again: {error}"
                    );
                    return false;
                }
            },
        };
        self.finish(&self.keeper(live, Tries::Once), repair::ENDED).await
    }

    /// Another node's recording may have ended or gone.
    pub async fn look_at_others(&self) {
        let is_others = |entry: &Entry| entry.is_open() && !entry.head.is_of(self.owner);
        for entry in self.catalog.page(None, usize::MAX, is_others) {
            match catalog::read_head(&*self.shelf, &live::folder(&entry.head)).await {
                Ok(head) if head.state == State::Finished => self.catalog.insert(Entry { head, live: None }),
                Err(Unread::Damaged(_)) => self.catalog.remove(entry.head.id),
                Ok(_) | Err(Unread::Now(_)) => {}
            }
        }
    }

    /// Ends the finishing of a recording that is to be taken away; false where none was left open.
    pub(crate) async fn end_repair(&self, id: RecordingId) -> bool {
        let Some(repair) = self.repairs.lock().get(&id).cloned() else { return false };
        repair.unwanted.cancel();
        repair.over.cancelled().await;
        true
    }
}
