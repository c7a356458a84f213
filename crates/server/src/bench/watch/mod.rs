//! `unisono bench watch`: what one stream's viewers get, and what they cost the server.
//!
//! Latency is counted from writing a frame into the publisher's session to the last packet of it at the viewer, by one
//! clock. The run: the publisher, the viewers, a steady window, further joins at once if asked for, goodbye, and a bare sender to as many
//! sockets if asked for.

mod args;
mod crowd;
mod joins;
mod report;

pub(crate) use args::WatchArgs;

use super::{
    audience::{self, Audience},
    baseline::{self, Means},
    cpus,
    crew::{Crew, Door},
    limits, load_average,
    material::{Material, Quality},
    plain_http,
    scrape::Scrape,
    server_usage, signal,
    swarm::{Counts, Group, ORIGINS_SETTLE, Origins, Setup, Shape, Swarm},
};
use crate::process::{self, Usage};
use anyhow::{Context, ensure};
use crowd::{Behaviour, Crowd};
use joins::Joins;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::{
    iter::repeat_n,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{task::LocalSet, time::sleep};

/// Quiet time between the last join and the steady window.
const SETTLE: Duration = Duration::from_secs(2);
/// How long viewers may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// After that the server has noticed who left without a word (RFC 7675), with room to spare.
const NOTICED: Duration = Duration::from_secs(60);
/// How long each bare sender sends, at most.
const BASELINE: Duration = Duration::from_secs(8);
/// Requests that are under way at once, at most, as descriptors.
const JOINING_MAX: u64 = 4_096;

/// Runs the measurement and prints its report as one line of JSON.
pub(crate) fn watch(args: &WatchArgs) -> anyhow::Result<()> {
    let (_, counted) = args.shares();
    let at_once = u64::from(args.joins_at_once.unwrap_or(0));
    let viewers = u64::from(args.viewers) + at_once;
    limits::make_room(viewers, u64::from(counted).max(at_once).min(JOINING_MAX))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", LocalSet::new().block_on(&runtime, Box::pin(measure(args)))?);
    Ok(())
}

/// What a run consists of.
struct Run<'a> {
    args: &'a WatchArgs,
    /// `http://host:port`.
    base: String,
    client: Client,
    swarm: Rc<Swarm>,
    audience: Rc<Audience>,
}

/// One look at the server and at ourselves.
struct Look {
    server: Option<Usage>,
    own: Option<Usage>,
    metrics: Option<Scrape>,
    overflows: Option<u64>,
}

/// A window with the looks at its ends.
struct Window {
    before: Look,
    after: Look,
    counted: Counts,
    full: audience::Counts,
    /// Resident bytes of the server after a fifth.
    resident_early: Option<u64>,
}

async fn measure(args: &WatchArgs) -> anyhow::Result<Value> {
    let stream = plain_http(&args.url)?;
    let base = Url::parse(stream).context("--url")?.origin().ascii_serialization();
    let _publisher = match &args.key {
        Some(key) if args.publish => {
            let material =
                Arc::new(Material::encode(Quality::LARGE.with_keyframe_every(args.keyframe_every))?);
            let at = args.publish_to.as_deref().map_or(Ok(stream), plain_http)?;
            Some(Crew::start("publisher", vec![Door::Whip(format!("{at}/whip"))], material, key).await?)
        }
        _ => None,
    };
    let (full, counted) = args.shares();
    // Only a full viewer sees our publisher's times; without one, or without our publisher, the server's T has to do.
    let origins = (args.publish && full > 0).then(Arc::<Origins>::default);
    let setup = Setup {
        threads: args.threads(),
        gro: args.gro,
        loss: args.loss,
        seed: args.seed,
        origins: origins.clone(),
    };
    let client = signal::client()?;
    let swarm = Rc::new(Swarm::start(setup)?);
    let audience = Audience::telling(client.clone(), origins.clone());
    let run = Run { args, base, client, swarm, audience };

    let at_rest = run.look().await?;
    let mut full_joins = audience::Joins::new();
    let endpoint = format!("{stream}/whep");
    run.audience.join(repeat_n(endpoint.clone(), full as usize), &mut full_joins).await;
    let mut crowd = Crowd::new(run.swarm.clone(), run.client.clone(), endpoint);
    crowd.gather(counted, args.step(), Group::Playing, &Behaviour::of(args)).await;
    let mut joins = crowd.take_joins();
    joins.add_full(full_joins.joined.into(), full_joins.failed.into(), full_joins.reasons());
    ensure!(joins.joined > 0, "nobody joined: {}", joins.report()["reasons"]);
    sleep(SETTLE).await;

    let (window, shape) = run.steady().await?;
    let churned = args.churn.is_some().then(|| (crowd.take_joins(), crowd.left()));
    let at_once = match args.joins_at_once {
        Some(count) => Some(run.join_at_once(&mut crowd, count, &window).await?),
        None => None,
    };
    crowd.disperse(GOODBYE).await;
    run.audience.is_over.set(true);
    sleep(SETTLE).await;
    let sessions_left = if churned.is_some() { run.sessions_left().await } else { None };
    let bare = if args.baseline { Some(run.baseline(&shape, &joins).await?) } else { None };
    let mut report = report::report(args, &joins, &full_joins, &at_rest, &window);
    report["latency_from"] =
        json!(if origins.is_some() { "the publisher's write" } else { "the server's T" });
    report["churn"] = json!(churned.map(|(joins, left)| report::churn(&joins, left, sessions_left)));
    report["joins_at_once"] = json!(at_once);
    report["baseline"] = json!(bare.map(|(report_of, costs)| report::with_ratios(report_of, costs, &report)));
    report["cpus"] = json!(cpus());
    report["load_average"] = json!(load_average());
    Ok(report)
}

