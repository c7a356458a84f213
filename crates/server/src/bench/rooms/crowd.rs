//! Many readers of one room, and what each costs while nothing happens.

use super::{Bench, sent_times, unix_micros};
use crate::{
    bench::{histogram::Histogram, server_usage},
    room_feed::RoomFeed,
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// Handshakes at once.
const JOINING: usize = 64;
/// Quiet time before something is measured.
const SETTLE: Duration = Duration::from_secs(3);

/// Readers that count what they get.
pub(super) struct Crowd {
    pub(super) counts: Rc<Counts>,
    /// Aborts them when dropped.
    readers: JoinSet<()>,
}

/// What all readers of a crowd count together.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) is_measuring: Cell<bool>,
    /// Events, each once per reader.
    pub(super) deliveries: Cell<u64>,
    pub(super) messages: Cell<u64>,
    pub(super) bytes: Cell<u64>,
    pub(super) lost: Cell<u32>,
    pub(super) latency: RefCell<Option<Histogram>>,
}

impl Crowd {
    /// `count` readers of `room`, all of them greeted.
    pub(super) async fn gather(bench: &Bench<'_>, room: &str, count: u32) -> anyhow::Result<Self> {
        let counts = Rc::new(Counts::default());
        let mut readers = JoinSet::new();
        let mut joining: JoinSet<anyhow::Result<RoomFeed>> = JoinSet::new();
        let mut next = 0;
        while next < count || !joining.is_empty() {
            while next < count && joining.len() < JOINING {
                let entrance = bench.guest(room, next);
                next += 1;
                joining.spawn_local(async move {
                    let mut feed = RoomFeed::open(&entrance).await?;
                    feed.greeted().await?;
                    Ok(feed)
                });
            }
            let joined = joining.join_next().await.context("nobody is joining")?;
            readers.spawn_local(read(joined?.context("a reader did not get in")?, counts.clone()));
        }
        Ok(Self { counts, readers })
    }

    pub(super) fn len(&self) -> u64 {
        self.readers.len() as u64
    }

    /// Starts to count.
    pub(super) fn begin(&self) {
        self.counts.latency.replace(Some(Histogram::new()));
        self.counts.is_measuring.set(true);
    }

    pub(super) fn end(&self) {
        self.counts.is_measuring.set(false);
    }
}

async fn read(mut feed: RoomFeed, counts: Rc<Counts>) {
    while let Ok(text) = feed.next_text().await {
        let Some(text) = text.filter(|_| counts.is_measuring.get()) else { continue };
        let now = unix_micros();
        let mut latency = counts.latency.borrow_mut();
        let Some(latency) = latency.as_mut() else { continue };
        counts.messages.set(counts.messages.get() + 1);
        counts.bytes.set(counts.bytes.get() + text.len() as u64);
        for sent in sent_times(&text) {
            latency.record(Duration::from_micros(now.saturating_sub(sent)));
            counts.deliveries.set(counts.deliveries.get() + 1);
        }
    }
    counts.lost.set(counts.lost.get() + 1);
}

/// Resident memory that each reader adds while nothing happens.
pub(super) async fn idle(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let count = bench.args.readers;
    let Some(before) = server_usage(Some(bench.args.pid.context("--pid is needed for this figure")?))? else {
        bail!("the server's process is not known");
    };
    let begun = Instant::now();
    let crowd = Crowd::gather(bench, "idle", count).await?;
    let joined_in = begun.elapsed();
    sleep(SETTLE).await;
    let after = server_usage(bench.args.pid)?.context("the server is gone")?;
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    Ok(json!({
        "name": "memory of an idle reader", "readers": crowd.len(), "bytes_per_reader": grown / crowd.len().max(1),
        "budget_bytes": 24 * 1024, "resident_bytes": after.resident_bytes, "broken_off": crowd.counts.lost.get(),
        "joins_per_second": (f64::from(count) / joined_in.as_secs_f64()).round(),
    }))
}
