//! From a command sent to its acknowledgement, which comes after the log's fsync; and how many of them a room takes.

use super::{Bench, mark};
use crate::{
    bench::{histogram::Histogram, server_usage},
    process::{self, Usage},
    room_feed::{RoomFeed, Said},
};
use anyhow::bail;
use serde_json::{Value, json};
use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use unisono_timeline::Uuid;

/// Senders of the latency figure, each with a command every [`EVERY`].
const SENDERS: u32 = 10;
const EVERY: Duration = Duration::from_millis(100);
/// Senders of the rate figure, and commands each has under way: the server reads no more of one client than 32.
const PUSHERS: u32 = 64;
const UNDER_WAY: usize = 32;
/// What is not measured at the beginning.
const WARM_UP: Duration = Duration::from_secs(2);

/// What all senders count together.
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
    let tally = tally(bench);
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
    let mut feeds = Vec::new();
    for _ in 0..PUSHERS {
        feeds.push(RoomFeed::open(&bench.host("rate")).await?);
    }
    let tally = tally(bench);
    let pid = bench.args.pid;
    // On a thread of its own: this one is so busy that it would look at the end of the warm-up too late.
    let begun = tokio::task::spawn_blocking(move || {
        std::thread::sleep(WARM_UP);
        pid.and_then(process::usage)
    });
    let mut senders = JoinSet::new();
    for feed in feeds {
        senders.spawn_local(push(feed, tally.clone()));
    }
    finish(senders).await?;
    let cores = cores(begun.await?, server_usage(bench.args.pid)?, bench.length());
    let tally = tally.borrow();
    Ok(json!({
        "name": "commands through one room", "senders": PUSHERS, "under_way": UNDER_WAY,
        "commands_per_second": tally.answered / bench.args.seconds, "goal": 10_000,
        "ack_ms": tally.latency.report(), "server_cores": cores, "refused": tally.refused,
    }))
}

/// Cores in use between two looks; `null` where the process is not known.
pub(super) fn cores(from: Option<Usage>, to: Option<Usage>, length: Duration) -> Option<f64> {
    let (from, to) = from.zip(to)?;
    let cores = to.cpu.saturating_sub(from.cpu).as_secs_f64() / length.as_secs_f64();
    Some((cores * 100.0).round() / 100.0)
}

fn tally(bench: &Bench<'_>) -> Shared {
    let from = Instant::now() + WARM_UP;
    let until = from + bench.length();
    Rc::new(RefCell::new(Tally {
        from,
        until,
        latency: Histogram::new(),
        answered: 0,
        refused: HashMap::new(),
    }))
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
            said = feed.next() => hear(&tally, &mut sent, said?),
        }
    }
    Ok(())
}

/// As many under way as are taken.
async fn push(mut feed: RoomFeed, tally: Shared) -> anyhow::Result<()> {
    let until = tally.borrow().until;
    let mut sent = HashMap::new();
    while Instant::now() < until {
        while sent.len() < UNDER_WAY {
            send(&mut feed, &mut sent).await?;
        }
        let Ok(said) = timeout_at(until, feed.next()).await else { break };
        hear(&tally, &mut sent, said?);
        if tally.borrow().refused.values().sum::<u64>() > 100_000 {
            bail!("the room refuses: {:?}", tally.borrow().refused);
        }
    }
    Ok(())
}

async fn send(feed: &mut RoomFeed, sent: &mut HashMap<Uuid, Instant>) -> anyhow::Result<()> {
    let (cmd_id, command) = mark();
    sent.insert(cmd_id, Instant::now());
    feed.command(&command).await
}

fn hear(tally: &Shared, sent: &mut HashMap<Uuid, Instant>, said: Said) {
    let Said::Ack(answer) = said else { return };
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