impl Run<'_> {
    async fn look(&self) -> anyhow::Result<Look> {
        Ok(Look {
            // A server that shows its metrics to its operator only is measured without them.
            metrics: Scrape::fetch(&self.client, &self.base).await.ok(),
            server: server_usage(self.args.pid)?,
            own: process::usage(std::process::id()),
            overflows: process::udp_overflows(),
        })
    }

    /// The steady window, and the packets of one viewer in it.
    async fn steady(&self) -> anyhow::Result<(Window, Shape)> {
        let length = Duration::from_secs(self.args.seconds);
        let before = self.look().await?;
        self.swarm.begin();
        let early = async {
            sleep(length / 5).await;
            let early = server_usage(self.args.pid);
            sleep(length * 4 / 5).await;
            early
        };
        let (full, early) = tokio::join!(self.audience.steady(length), early);
        self.swarm.pause();
        let after = self.look().await?;
        sleep(ORIGINS_SETTLE).await;
        let ([counted, _], shape) = self.swarm.collect().await?;
        let resident_early = early?.map(|usage| usage.resident_bytes);
        Ok((Window { before, after, counted, full, resident_early }, shape))
    }

    /// `count` joins in one moment, or as spread as asked for: how long they took, and the frame latency of those who were there before, beside the steady one.
    async fn join_at_once(&self, crowd: &mut Crowd, count: u32, steady: &Window) -> anyhow::Result<Value> {
        self.swarm.begin();
        let step = Duration::from_secs_f64(self.args.joins_within) / count;
        crowd.gather(count, step, Group::Joining, &Behaviour::Stays).await;
        sleep(Duration::from_secs(1)).await;
        self.swarm.pause();
        sleep(ORIGINS_SETTLE).await;
        let ([playing, _], _) = self.swarm.collect().await?;
        let joins: Joins = crowd.take_joins();
        Ok(report::at_once(self.args, &joins, &playing, &steady.counted))
    }

    /// Viewers that the server still holds once it must have noticed all departures.
    async fn sessions_left(&self) -> Option<f64> {
        let mut left = None;
        for _ in 0..NOTICED.as_secs() {
            let metrics = Scrape::fetch(&self.client, &self.base).await.ok()?;
            left = metrics.value("unisono_webrtc_sessions{direction=\"outbound\"}");
            if left == Some(0.0) {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        left
    }

    /// The same packets without a server; costs in CPU seconds per gigabit by trains and by `sendto`.
    async fn baseline(&self, shape: &Shape, joins: &Joins) -> anyhow::Result<(Value, [Option<f64>; 2])> {
        ensure!(
            !shape.bursts.is_empty(),
            "no counted viewer, so no packets for the bare sender: lower --full"
        );
        let to = (joins.joined as usize, address_of(&self.base)?);
        let length = BASELINE.min(Duration::from_secs(self.args.seconds));
        let (trains, by_trains) = baseline::measure(&self.swarm, shape, to, length, Means::Trains).await?;
        let (single, by_single) = baseline::measure(&self.swarm, shape, to, length, Means::SendTo).await?;
        let receivers = to.0;
        Ok((json!({ "receivers": receivers, "gso": by_trains, "sendto": by_single }), [trains, single]))
    }
}

/// Where the bare sender's sockets are: the loopback address of the server's family.
fn address_of(base: &str) -> anyhow::Result<IpAddr> {
    let url = Url::parse(base)?;
    let host = url.host_str().context("--url has no host")?.trim_matches(['[', ']']);
    let address = (host, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
    let is_v6 = address.is_some_and(|address| address.is_ipv6());
    Ok(if is_v6 { [0, 0, 0, 0, 0, 0, 0, 1u16].into() } else { Ipv4Addr::LOCALHOST.into() })
}
