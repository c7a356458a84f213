//! The auctioneer's own eyes: the room's feed as it happens, across crashes.

use crate::room_feed::{Clock, Entrance, RoomFeed, Said, Told};
use std::time::Duration;
use tokio::{sync::mpsc, task::JoinSet, time::sleep};

/// News that wait for the show; beyond it the feed waits.
const NEWS_MAX: usize = 256;
const RETRY: Duration = Duration::from_millis(300);

/// What is seen.
pub(super) enum News {
    /// Connected; this is the node's clock.
    Connected(Clock),
    /// Something happened.
    Told(Told),
}

/// Watches until it is dropped.
pub(super) struct Observer {
    pub(super) news: mpsc::Receiver<News>,
    _task: JoinSet<()>,
}

impl Observer {
    pub(super) fn start(door: Entrance) -> Self {
        let (sender, news) = mpsc::channel(NEWS_MAX);
        let mut task = JoinSet::new();
        task.spawn(watch(door, sender));
        Self { news, _task: task }
    }
}

async fn watch(door: Entrance, news: mpsc::Sender<News>) {
    let mut seq = 0;
    loop {
        if let Err(error) = follow(&door, &news, &mut seq).await {
            tracing::debug!(error = format!("{error:#}"), "the auctioneer lost the room");
        }
        if news.is_closed() {
            return;
        }
        sleep(RETRY).await;
    }
}

async fn follow(door: &Entrance, news: &mpsc::Sender<News>, seq: &mut u64) -> anyhow::Result<()> {
    let from_seq = Some(*seq + 1);
    let mut feed = RoomFeed::open(&Entrance { from_seq, ..door.clone() }).await?;
    news.send(News::Connected(feed.greeted().await?)).await?;
    loop {
        let Said::Events { events } = feed.next().await? else { continue };
        for told in events {
            *seq = told.seq;
            news.send(News::Told(told)).await?;
        }
    }
}
