//! What waits to be written: bounded in bytes over all streams, and in number for each.

use crate::{Gap, HeaderLine, SegmentLine};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// Lines of one stream that wait, gaps included: some hours of a storage that is away. Beyond it nothing is noted.
pub(crate) const ITEMS_MAX: usize = 20_000;

/// Bytes of all streams that wait.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|all| *all <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file and its line, without the digest, which whoever writes it computes.
#[derive(Debug)]
pub(crate) enum Item {
    Header(HeaderLine, Bytes),
    Segment(SegmentLine, Vec<Bytes>),
    Gap(SegmentLine),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Segment(_, chunks) => chunks.iter().map(Bytes::len).sum(),
            Self::Header(..) | Self::Gap(_) => 0,
        }
    }
}

/// What came of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits.
    Taken,
    /// There was no room for its bytes: a gap waits in its place.
    Gap,
    /// There was no room even for that.
    Nothing,
}

/// One stream's queue: a recorder puts in and never waits, a keeper takes out.
#[derive(Debug)]
pub(crate) struct Queue {
    items: Mutex<Items>,
    news: Notify,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct Items {
    waiting: VecDeque<Item>,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { items: Mutex::default(), news: Notify::new(), budget }
    }

    pub(crate) fn offer(&self, item: Item) -> Offered {
        let mut items = self.items.lock();
        if items.is_closed || items.waiting.len() >= ITEMS_MAX {
            return Offered::Nothing;
        }
        let bytes = item.bytes();
        let (item, offered) = match item {
            Item::Segment(line, _) if !self.budget.take(bytes) => {
                let line = SegmentLine { gap: Some(Gap::Lost), bytes: 0, sha256: None, ..line };
                (Item::Gap(line), Offered::Gap)
            }
            item => (item, Offered::Taken),
        };
        items.waiting.push_back(item);
        drop(items);
        self.news.notify_one();
        offered
    }

    /// The next item; `None` once the queue is closed and empty. Its bytes count until [`Self::done`].
    pub(crate) async fn next(&self) -> Option<Item> {
        loop {
            if let Some(item) = self.next_now() {
                return Some(item);
            }
            if self.items.lock().is_closed {
                // What came before it was closed is there.
                return self.next_now();
            }
            self.news.notified().await;
        }
    }

    /// The next item, if one waits.
    pub(crate) fn next_now(&self) -> Option<Item> {
        self.items.lock().waiting.pop_front()
    }

    /// An item of so many bytes is written, or given up.
    pub(crate) fn done(&self, bytes: usize) {
        self.budget.give_back(bytes);
    }

    pub(crate) fn close(&self) {
        self.items.lock().is_closed = true;
        self.news.notify_one();
    }

    pub(crate) fn bytes_of(item: &Item) -> usize {
        item.bytes()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left: usize = self.items.get_mut().waiting.iter().map(Item::bytes).sum();
        self.budget.give_back(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rendition, index::tests::segment};

    fn item(n: u64, bytes: usize) -> Item {
        Item::Segment(segment(Rendition::Video, n), vec![Bytes::from(vec![0; bytes])])
    }

    #[tokio::test]
    async fn what_does_not_fit_becomes_a_gap_and_goes_on_when_there_is_room() {
        let budget = Budget::new(100);
        let queue = Queue::new(budget.clone());
        assert_eq!(queue.offer(item(0, 80)), Offered::Taken);
        assert_eq!(queue.offer(item(1, 80)), Offered::Gap, "over the budget");
        let first = queue.next().await.expect("an item");
        queue.done(Queue::bytes_of(&first));
        assert_eq!(queue.offer(item(2, 80)), Offered::Taken);
        let gap = queue.next().await.expect("the gap");
        assert!(matches!(gap, Item::Gap(SegmentLine { gap: Some(Gap::Lost), bytes: 0, .. })), "{gap:?}");
        queue.close();
        assert_eq!(queue.offer(item(3, 1)), Offered::Nothing);
        assert!(queue.next().await.is_some() && queue.next().await.is_none());
    }

    #[test]
    fn a_queue_that_is_given_up_gives_its_room_back() {
        let budget = Budget::new(100);
        let queue = Queue::new(budget.clone());
        queue.offer(item(0, 60));
        drop(queue);
        assert_eq!(budget.used(), 0);
    }
}
