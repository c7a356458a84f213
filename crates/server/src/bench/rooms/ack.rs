//! From a command sent to its acknowledgement, which comes after the log's fsync; and how many of them a room takes.

use super::{
    Bench, mark,
    pace::{Pace, UNDER_WAY_MAX},
    threads::{on_thread, shares},
};
use crate::{
    bench::{histogram::Histogram, server_usage},
    process::{self, Usage},
    room_feed::{Answer, Entrance, RoomFeed, Said},
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};
use unisono_timeline::Uuid;

/// Senders of the latency figure, each with a command every [`EVERY`].
const SENDERS: u32 = 10;
const EVERY: Duration = Duration::from_millis(100);
/// Senders of the rate figure. Each is a reader of all the events as well, so that more of them measure the fan-out instead.
const PUSHERS: usize = 16;
/// How a batch of events begins.
const EVENTS: &str = r#"{"type":"events""#;
/// What is not measured at the beginning.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the senders may take to get in.
const ENTER: Duration = Duration::from_secs(1);

/// What the senders of a thread count together.
struct Tally {
    from: Instant,
    until: Instant,
    latency: Histogram,
    answered: u64,
    /// By status, what was not accepted.
    refused: HashMap<String, u64>,
}

type Shared = Rc<RefCell<Tally>>;

/// p50 and p99 at an everyday load: ten senders, ten commands a second each.
pub(super) async fn latency(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let tally = Rc::new(RefCell::new(Tally::new(Instant::now() + WARM_UP, bench.length())));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let feed = RoomFeed::open(&bench.host("ack")).await?;
        senders.spawn_local(send_steadily(feed, tally.clone()));
    }
    finish(senders).await?;
    let tally = tally.borrow();
    Ok(json!({
        "name": "command to durable ack", "senders": SENDERS, "commands_per_second": 1_000 / EVERY.as_millis() as u32 * SENDERS,
        "ack_ms": tally.latency.report(), "budget_p99_ms": 30, "refused": tally.refused,
    }))
}

/// Commands a second through one room, with as many under way as the server takes.
pub(super) async fn rate(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let from = Instant::now() + ENTER + WARM_UP;
    let length = bench.length();
    let mut running = Vec::new();
    for share in shares(vec![bench.host("rate"); PUSHERS]) {
        running.push(on_thread("senders", move || pushers(share, Tally::new(from, length)))?);
    }
    sleep(from - Instant::now()).await;
    let own = || process::usage(std::process::id());
    let (begun, own_begun) = (server_usage(bench.args.pid)?, own());
    sleep(length).await;
    let (ended, own_ended) = (server_usage(bench.args.pid)?, own());
    let mut all = Tally::new(from, length);
    for (thread, told) in running {
        all.add(told.await.context("the senders' thread ended")??);
        let _ = thread.join();
    }
    Ok(json!({
        "name": "commands through one room", "senders": PUSHERS, "under_way": UNDER_WAY_MAX,
        "commands_per_second": all.answered / bench.args.seconds, "goal": 10_000,
        "ack_ms": all.latency.report(), "server_cores": cores(begun, ended, length),
        "client_cores": cores(own_begun, own_ended, length), "refused": all.refused,
    }))
}

/// One thread's senders.
async fn pushers(entrances: Vec<Entrance>, tally: Tally) -> anyhow::Result<Tally> {
    let tally = Rc::new(RefCell::new(tally));
    let mut senders = JoinSet::new();
    for entrance in entrances {
        let feed = RoomFeed::open(&entrance).await?;
        senders.spawn_local(push(feed, tally.clone()));
    }
    finish(senders).await?;
    let empty = Tally::new(Instant::now(), Duration::ZERO);
    Ok(tally.replace(empty))
}

/// Cores in use between two looks; `null` where the process is not known.
pub(super) fn cores(from: Option<Usage>, to: Option<Usage>, length: Duration) -> Option<f64> {
    let (from, to) = from.zip(to)?;
    let cores = to.cpu.saturating_sub(from.cpu).as_secs_f64() / length.as_secs_f64();
    Some((cores * 100.0).round() / 100.0)
}

impl Tally {
    fn new(from: Instant, length: Duration) -> Self {
        let until = from + length;
        Self { from, until, latency: Histogram::new(), answered: 0, refused: HashMap::new() }
    }

    fn add(&mut self, other: Self) {
        self.latency.merge(&other.latency);
        self.answered += other.answered;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
    }
}

async fn finish(mut senders: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}

/// One command each tick, whether or not the last was answered.
async fn send_steadily(mut feed: RoomFeed, tally: Shared) -> anyhow::Result<()> {
    let until = tally.borrow().until;
    let mut sent = HashMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until {
        tokio::select! {
            _ = ticks.tick() => send(&mut feed, &mut sent).await?,
            said = feed.next() => if let Said::Ack(answer) = said? {
                hear(&tally, &mut sent, answer);
            },
        }
    }
    Ok(())
}

/// As many under way as the room takes. What it has no room for is not a failure: the sender slows down, as the words ask.
async fn push(mut feed: RoomFeed, tally: Shared) -> anyhow::Result<()> {
    let until = tally.borrow().until;
    let mut sent = HashMap::new();
    let mut pace = Pace::new(Instant::now());
    while Instant::now() < until {
        if pace.lets(sent.len(), Instant::now()) {
            while pace.lets(sent.len(), Instant::now()) {
                let (cmd_id, command) = mark();
                sent.insert(cmd_id, Instant::now());
                feed.queue(&command).await?;
            }
            feed.flush().await?;
        }
        // With nothing under way nothing comes that would wake it.
        let wake = pace.resumes().map_or(until, |at| at.min(until));
        let Ok(text) = timeout_at(wake, feed.next_text()).await else { continue };
        // The events of all senders come, too; to read them would be most of the work.
        let Some(text) = text?.filter(|text| !text.starts_with(EVENTS)) else { continue };
        if let Said::Ack(answer) = serde_json::from_str(&text)? {
            match answer.status.as_str() {
                "accepted" => pace.accepted(),
                "busy" => pace.refused(Instant::now()),
                other => bail!("the room refuses a command: {other}"),
            }
            hear(&tally, &mut sent, answer);
        }
    }
    Ok(())
}

async fn send(feed: &mut RoomFeed, sent: &mut HashMap<Uuid, Instant>) -> anyhow::Result<()> {
    let (cmd_id, command) = mark();
    sent.insert(cmd_id, Instant::now());
    feed.command(&command).await
}

fn hear(tally: &Shared, sent: &mut HashMap<Uuid, Instant>, answer: Answer) {
    let Some(at) = sent.remove(&answer.cmd_id) else { return };
    let mut tally = tally.borrow_mut();
    let now = Instant::now();
    if now < tally.from || now > tally.until {
        return;
    }
    if answer.status == "accepted" {
        tally.latency.record(now - at);
        tally.answered += 1;
    } else {
        *tally.refused.entry(answer.status).or_default() += 1;
    }
}
