//! Writes what a recorder has put into its queue: file first, then its line, in order, for as long as it takes.

use crate::{
    Ended, Head, Line, Logs, Metrics, Shelf, State, StorageError,
    live::Live,
    manifest::{EVENTS, HEAD, INDEX},
    queue::{Item, Queue},
    vod,
};
use bytes::Bytes;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use unisono_base::{NodeClock, StreamId};
use unisono_timeline::audit::Digest;

/// Lines in one file of the index. A bucket takes the newest file anew with each line: 40 KiB at most.
pub(crate) const LINES_MAX: usize = 128;
/// Between two tries, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// The name of a file of the index.
pub(crate) fn page_name(folder: &str, page: usize) -> String {
    format!("{folder}/{INDEX}/{page:06}.jsonl")
}

/// See the module.
pub(crate) struct Keeper {
    pub(crate) shelf: Arc<dyn Shelf>,
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: NodeClock,
    pub(crate) logs: Arc<dyn Logs>,
    /// How long what does not work is tried.
    pub(crate) tries: Tries,
    /// When it is cancelled, what is not written is given up, whatever storage is doing.
    pub(crate) give_up: CancellationToken,
}

/// How long a keeper tries what does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tries {
    /// Until it is done.
    UntilDone,
    /// Once; whoever asked tries again.
    Once,
}

/// The file of the index that grows.
#[derive(Default)]
struct Page {
    number: usize,
    lines: usize,
    text: Vec<u8>,
}

/// What could not be written was given up, for now or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp;

impl Keeper {
    /// Until the queue is closed and empty. Errors when it gave up.
    pub(crate) async fn run(&self) -> Result<(), GivenUp> {
        self.put_head(&self.live.head).await?;
        let mut page = Page::default();
        while let Some(item) = self.live.queue.next().await {
            let bytes = Queue::bytes_of(&item);
            let kept = self.keep(item, &mut page).await;
            self.live.queue.done(bytes);
            kept?;
        }
        Ok(())
    }

    async fn keep(&self, item: Item, page: &mut Page) -> Result<(), GivenUp> {
        let line = match item {
            Item::Header(mut line, bytes) => {
                line.sha256 = Digest::of(&[&bytes]);
                let path = format!("{}/{}", self.live.folder, line.name());
                self.insist(|| self.shelf.put(&path, vec![bytes.clone()])).await?;
                Line::Header(line)
            }
            Item::Segment(mut line, chunks) => {
                let parts: Vec<&[u8]> = chunks.iter().map(|chunk| &chunk[..]).collect();
                line.sha256 = Some(Digest::of(&parts));
                let path = format!("{}/{}", self.live.folder, line.name());
                self.insist(|| self.shelf.put(&path, chunks.clone())).await?;
                self.metrics.segments.inc();
                self.metrics.bytes.inc_by(line.bytes);
                let now = self.clock.at(Instant::now());
                self.metrics.lag_micros.set((now - line.end()).as_micros());
                Line::Segment(line)
            }
            Item::Gap(line) => Line::Segment(line),
        };
        self.note(line, page).await
    }

    /// A line after its file: whoever reads it finds the file.
    async fn note(&self, line: Line, page: &mut Page) -> Result<(), GivenUp> {
        if page.lines == LINES_MAX {
            *page = Page { number: page.number + 1, ..Page::default() };
        }
        let text = line.to_text();
        page.text.extend_from_slice(text.as_bytes());
        page.lines += 1;
        let (path, whole) = (page_name(&self.live.folder, page.number), Bytes::copy_from_slice(&page.text));
        self.insist(|| self.shelf.extend(&path, whole.clone(), text.len())).await?;
        self.live.push(line);
        Ok(())
    }

    /// The last of it: the room's log, playlists for whoever finds only the folder, and the head that says it is whole.
    pub(crate) async fn finish(&self, ended: Ended) -> Result<Head, GivenUp> {
        let head = Head {
            state: State::Finished,
            ended: Some(ended),
            summary: Some(self.live.index().summary()),
            ..self.live.head.clone()
        };
        if let Some(from) = self.live.index().summary().from
            && let Ok(stream) = head.stream.parse()
            && let Some(events) = self.or_given_up(self.logs.lines(&StreamId::local(stream), from)).await?
        {
            let path = format!("{}/{EVENTS}", self.live.folder);
            self.insist(|| self.shelf.put(&path, vec![events.clone()])).await?;
        }
        for (name, text) in vod::files(&self.live.index()) {
            let (path, text) = (format!("{}/{name}", self.live.folder), Bytes::from(text));
            self.insist(|| self.shelf.put(&path, vec![text.clone()])).await?;
        }
        self.put_head(&head).await?;
        Ok(head)
    }

