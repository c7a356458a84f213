//! One room's events to many readers: how soon each has them, and how many deliveries a core of the server makes.

use super::{Bench, ack::cores, crowd::Crowd, mark};
use crate::{
    bench::server_usage,
    room_feed::{RoomFeed, Said},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

/// Events a second of the steady figure.
const EVENTS: u32 = 10;
/// Readers and events a second of the figure that asks for the most: batches of 50 ms then hold 25 events.
const MOST_READERS: u32 = 1_000;
const MOST_EVENTS: u32 = 500;
const SETTLE: Duration = Duration::from_secs(3);
/// How long the sender waits for a turn to read.
const GLANCE: Duration = Duration::from_micros(100);

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
    let (sent, begun, from) = (sender.sent.get(), server_usage(bench.args.pid)?, Instant::now());
    crowd.begin();
    sleep(bench.length()).await;
    crowd.end();
    // What is counted and what it cost belong to the same time, also where the machine made it longer.
    let length = from.elapsed();
    let ended = server_usage(bench.args.pid)?;
    let sent = sender.sent.get() - sent;
    let cores = cores(begun, ended, length);
    let (counts, seconds) = (&crowd.counts, length.as_secs_f64());
    let deliveries = counts.deliveries.get() as f64 / seconds;
    let latency = counts.latency.borrow().as_ref().map(|latency| latency.report());
    Ok(json!({
        "name": name, "readers": crowd.len(), "events_per_second": (sent as f64 / seconds).round(),
        "delivery_ms": latency, "deliveries_per_second": deliveries.round(),
        "messages_per_second": (counts.messages.get() as f64 / seconds).round(),
        "megabits_per_second": (counts.bytes.get() as f64 * 8.0 / 1e6 / seconds).round(),
        "server_cores": cores, "deliveries_per_core": cores.filter(|cores| *cores > 0.0).map(|cores| (deliveries / cores).round()),
        "broken_off": counts.lost.get(),
    }))
}

/// Sends events at a rate until it is dropped.
pub(super) struct Sender {
    sent: Rc<Cell<u64>>,
    task: JoinHandle<()>,
}

impl Sender {
    pub(super) async fn start(bench: &Bench<'_>, room: &str, events: u32) -> anyhow::Result<Self> {
        let feed = RoomFeed::open(&bench.host(room)).await.context("the sender did not get in")?;
        let sent = Rc::new(Cell::new(0));
        let counted = sent.clone();
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = send(feed, events, &counted).await {
                tracing::error!(error = format!("{error:#}"), "the sender broke off");
            }
        });
        Ok(Self { sent, task })
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(mut feed: RoomFeed, events: u32, sent: &Cell<u64>) -> anyhow::Result<()> {
    let mut ticks = interval(Duration::from_secs(1) / events);
    // The rate is kept in the long run: a late tick is made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        feed.command(&mark().1).await?;
        // It is a reader as well, and has to read what it is answered.
        while let Ok(said) = timeout(GLANCE, feed.next()).await {
            if let Said::Ack(answer) = said? {
                sent.set(sent.get() + u64::from(answer.status == "accepted"));
            }
        }
    }
}
