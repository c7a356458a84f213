//! `unisono bench watch`: what a stream's viewers get, and what they cost the server.
//!
//! The viewers are real WebRTC clients on one thread; the publisher, where it is ours, is a second one. Latency is
//! counted from writing a frame into the publisher's session to the last packet of it at the viewer, by one clock.

mod frames;
mod histogram;
mod peer;
mod publisher;
mod signal;
mod stamp;
mod viewer;

use crate::{
    cli::BenchWatch,
    process::{self, Usage},
};
use anyhow::{Context, bail};
use histogram::{Histogram, round};
use publisher::Publisher;
use serde_json::{Value, json};
use std::{fs, rc::Rc, time::Duration};
use tokio::{sync::oneshot, task::LocalSet, time::sleep};
use viewer::Audience;

/// Time between two joins, so that a burst of handshakes is not what is measured.
const JOIN_EVERY: Duration = Duration::from_millis(50);
/// Quiet time between the last join and the steady window.
const SETTLE: Duration = Duration::from_secs(2);
/// How long viewers may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// Different reasons of failed joins that the report lists.
const REASONS_MAX: usize = 5;

/// Runs the measurement and prints its report as one line of JSON.
pub(crate) fn watch(args: &BenchWatch) -> anyhow::Result<()> {
    let stream = args.url.trim_end_matches('/');
    if !stream.starts_with("http://") {
        bail!("{stream}: the bench speaks plain http:// only");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let publisher = match &args.key {
        Some(key) if args.publish => Some(Publisher::start(format!("{stream}/whip"), key.clone())?),
        _ => None,
    };
    let report = LocalSet::new().block_on(&runtime, measure(args, format!("{stream}/whep")))?;
    drop(publisher);
    println!("{report}");
    Ok(())
}

/// How the joins went.
struct Joins {
    joined: u32,
    failed: u32,
    reasons: Vec<String>,
    took: Histogram,
}

async fn measure(args: &BenchWatch, endpoint: String) -> anyhow::Result<Value> {
    let audience = Audience::new(signal::client()?, endpoint);
    let before = server_usage(args.pid)?;
    let joins = join_all(&audience, args.viewers).await;
    sleep(SETTLE).await;

    let at_start = server_usage(args.pid)?;
    let client_at_start = process::usage(std::process::id());
    audience.is_measuring.set(true);
    sleep(Duration::from_secs(args.seconds)).await;
    audience.is_measuring.set(false);
    let at_end = server_usage(args.pid)?;
    let client_at_end = process::usage(std::process::id());

    audience.is_over.set(true);
    sleep(GOODBYE).await;
    let counts = audience.counts.borrow();
    let bits = counts.bytes * 8;
    let expected = counts.packets + counts.lost;
    Ok(json!({
        "bench": "watch",
        "viewers": args.viewers, "joined": joins.joined, "failed": joins.failed, "reasons": joins.reasons,
        "seconds": args.seconds,
        "post_to_keyframe_ms": joins.took.report(),
        "frame_latency_ms": counts.latency.report(),
        "frames": counts.frames, "packets": counts.packets, "lost": counts.lost,
        "loss_percent": if expected == 0 { 0.0 } else { counts.lost as f64 * 100.0 / expected as f64 },
        "delivered_bits": bits,
        "server": server_report(before, at_start, at_end, bits, joins.joined),
        "client": client_report(client_at_start, client_at_end, args),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "load_average": fs::read_to_string("/proc/loadavg").ok().and_then(|l| l.split(' ').next().map(str::to_owned)),
    }))
}

async fn join_all(audience: &Rc<Audience>, viewers: u32) -> Joins {
    let mut joins = Joins { joined: 0, failed: 0, reasons: Vec::new(), took: Histogram::new() };
    let mut pending = Vec::with_capacity(viewers as usize);
    for _ in 0..viewers {
        let (tell, joined) = oneshot::channel();
        tokio::task::spawn_local(viewer::watch(audience.clone(), tell));
        pending.push(joined);
        sleep(JOIN_EVERY).await;
    }
    for joined in pending {
        match joined.await.context("a viewer's task ended").and_then(|joined| joined) {
            Ok(took) => {
                joins.joined += 1;
                joins.took.record(took);
            }
            Err(error) => {
                joins.failed += 1;
                let reason = format!("{error:#}");
                if joins.reasons.len() < REASONS_MAX && !joins.reasons.contains(&reason) {
                    joins.reasons.push(reason);
                }
            }
        }
    }
    joins
}

fn server_usage(pid: Option<u32>) -> anyhow::Result<Option<Usage>> {
    pid.map(|pid| process::usage(pid).with_context(|| format!("there is no process {pid} on this machine")))
        .transpose()
}

fn server_report(
    before: Option<Usage>,
    start: Option<Usage>,
    end: Option<Usage>,
    bits: u64,
    joined: u32,
) -> Value {
    let (Some(before), Some(start), Some(end)) = (before, start, end) else { return Value::Null };
    let cpu = (end.cpu.saturating_sub(start.cpu)).as_secs_f64();
    let gigabits = bits as f64 / 1e9;
    let grown = end.resident_bytes.saturating_sub(before.resident_bytes);
    json!({
        "cpu_seconds": cpu,
        "cpu_seconds_per_gigabit": (bits > 0).then(|| (cpu / gigabits * 1_000.0).round() / 1_000.0),
        "resident_bytes": end.resident_bytes,
        "resident_bytes_per_viewer": grown.checked_div(u64::from(joined)),
    })
}

/// What measuring itself cost, on the same machine: viewers' thread and, where it is ours, the publisher's.
fn client_report(start: Option<Usage>, end: Option<Usage>, args: &BenchWatch) -> Value {
    let cpu = start.zip(end).map(|(start, end)| round(end.cpu.saturating_sub(start.cpu).as_secs_f64()));
    json!({ "cpu_seconds": cpu, "threads": if args.publish { 2 } else { 1 }, "publishes": args.publish })
}