    async fn put_head(&self, head: &Head) -> Result<(), GivenUp> {
        let path = format!("{}/{HEAD}", self.live.folder);
        let text = serde_json::to_vec_pretty(head).expect("a head is plain data with text keys");
        let text = Bytes::from(text);
        self.insist(|| self.shelf.put(&path, vec![text.clone()])).await
    }

    /// Tries as long as it may; says once that it does not work, and once that it works again.
    async fn insist<'a, F>(&self, work: impl Fn() -> F) -> Result<(), GivenUp>
    where
        F: Future<Output = Result<(), StorageError>> + 'a,
    {
        let mut again = AGAIN_FIRST;
        loop {
            let Err(error) = self.or_given_up(work()).await? else {
                if let Some(trouble) = self.live.clear_trouble() {
                    let was = trouble.words;
                    tracing::info!(stream = self.live.head.stream, was, "the recording is written again");
                }
                return Ok(());
            };
            self.is_in_trouble(&error);
            if self.tries == Tries::Once {
                return Err(GivenUp);
            }
            self.or_given_up(tokio::time::sleep(again)).await?;
            again = (again * 2).min(AGAIN_MAX);
        }
    }

    fn is_in_trouble(&self, error: &StorageError) {
        self.metrics.failures.inc();
        if self.live.set_trouble(error.to_string(), self.clock.at(Instant::now())) {
            tracing::error!(
                stream = self.live.head.stream, recording = %self.live.head.id,
                "the recording cannot be written and waits in memory as far as there is room: {error}"
            );
        }
    }

    /// What comes of `work`, unless it is to be given up first: storage that hangs answers no question of ours.
    pub(crate) async fn or_given_up<T>(&self, work: impl Future<Output = T>) -> Result<T, GivenUp> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.give_up.cancelled() => Err(GivenUp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entries, index::tests::segment, manifest::tests::head, queue::Budget};
    use std::ops::Range;
    use unisono_base::MediaTime;
    use unisono_store::BoxFuture;

    /// A bucket that takes a connection and says nothing on it.
    #[derive(Debug)]
    struct Hanging;

    impl Shelf for Hanging {
        fn put<'a>(&'a self, _: &'a str, _: Vec<Bytes>) -> BoxFuture<'a, Result<(), StorageError>> {
            Box::pin(std::future::pending())
        }

        fn extend<'a>(&'a self, _: &'a str, _: Bytes, _: usize) -> BoxFuture<'a, Result<(), StorageError>> {
            Box::pin(std::future::pending())
        }

        fn get<'a>(
            &'a self,
            _: &'a str,
            _: Option<Range<u64>>,
        ) -> BoxFuture<'a, Result<Bytes, StorageError>> {
            Box::pin(std::future::pending())
        }

        fn len<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<u64, StorageError>> {
            Box::pin(std::future::pending())
        }

        fn list<'a>(&'a self, _: &'a str, _: Entries) -> BoxFuture<'a, Result<Vec<String>, StorageError>> {
            Box::pin(std::future::pending())
        }

        fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), StorageError>> {
            Box::pin(std::future::pending())
        }

        fn check(&self) -> BoxFuture<'_, Result<(), StorageError>> {
            Box::pin(std::future::pending())
        }
    }

    struct NoLogs;

    impl Logs for NoLogs {
        fn lines<'a>(&'a self, _: &'a StreamId, _: MediaTime) -> BoxFuture<'a, Option<Bytes>> {
            Box::pin(std::future::ready(None))
        }
    }

    fn keeper() -> Keeper {
        let head = head();
        let began = head.began;
        Keeper {
            shelf: Arc::new(Hanging),
            live: Arc::new(Live::new(head, Queue::new(Budget::new(1 << 20)))),
            metrics: Metrics::register(&mut Default::default()),
            clock: NodeClock::new(Instant::now(), began),
            logs: Arc::new(NoLogs),
            tries: Tries::UntilDone,
            give_up: CancellationToken::new(),
        }
    }

    #[tokio::test]
    async fn storage_that_hangs_is_given_up_when_the_node_goes_down() {
        let keeper = keeper();
        keeper.live.queue.offer(Item::Gap(segment(crate::Rendition::Video, 0)));
        let given_up = async {
            tokio::task::yield_now().await;
            keeper.give_up.cancel();
        };
        let both = async { tokio::join!(keeper.run(), given_up) };
        let (run, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("it does not hang");
        assert_eq!(run, Err(GivenUp));
        let finished = tokio::time::timeout(Duration::from_secs(60), keeper.finish(Ended::Shutdown)).await;
        assert_eq!(finished.expect("nor does the end"), Err(GivenUp));
    }
}
