//! One room's events to many readers: how soon each has them, and how many deliveries a core of the server makes.

use super::{Bench, ack::cores, crowd::Crowd, mark, threads::on_thread};
use crate::{
    bench::server_usage,
    process,
    room_feed::{RoomFeed, Said},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

/// Events a second of the steady figure.
const EVENTS: u32 = 10;
/// Readers and events a second of the figure that asks for the most: batches of 25 ms then hold a dozen events.
const MOST_READERS: u32 = 1_000;
const MOST_EVENTS: u32 = 500;
const SETTLE: Duration = Duration::from_secs(3);

/// The audience of a show: many readers, ten events a second.
pub(super) async fn steady(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let mut report = measure(bench, ("fan-out", "crowd"), bench.args.readers, EVENTS).await?;
    report["budget_p99_ms"] = json!(250);
    Ok(report)
}

/// As many deliveries as batching allows.
pub(super) async fn most(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let mut report = measure(bench, ("deliveries of a core", "most"), MOST_READERS, MOST_EVENTS).await?;
    report["goal_deliveries_per_core"] = json!(300_000);
    Ok(report)
}

async fn measure(
    bench: &Bench<'_>,
    (name, room): (&str, &str),
    readers: u32,
    events: u32,
) -> anyhow::Result<Value> {
    let crowd = Crowd::gather(bench, room, readers).await?;
    sleep(SETTLE).await;
    let sender = Sender::start(bench, room, events).await?;
    sleep(SETTLE).await;
    let own = || process::usage(std::process::id());
    let (sent, begun, own_begun, from) =
        (sender.sent(), server_usage(bench.args.pid)?, own(), Instant::now());
    crowd.begin();
    sleep(bench.length()).await;
    let counts = crowd.end();
    // What is counted and what it cost belong to the same time, also where the machine made it longer.
    let length = from.elapsed();
    let (ended, own_ended) = (server_usage(bench.args.pid)?, own());
    let sent = sender.sent() - sent;
    let cores_used = cores(begun, ended, length);
    let seconds = length.as_secs_f64();
    let deliveries = counts.deliveries as f64 / seconds;
    Ok(json!({
        "name": name, "readers": crowd.len(), "events_per_second": (sent as f64 / seconds).round(),
        "delivery_ms": counts.latency.report(), "deliveries_per_second": deliveries.round(),
        "messages_per_second": (counts.messages as f64 / seconds).round(),
        "megabits_per_second": (counts.bytes as f64 * 8.0 / 1e6 / seconds).round(),
        "server_cores": cores_used, "client_cores": cores(own_begun, own_ended, length),
        "deliveries_per_core": cores_used.filter(|cores| *cores > 0.0).map(|cores| (deliveries / cores).round()),
        "broken_off": crowd.lost(),
    }))
}

/// Sends events at a rate until it is dropped; on a thread of its own, so that no reader keeps it from its time.
pub(super) struct Sender {
    sent: Arc<AtomicU64>,
    over: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    pub(super) async fn start(bench: &Bench<'_>, room: &str, events: u32) -> anyhow::Result<Self> {
        let (entrance, sent, over) =
            (bench.host(room), Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let (counted, stop) = (sent.clone(), over.clone());
        let (tell, open) = oneshot::channel();
        let (thread, ended) = on_thread("sender", move || async move {
            let feed = RoomFeed::open(&entrance).await.context("the sender did not get in")?;
            let _ = tell.send(());
            let sending = stop.run_until_cancelled(send(feed, events, &counted)).await;
            if let Some(Err(error)) = sending {
                tracing::error!(error = format!("{error:#}"), "the sender broke off");
            }
            anyhow::Ok(())
        })?;
        let sender = Self { sent, over, thread: Some(thread) };
        if open.await.is_err() {
            ended.await.context("the sender's thread ended")??;
        }
        Ok(sender)
    }

    /// Events accepted so far.
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.over.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn send(mut feed: RoomFeed, events: u32, sent: &AtomicU64) -> anyhow::Result<()> {
    let mut ticks = interval(Duration::from_secs(1) / events);
    // The rate is kept in the long run: a late tick is made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = ticks.tick() => feed.command(&mark().1).await?,
            // It is a reader as well, and has to read what it is answered.
            said = feed.next() => if let Said::Ack(answer) = said? {
                sent.fetch_add(u64::from(answer.status == "accepted"), Ordering::Relaxed);
            },
        }
    }
}
