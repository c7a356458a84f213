//! `unisono bench streams`: what many streams with few viewers each cost the server, by RTMP and by WHIP.
//!
//! The streams come in steps: RTMP publishers alone, with their viewers, then WHIP publishers beside them, with theirs. Each
//! step has a steady window of its own, so that the difference of two is the cost of what was added between them.

use super::{
    audience::{Audience, Counts, Joins},
    cpus,
    crew::{Crew, Door},
    histogram::round,
    load_average,
    material::{FPS, Material, Quality},
    plain_http,
    scrape::Scrape,
    server_usage, signal,
};
use crate::{cli::BenchStreams, process};
use serde_json::{Value, json};
use std::{rc::Rc, sync::Arc, time::Duration};
use tokio::{task::LocalSet, time::sleep};

/// Application of the streams.
const APP: &str = "bench";
/// Quiet time before each steady window.
const SETTLE: Duration = Duration::from_secs(2);
/// How long viewers may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs the measurement and prints its report as one line of JSON.
pub(crate) fn streams(args: &BenchStreams) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", LocalSet::new().block_on(&runtime, measure(args))?);
    Ok(())
}

/// By what the publishers of a step come.
#[derive(Clone, Copy)]
enum Kind {
    Rtmp,
    Whip,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Whip => "whip",
        }
    }

    fn count(self, args: &BenchStreams) -> u32 {
        match self {
            Self::Rtmp => args.rtmp_streams,
            Self::Whip => args.whip_streams,
        }
    }

    fn door(self, args: &BenchStreams, base: &str, n: u32) -> Door {
        let name = self.stream(n);
        match self {
            Self::Rtmp => Door::Rtmp { address: args.rtmp.clone(), app: APP.to_owned(), name },
            Self::Whip => Door::Whip(format!("{base}/{APP}/{name}/whip")),
        }
    }

    fn stream(self, n: u32) -> String {
        format!("{}-{n}", self.name())
    }
}

/// A steady window.
struct Step {
    /// Cores of the server in use.
    cores: f64,
    resident_bytes: u64,
    report: Value,
}

/// What all windows need.
struct Bench<'a> {
    args: &'a BenchStreams,
    base: &'a str,
    audience: Rc<Audience>,
    streams: u32,
    joins: Joins,
}

async fn measure(args: &BenchStreams) -> anyhow::Result<Value> {
    let base = plain_http(&args.url)?;
    let material = Arc::new(Material::encode(Quality::SMALL)?);
    let audience = Audience::new(signal::client()?);
    let mut bench = Bench { args, base, audience, streams: 0, joins: Joins::new() };
    let mut before = bench.window("nothing").await?;
    let mut steps = vec![before.report.take()];
    let mut costs = serde_json::Map::new();
    let mut crews = Vec::new();
    for kind in [Kind::Rtmp, Kind::Whip] {
        let count = kind.count(args);
        if count == 0 {
            continue;
        }
        let doors = (0..count).map(|n| kind.door(args, base, n)).collect();
        crews.push(Crew::start(kind.name(), doors, material.clone(), &args.key).await?);
        bench.streams += count;
        let mut published = bench.window(&format!("{} published", kind.name())).await?;
        let whep = |n| format!("{base}/{APP}/{}/whep", kind.stream(n % count));
        bench.audience.join((0..count * args.viewers).map(whep), &mut bench.joins).await;
        let mut watched = bench.window(&format!("{} watched", kind.name())).await?;
        steps.extend([published.report.take(), watched.report.take()]);
        let cost = json!({ "published": cost(&before, &published, count), "watched": cost(&before, &watched, count) });
        costs.insert(kind.name().to_owned(), cost);
        before = watched;
    }
    let mut broken: Vec<String> = crews.iter().flat_map(Crew::broken).collect();
    let publishers_broken = broken.len();
    broken.sort_unstable();
    broken.dedup();
    bench.audience.is_over.set(true);
    sleep(GOODBYE).await;
    let joins = &bench.joins;
    Ok(json!({
        "bench": "streams", "viewers_per_stream": args.viewers, "seconds": args.seconds,
        "joined": joins.joined, "failed": joins.failed, "reasons": joins.reasons(), "post_to_keyframe_ms": joins.took.report(),
        "publishers_broken": publishers_broken, "publishers_words": broken,
        "per_stream": costs, "steps": steps,
        "cpus": cpus(), "load_average": load_average(),
    }))
}

/// What each of `count` streams added: CPU seconds in a minute of its life, and memory.
fn cost(before: &Step, after: &Step, count: u32) -> Value {
    let per_minute = (after.cores - before.cores) * 60.0 / f64::from(count);
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    json!({
        "cpu_seconds_per_minute": (per_minute * 1_000.0).round() / 1_000.0,
        "resident_bytes": grown / u64::from(count),
    })
}

impl Bench<'_> {
    async fn window(&self, name: &str) -> anyhow::Result<Step> {
        sleep(SETTLE).await;
        let pid = Some(self.args.pid);
        let length = Duration::from_secs(self.args.seconds);
        let client = &self.audience.client;
        let scraped = Scrape::fetch(client, self.base).await?;
        let (begun, own) = (server_usage(pid)?, process::usage(std::process::id()));
        let counts = self.audience.steady(length).await;
        let (ended, own_ended) = (server_usage(pid)?, process::usage(std::process::id()));
        let added = Scrape::fetch(client, self.base).await?.since(&scraped);
        let cores = |from: Option<process::Usage>, to: Option<process::Usage>| {
            from.zip(to).map_or(0.0, |(from, to)| {
                to.cpu.saturating_sub(from.cpu).as_secs_f64() / length.as_secs_f64()
            })
        };
        let used = cores(begun, ended);
        let resident_bytes = ended.map_or(0, |usage| usage.resident_bytes);
        let report = json!({
            "step": name, "streams": self.streams, "viewers": self.joins.joined,
            "server_cpu_percent": round(used * 100.0), "client_cpu_percent": round(cores(own, own_ended) * 100.0),
            "resident_bytes": resident_bytes,
            "viewers_got": self.delivered(&counts),
            "dwell_ms": dwell(&added),
            "drops": added.nonzero("unisono_webrtc_drops_total"),
        });
        Ok(Step { cores: used, resident_bytes, report })
    }

    fn delivered(&self, counts: &Counts) -> Value {
        if self.joins.joined == 0 {
            return Value::Null;
        }
        let frames_due = u64::from(self.joins.joined) * u64::from(FPS) * self.args.seconds;
        json!({
            "frames": counts.frames, "frames_due": frames_due,
            "packets": counts.packets, "lost": counts.lost, "loss_percent": counts.loss_percent(),
            "broken_off": counts.broken, "frame_latency_ms": counts.latency.report(),
        })
    }
}

/// Where the frames' time went, by the server's own word.
fn dwell(added: &Scrape) -> Value {
    let webrtc =
        |stage: &str| added.milliseconds("unisono_webrtc_dwell_seconds", &format!("stage=\"{stage}\""));
    json!({
        "rtmp_ingest": added.milliseconds("unisono_rtmp_dwell_seconds", ""),
        "whip_ingest": webrtc("ingest"), "wake": webrtc("wake"), "packetize": webrtc("packetize"), "send": webrtc("send"),
    })
}
