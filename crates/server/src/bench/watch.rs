//! `unisono bench watch`: what one stream's viewers get, and what they cost the server.
//!
//! Latency is counted from writing a frame into the publisher's session to the last packet of it at the viewer, by one
//! clock.

use super::{
    audience::{Audience, Joins},
    cpus,
    crew::{Crew, Door},
    histogram::round,
    load_average,
    material::{Material, Quality},
    plain_http, server_usage, signal,
};
use crate::{
    cli::BenchWatch,
    process::{self, Usage},
};
use serde_json::{Value, json};
use std::{iter::repeat_n, sync::Arc, time::Duration};
use tokio::{task::LocalSet, time::sleep};

/// Quiet time between the last join and the steady window.
const SETTLE: Duration = Duration::from_secs(2);
/// How long viewers may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs the measurement and prints its report as one line of JSON.
pub(crate) fn watch(args: &BenchWatch) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", LocalSet::new().block_on(&runtime, measure(args))?);
    Ok(())
}

async fn measure(args: &BenchWatch) -> anyhow::Result<Value> {
    let stream = plain_http(&args.url)?;
    let _publisher = match &args.key {
        Some(key) if args.publish => {
            let material = Arc::new(Material::encode(Quality::LARGE)?);
            Some(Crew::start("publisher", vec![Door::Whip(format!("{stream}/whip"))], material, key).await?)
        }
        _ => None,
    };
    let audience = Audience::new(signal::client()?);
    let before = server_usage(args.pid)?;
    let mut joins = Joins::new();
    audience.join(repeat_n(format!("{stream}/whep"), args.viewers as usize), &mut joins).await;
    sleep(SETTLE).await;

    let at_start = server_usage(args.pid)?;
    let client_at_start = process::usage(std::process::id());
    let counts = audience.steady(Duration::from_secs(args.seconds)).await;
    let at_end = server_usage(args.pid)?;
    let client_at_end = process::usage(std::process::id());

    audience.is_over.set(true);
    sleep(GOODBYE).await;
    let bits = counts.bytes * 8;
    Ok(json!({
        "bench": "watch",
        "viewers": args.viewers, "joined": joins.joined, "failed": joins.failed, "reasons": joins.reasons(),
        "seconds": args.seconds,
        "post_to_keyframe_ms": joins.took.report(),
        "frame_latency_ms": counts.latency.report(),
        "frames": counts.frames, "packets": counts.packets, "lost": counts.lost, "loss_percent": counts.loss_percent(),
        "delivered_bits": bits,
        "server": server_report(before, at_start, at_end, bits, joins.joined),
        "client": client_report(client_at_start, client_at_end, args),
        "cpus": cpus(),
        "load_average": load_average(),
    }))
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
