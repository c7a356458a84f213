//! A room's flood beside video: the frame latency of WHEP viewers without it and with it.

use super::{Bench, crowd::Crowd, fan_out::Sender};
use crate::bench::{
    audience::{Audience, Joins},
    crew::{Crew, Door},
    material::{Material, Quality},
    signal,
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{iter::repeat_n, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Viewers of the stream that the room belongs to.
const VIEWERS: usize = 20;
const EVENTS: u32 = 10;
/// The crowd of the room meanwhile, at most.
const READERS_MAX: u32 = 2_000;
const SETTLE: Duration = Duration::from_secs(3);

/// `frame_latency_ms` before, during and after the flood. Events go to the viewers' data channels too.
pub(super) async fn whep(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let key = bench.args.publish_key.as_deref().context("--publish-key is needed for this figure")?;
    let stream = format!("{}/bench/beside", bench.base);
    let material = Arc::new(Material::encode(Quality::SMALL)?);
    let _crew = Crew::start("publisher", vec![Door::Whip(format!("{stream}/whip"))], material, key).await?;
    let audience = Audience::new(signal::client()?);
    let mut joins = Joins::new();
    audience.join(repeat_n(format!("{stream}/whep"), VIEWERS), &mut joins).await;
    sleep(SETTLE).await;
    let quiet = audience.steady(bench.length()).await;

    let crowd = Crowd::gather(bench, "beside", bench.args.readers.min(READERS_MAX)).await?;
    let sender = Sender::start(bench, "beside", EVENTS).await?;
    sleep(SETTLE).await;
    crowd.begin();
    let flooded = audience.steady(bench.length()).await;
    let counts = crowd.end();
    drop(sender);
    audience.is_over.set(true);
    Ok(json!({
        "name": "video beside a room's flood", "viewers": joins.joined, "failed": joins.failed, "reasons": joins.reasons(),
        "readers": crowd.len(), "events_per_second": EVENTS,
        "frame_latency_ms": { "quiet": quiet.latency.report(), "flooded": flooded.latency.report() },
        "frames": { "quiet": quiet.frames, "flooded": flooded.frames }, "lost": { "quiet": quiet.lost, "flooded": flooded.lost },
        "delivery_ms": counts.latency.report(), "broken_off": crowd.lost(),
    }))
}
