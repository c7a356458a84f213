//! How long logs are kept: their beginnings go by rooms, what is open holds them back, and the node signs where they begin from then on.

use super::Rooms;
use crate::{RoomError, room::Work};
use std::time::Instant;
use tokio::sync::{oneshot, watch};
use unisono_base::{RoomId, Span};
use unisono_store::{LogRoom, Retention};
use unisono_timeline::audit::{Base, Mark};

/// Checkpoints of one entry at most: what was signed there while the log went on, and where it begins.
const MARKS: usize = 8;
/// Rooms asked for at once.
const PAGE: usize = 256;

/// How much of each room's log is kept; both bounds hold. The default keeps all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepFor {
    /// Entries older than this go.
    pub span: Option<Span>,
    /// The oldest entries beyond so many go.
    pub entries: Option<u64>,
}

impl Rooms {
    /// From the next [`Self::trim`] on.
    pub fn set_retention(&self, keep_for: KeepFor) {
        self.keep_for.send_if_modified(|current| std::mem::replace(current, keep_for) != keep_for);
    }

    /// Tells of changes.
    pub fn retention(&self) -> watch::Receiver<KeepFor> {
        self.keep_for.subscribe()
    }

    /// Takes the beginnings of all rooms' logs away that need not be kept; how many entries went. A room that fails is left for the
    /// next time, with words in the log. Call it now and then.
    pub async fn trim(&self) -> Result<u64, RoomError> {
        let keep_for = *self.keep_for.borrow();
        if keep_for == KeepFor::default() {
            return Ok(0);
        }
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.world.log.rooms(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = Some(last.room.clone());
            for known in &page {
                match self.trim_room(known, keep_for).await {
                    Ok(count) => removed += count,
                    Err(error) => {
                        tracing::warn!(room = %known.room, %error, "the log's beginning stays until the next try");
                    }
                }
            }
        }
    }

    async fn trim_room(&self, known: &LogRoom, keep_for: KeepFor) -> Result<u64, RoomError> {
        let (room, kept) = (&known.room, known.last_n.saturating_sub(known.base_n));
        if known.base_n > 0 {
            // The node may have gone down between a cut and its signature.
            self.sign_start(room).await?;
        }
        let older_than = keep_for.span.map(|span| self.now() - span);
        let is_long = keep_for.entries.is_some_and(|max| kept > max);
        if kept == 0 || !(is_long || self.is_old(room, older_than).await?) {
            return Ok(0);
        }
        let open = self.room(room, Instant::now())?;
        let (reply, keep_from) = oneshot::channel();
        open.work.send(Work::KeepFrom { reply }).await.map_err(|_| RoomError::Closing)?;
        let keep_from = Some(keep_from.await.map_err(|_| RoomError::Closing)??);
        let keep = Retention { older_than, entries_max: keep_for.entries, keep_from };
        let removed = self.world.log.retain(room, keep).await?;
        if removed > 0
            && let Some(base) = self.sign_start(room).await?
        {
            let _ = open.work.send(Work::Trimmed(base)).await;
            tracing::info!(%room, removed, first = base.n + 1, "entries that need not be kept are gone");
        }
        Ok(removed)
    }

    /// The oldest entry kept is from before `t`.
    async fn is_old(&self, room: &RoomId, t: Option<unisono_base::MediaTime>) -> Result<bool, RoomError> {
        let Some(t) = t else { return Ok(false) };
        let page = self.world.log.read(room, 0, 1).await?;
        Ok(page.entries.first().is_some_and(|oldest| oldest.entry.t < t))
    }

    /// The node's word that it took the beginning away itself, unless it has given it already. Where the log begins.
    async fn sign_start(&self, room: &RoomId) -> Result<Option<Base>, RoomError> {
        let Some(base) = self.world.log.read(room, u64::MAX, 1).await?.base else { return Ok(None) };
        let Some(signer) = &self.world.signer else { return Ok(Some(base)) };
        let there = self.world.log.checkpoints(room, base.n, MARKS).await?;
        if !there.iter().any(|mark| mark.n == base.n && mark.mark == Mark::Start) {
            let start = signer.sign(room, Mark::Start, (base.term, base.n, base.hash), self.now());
            self.world.log.checkpoint(room, start).await?;
        }
        Ok(Some(base))
    }
}
