//! What is being recorded: one task per stream, from when it comes until it ends.

use crate::{
    Ended, Head, RecordingId, State, VERSION, Views,
    catalog::Entry,
    keep::{Keeper, Tries},
    live::Live,
    queue::Queue,
    recorder::Recorder,
    recordings::Recordings,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;
use unisono_base::StreamId;
use unisono_hub::{State as StreamState, Stream};

/// After a recording that came to nothing.
const RECORD_AGAIN: Duration = Duration::from_secs(5);
/// Recordings that are not wholly written: those of all streams a node can have, and as many more that ended while storage was
/// away, each with a task that tries.
pub(crate) const UNWRITTEN_MAX: usize = 4_096;

impl Recordings {
    pub(crate) fn look_at_streams(self: &Arc<Self>) {
        for stream in self.hub.streams() {
            let id = stream.id().clone();
            let is_wanted = self.rule(&id).is_on;
            let mut running = self.running.lock();
            match running.get(&id) {
                Some(stop) if !is_wanted => stop.cancel(),
                None if is_wanted && matches!(stream.state(), StreamState::Live { .. }) => {
                    let stop = CancellationToken::new();
                    running.insert(id, stop.clone());
                    self.tasks.spawn(self.clone().record(stream, stop));
                }
                _ => {}
            }
        }
    }

    async fn record(self: Arc<Self>, stream: Arc<Stream>, stop: CancellationToken) {
        let id = stream.id().clone();
        let is_kept = match self.packagers.views(&id) {
            Ok(mut views) => {
                self.metrics.running.inc();
                let is_kept = self.record_all(&id, &mut views, &stop).await;
                self.metrics.running.dec();
                is_kept
            }
            Err(words) => {
                tracing::error!(stream = %id, "it cannot be recorded: {words}");
                false
            }
        };
        if !is_kept {
            // What does not work now, such as a codec that MP4 does not know, is not tried twice a second.
            tokio::select! {
                () = tokio::time::sleep(RECORD_AGAIN) => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.running.lock().remove(&id);
        drop(stream);
    }

    /// One recording, or several that continue each other. False where nothing came of the last one. It waits for nothing to be
    /// written: what comes next is recorded whatever storage is doing.
    async fn record_all(
        self: &Arc<Self>,
        stream: &StreamId,
        views: &mut Views,
        stop: &CancellationToken,
    ) -> bool {
        let (mut continues, mut after) = (None, [None, None]);
        loop {
            let Ok(place) = self.unwritten.clone().try_acquire_owned() else {
                tracing::error!(%stream, "it is not recorded: {UNWRITTEN_MAX} recordings wait to be written, the limit");
                return false;
            };
            let live = self.begin(stream, continues);
            let (tell, ended) = oneshot::channel();
            self.tasks.spawn(self.clone().keep(live.clone(), ended, place));
            let mut recorder = Recorder::new(live.clone(), self.metrics.clone(), after);
            let ended = recorder.run(&mut views.receiver, stop, &self.stop).await;
            // Its keeper has gone only when it was told to give up, and said so.
            let _ = tell.send(ended);
            live.queue.close();
            if ended != Ended::Continued {
                return recorder.has_taken();
            }
            (continues, after) = (Some(live.head.id), recorder.last());
        }
    }

    fn begin(&self, stream: &StreamId, continues: Option<RecordingId>) -> Arc<Live> {
        let head = Head {
            version: VERSION,
            id: RecordingId::now(),
            stream: stream.to_string(),
            owner: Some(self.owner),
            state: State::Recording,
            began: self.clock.at(Instant::now()),
            continues,
            ended: None,
            summary: None,
        };
        let live = Arc::new(Live::new(head.clone(), Queue::new(self.budget.clone())));
        tracing::info!(%stream, recording = %head.id, "recording begins");
        self.catalog.insert(Entry { head, live: Some(live.clone()) });
        live
    }

    /// Writes one recording to its end, for as long as that takes.
    async fn keep(
        self: Arc<Self>,
        live: Arc<Live>,
        ended: oneshot::Receiver<Ended>,
        _place: OwnedSemaphorePermit,
    ) {
        let keeper = self.keeper(live, Tries::UntilDone);
        let is_finished = match (keeper.run().await, ended.await) {
            (Ok(()), Ok(ended)) => self.finish(&keeper, ended).await,
            _ => false,
        };
        if !is_finished {
            let head = &keeper.live.head;
            tracing::error!(
                stream = head.stream, recording = %head.id,
                "the recording was left open; the next start finishes it"
            );
        }
    }

    /// False where it could not be written.
    pub(crate) async fn finish(&self, keeper: &Keeper, ended: Ended) -> bool {
        let (live, head) = (&keeper.live, &keeper.live.head);
        let summary = live.index().summary();
        if summary.segments == 0 {
            // Nothing of it was kept: there is nothing to be called a recording.
            let gone = keeper.or_given_up(self.shelf.remove(&live.folder)).await;
            if let Ok(Err(error)) = gone {
                tracing::warn!(recording = %head.id, "an empty recording cannot be taken away: {error}");
            }
            self.catalog.remove(head.id);
            tracing::info!(stream = head.stream, recording = %head.id, "recording ended before a segment was whole");
            return true;
        }
        let Ok(head) = keeper.finish(ended).await else { return false };
        tracing::info!(
            stream = head.stream, recording = %head.id, ended = ended.as_str(), segments = summary.segments,
            bytes = summary.bytes, lost = summary.lost, "recording ended"
        );
        self.catalog.insert(Entry { head, live: None });
        true
    }

    pub(crate) fn keeper(&self, live: Arc<Live>, tries: Tries) -> Keeper {
        Keeper {
            shelf: self.shelf.clone(),
            live,
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            logs: self.logs.clone(),
            tries,
            give_up: self.give_up.clone(),
        }
    }
}
