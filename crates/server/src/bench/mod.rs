//! `unisono bench`: what a running server gives its viewers, and what they and its publishers cost it.
//!
//! Publishers and viewers are real clients: WHIP and WHEP with ICE, DTLS, SRTP and RTCP, RTMP with H.264 and AAC. All
//! viewers live on one thread, the publishers of a kind on another one, so that many cost little on the same machine. Where
//! thousands are needed, most read the clear headers only ([`swarm`]).

mod audience;
mod baseline;
mod capture;
mod crew;
mod frames;
mod histogram;
mod limits;
mod material;
mod peer;
mod rooms;
mod rtmp;
mod scrape;
mod signal;
mod stamp;
mod streams;
mod swarm;
mod viewer;
mod watch;
mod whip;

pub(crate) use rooms::rooms;
pub(crate) use streams::streams;
pub(crate) use watch::{WatchArgs, watch};

use crate::process::{self, Usage};
use anyhow::{Context, bail};

/// CPU time and memory of the server, where its process is known.
fn server_usage(pid: Option<u32>) -> anyhow::Result<Option<Usage>> {
    pid.map(|pid| process::usage(pid).with_context(|| format!("there is no process {pid} on this machine")))
        .transpose()
}

/// `url` without a slash at its end.
fn plain_http(url: &str) -> anyhow::Result<&str> {
    let url = url.trim_end_matches('/');
    if !url.starts_with("http://") {
        bail!("{url}: the bench speaks plain http:// only");
    }
    Ok(url)
}

/// One-minute load average of the machine: a figure from a busy one says little.
fn load_average() -> Option<String> {
    std::fs::read_to_string("/proc/loadavg").ok().and_then(|l| l.split(' ').next().map(str::to_owned))
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}
