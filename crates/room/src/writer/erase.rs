//! What is erased leaves log, room and stream; who took part in what is open is remembered until it is over.

use super::{RETRY_AFTER, Writer};
use crate::erasure::Erasure;
use std::time::Instant;
use unisono_store::{Erase, LogError};

impl Writer {
    /// First who took part in what is open, so that nobody does so twice, then the log, then memory: a crash in between forgets all
    /// the same. Nothing is under way meanwhile, so that nobody's next entry is sealed with the salt of somebody erased.
    pub(super) async fn erase(&mut self, mut erasure: Erasure) -> Result<u64, LogError> {
        let log = self.world.log.clone();
        erasure.look(&*log, &self.room).await?;
        let moment = self.moment()?;
        match (erasure.what(), &mut self.state) {
            (Erase::Person { id }, Some(state)) => {
                state.sequencer.remember_person(id, moment);
                self.write(Vec::new()).await;
            }
            (Erase::Payload { n }, Some(state)) if state.sequencer.needs_salt(*n) => return Ok(0),
            (Erase::Payload { .. }, Some(_)) | (_, None) => {}
        }
        if self.state.is_none() {
            let reason = "nothing was erased: the log failed just now".to_owned();
            return Err(LogError::Backend { room: self.room.to_string(), reason });
        }
        let erased = erasure.erase(&*log, &self.room).await?;
        let Some(state) = &mut self.state else { return Ok(erased) };
        match erasure.what() {
            Erase::Person { id } => {
                let stand_in = state.chain.forget_person(id);
                state.sequencer.forget_person(id, stand_in.as_ref(), moment);
            }
            Erase::Payload { .. } => {
                erasure.event().into_iter().for_each(|id| state.sequencer.forget_payload(id, moment));
            }
        }
        if let Some(stream) = self.world.hub.stream(self.room.stream()) {
            stream.rewrite_events(|json| erasure.left_of_json(json));
        }
        self.outlet.rewrite(|event| erasure.left_of(event));
        self.outlet.outdate_snapshot();
        self.write(Vec::new()).await;
        Ok(erased)
    }

    /// Erases what windows and offers that are over have remembered of people. In the turn in which they end: an export that begins later
    /// withholds no more of them, and must find no salt.
    pub(super) async fn forget_salts(&mut self) {
        let Some(state) = &mut self.state else { return };
        if state.sequencer.outdated_salts().is_empty() || self.salts_at.is_some_and(|at| Instant::now() < at)
        {
            return;
        }
        self.salts_at = None;
        for n in state.sequencer.outdated_salts().to_vec() {
            match self.world.log.erase(&self.room, Erase::Payload { n }).await {
                Ok(_) => state.sequencer.forget_salt(n),
                Err(error) => {
                    tracing::error!(room = %self.room, n, %error, "a salt stays in the log; it is tried again");
                    self.salts_at = Some(Instant::now() + RETRY_AFTER);
                    return;
                }
            }
        }
    }
}
