//! A room's log in others' hands: exported, verified, signed, forgotten.

use super::Rooms;
use crate::{RoomError, erasure::Erasure, room::Work};
use std::time::Instant;
use tokio::{sync::oneshot, task::spawn_blocking};
use unisono_base::{MediaTime, RoomId};
use unisono_store::{Erase, Export};
use unisono_timeline::audit::{
    CHECKPOINT_EVERY, Checkpoint, Evidence, EvidenceFile, PublicKey, Report, Verifier,
};

/// Entries before the last one among which a checkpoint is looked for: several times what lies between two.
const NEWEST_WITHIN: u64 = 16 * CHECKPOINT_EVERY;

impl Rooms {
    /// Forgets what one entry says, or a person and all they wrote; how many entries it concerned. Their digests stay, so
    /// that the log still verifies. The entries of a person in an open window go on counting, as nobody's; whoever comes
    /// back is somebody new.
    pub async fn erase(&self, room: &RoomId, what: Erase) -> Result<u64, RoomError> {
        let open = self.room(room, Instant::now())?;
        let mut erasure = Box::new(Erasure::new(what));
        erasure.look(&*self.world.log, room).await?;
        let (reply, erased) = oneshot::channel();
        // By the writer, and waited for: a salt used again would tell who was erased.
        open.work.send(Work::Erase { erasure, reply }).await.map_err(|_| RoomError::Closing)?;
        erased.await.map_err(|_| RoomError::Closing)?
    }

    /// The log up to now as lines of JSON, signed at its end; secrets of windows that are not decided are withheld.
    /// `None` where nobody signs.
    pub async fn export(&self, room: &RoomId) -> Result<Option<Export>, RoomError> {
        let Some(signer) = self.world.signer.clone() else { return Ok(None) };
        let open = self.room(room, Instant::now())?;
        let export = Export::begin(self.world.log.clone(), room.clone(), signer, self.now()).await?;
        let (reply, undecided) = oneshot::channel();
        open.work.send(Work::Undecided { reply }).await.map_err(|_| RoomError::Closing)?;
        Ok(Some(export.withholding(undecided.await.map_err(|_| RoomError::Closing)??)))
    }

    /// The same from the first entry at or after `from` on: what lies before it is vouched for by the chain alone.
    pub async fn export_from(&self, room: &RoomId, from: MediaTime) -> Result<Option<Export>, RoomError> {
        let Some(export) = self.export(room).await? else { return Ok(None) };
        Ok(export.starting_at(from).await?)
    }

    /// What a verification of the log finds now, fairness included; `None` where nobody signs. One at a time: each reads a
    /// whole log.
    pub async fn report(&self, room: &RoomId) -> Result<Option<Report>, RoomError> {
        let _turn = self.reports.lock().await;
        let (Some(mut export), Some(key)) = (self.export(room).await?, self.public_key()) else {
            return Ok(None);
        };
        let mut verifier = Verifier::new(Some(key));
        while let Some(lines) = export.next().await {
            let lines = lines?;
            // Not on the threads that feeds and media share.
            let work = spawn_blocking(move || {
                lines.lines().for_each(|line| verifier.line(line));
                verifier
            });
            verifier = work.await.map_err(|_| RoomError::Closing)?;
        }
        Ok(Some(verifier.finish()))
    }

    /// The node's word about the files of a bundle of evidence; `None` where nobody signs.
    pub fn sign_evidence(
        &self,
        (room, recording): (&RoomId, String),
        span: (MediaTime, MediaTime),
        files: Vec<EvidenceFile>,
    ) -> Option<Evidence> {
        let signer = self.world.signer.as_ref()?;
        Some(signer.sign_evidence((room, recording), span, self.now(), files))
    }

    /// By which this node's checkpoints are checked.
    pub fn public_key(&self) -> Option<PublicKey> {
        self.world.signer.as_ref().map(|signer| signer.public())
    }

    /// Up to `max` checkpoints of entries from `from_n` on.
    pub async fn checkpoints(
        &self,
        room: &RoomId,
        from_n: u64,
        max: usize,
    ) -> Result<Vec<Checkpoint>, RoomError> {
        Ok(self.world.log.checkpoints(room, from_n, max).await?)
    }

    /// The newest checkpoint of a room.
    pub async fn newest_checkpoint(&self, room: &RoomId) -> Result<Option<Checkpoint>, RoomError> {
        let last_n = self.world.log.read(room, u64::MAX, 1).await?.last_n;
        let (from_n, max) = (last_n.saturating_sub(NEWEST_WITHIN), NEWEST_WITHIN as usize + 1);
        Ok(self.checkpoints(room, from_n, max).await?.pop())
    }
}
