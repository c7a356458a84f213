//! A group on its way to an edge: a task that writes what the feed hands over, on a stream of its own.

use crate::{Code, Metrics};
use quinn::{Connection, SendStream};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use unisono_base::MediaTime;
use unisono_media::Frame;
use unisono_proto_relay::{GroupEncoder, GroupHead};

/// Frames of one group that wait to be written; more than a ring's worth of an ordinary group.
const FRAMES_QUEUE: usize = 4_096;
/// A group that is still being written so long after the next one began is given up: the edge has gone on.
const LATE_AFTER: Duration = Duration::from_secs(3);

/// A frame for the edge.
pub(super) struct Outgoing {
    pub(super) frame: Arc<Frame>,
    /// Control messages of the subscription sent before it.
    pub(super) after: u64,
    pub(super) horizon: Option<MediaTime>,
}

/// What the feed holds of a group.
pub(super) struct Group {
    frames: Option<mpsc::Sender<Outgoing>>,
    give_up: CancellationToken,
    over: CancellationToken,
    superseded: Option<Instant>,
}

impl Group {
    /// Begins to write. A group of higher `priority` goes first where the link is too thin for both.
    pub(super) fn begin(
        connection: &Connection,
        head: GroupHead,
        priority: i32,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (frames, queue) = mpsc::channel(FRAMES_QUEUE);
        let (give_up, over) = (CancellationToken::new(), CancellationToken::new());
        let writer = Writer { connection: connection.clone(), head, priority, metrics: metrics.clone() };
        let (given_up, done) = (give_up.clone(), over.clone().drop_guard());
        // Ends with the connection at the latest: every write fails then.
        tokio::spawn(async move {
            writer.run(queue, given_up).await;
            drop(done);
        });
        Self { frames: Some(frames), give_up, over, superseded: None }
    }

    /// Hands a frame over; false where the group is given up.
    pub(super) fn push(&self, frame: Outgoing) -> bool {
        let Some(frames) = &self.frames else { return false };
        let is_taken = frames.try_send(frame).is_ok();
        if !is_taken {
            self.give_up.cancel();
        }
        is_taken
    }

    /// No frame will follow, and the next group begins.
    pub(super) fn finish(&mut self, now: Instant) {
        self.frames = None;
        self.superseded.get_or_insert(now);
    }

    /// Something of it is missing.
    pub(super) fn cut_short(&mut self) {
        self.give_up.cancel();
        self.frames = None;
    }

    /// Completes when nothing is left to do.
    pub(super) async fn written(&self) {
        self.over.cancelled().await;
    }

    /// True once nothing is left to do; gives it up where it has become late.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        if self.superseded.is_some_and(|since| now.saturating_duration_since(since) > LATE_AFTER) {
            self.give_up.cancel();
        }
        self.over.is_cancelled()
    }
}

impl Drop for Group {
    /// The subscription ended: what is not sent yet is not wanted.
    fn drop(&mut self) {
        if !self.over.is_cancelled() {
            self.give_up.cancel();
        }
    }
}

struct Writer {
    connection: Connection,
    head: GroupHead,
    priority: i32,
    metrics: Arc<Metrics>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Outgoing>, given_up: CancellationToken) {
        let opened = given_up.run_until_cancelled(self.connection.open_uni()).await;
        let Some(Ok(mut send)) = opened else { return };
        let written = given_up.run_until_cancelled(self.write(&mut send, &mut queue)).await;
        if !matches!(written, Some(Ok(()))) {
            // Dropped without this, a stream looks as if it were whole.
            let _ = send.reset(Code::Late.into());
            let mut left = 0;
            while queue.try_recv().is_ok() {
                left += 1;
            }
            self.metrics.missed("late", left);
        }
    }

    async fn write(
        &self,
        send: &mut SendStream,
        queue: &mut mpsc::Receiver<Outgoing>,
    ) -> Result<(), quinn::WriteError> {
        let _ = send.set_priority(self.priority);
        let (mut encoder, head) = GroupEncoder::begin(&self.head);
        send.write_chunk(head).await?;
        while let Some(Outgoing { frame, after, horizon }) = queue.recv().await {
            let front = encoder.frame(&frame, after, horizon);
            self.metrics.bytes_out.inc_by(frame.payload.len() as u64);
            send.write_all_chunks(&mut [front, frame.payload.clone()]).await?;
        }
        let _ = send.finish();
        Ok(())
    }
}
