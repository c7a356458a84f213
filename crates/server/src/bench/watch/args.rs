//! What `unisono bench watch` is told.

use crate::bench::swarm::Gro;
use clap::Args;
use std::{ops::RangeInclusive, str::FromStr, time::Duration};

/// Options of `unisono bench watch`.
#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    /// The stream, as its watch page: http://host:8080/live/x
    #[arg(long)]
    pub(crate) url: String,
    /// How many viewers; each takes a file descriptor.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) viewers: u32,
    /// So many of them decrypt everything; the others read clear headers.
    #[arg(long, default_value_t = 2)]
    pub(crate) full: u32,
    /// Joins per second.
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub(crate) ramp: f64,
    /// All viewers join at once instead.
    #[arg(long)]
    pub(crate) burst: bool,
    /// After the steady window so many more join at once: how long they take, and what it does to those who play.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) joins_at_once: Option<u32>,
    /// Those joins are spread over so many seconds instead.
    #[arg(long, default_value_t = 0.0, requires = "joins_at_once", value_parser = seconds)]
    pub(crate) joins_within: f64,
    /// Each viewer stays so long and is replaced by another: 5..30s
    #[arg(long)]
    pub(crate) churn: Option<Stay>,
    /// With --churn, this share leaves without a word, as a closed lid does.
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    pub(crate) vanish: f64,
    /// Drop this share of what arrives at each viewer, on purpose: 0.01
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub(crate) loss: f64,
    /// Of the loss and the churn: the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Whether the kernel gathers packets for the viewers' sockets.
    #[arg(long, value_enum, default_value_t = Gro::Off)]
    pub(crate) gro: Gro,
    /// Threads for the viewers' sockets; with 0 half of the machine's.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// Afterwards send the same packets to as many sockets, by bare GSO trains and by bare sendto: what the server's cost is to be
    /// compared with.
    #[arg(long)]
    pub(crate) baseline: bool,
    /// Length of the steady window that is measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=7_200))]
    pub(crate) seconds: u64,
    /// Process id of the server, on this machine: adds its CPU time and memory.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Publish the stream too, by WHIP: 720p30 at 1.5 Mbit/s with the send time in each frame.
    #[arg(long, requires = "key")]
    pub(crate) publish: bool,
    /// Publish there instead, the stream's URL at another node that the server has its streams from.
    #[arg(long, requires = "publish")]
    pub(crate) publish_to: Option<String>,
    /// Seconds from one keyframe of what is published to the next, where nobody asks for one. Encoders for live streams send one
    /// every 2 s, browsers none at all.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) keyframe_every: u32,
    /// Publish key.
    #[arg(long)]
    pub(crate) key: Option<String>,
}

impl WatchArgs {
    /// Full viewers, and counted ones.
    pub(super) fn shares(&self) -> (u32, u32) {
        let full = self.full.min(self.viewers);
        (full, self.viewers - full)
    }

    /// Between two joins.
    pub(super) fn step(&self) -> Duration {
        if self.burst { Duration::ZERO } else { Duration::from_secs_f64(1.0 / self.ramp) }
    }

    pub(super) fn threads(&self) -> usize {
        if self.threads > 0 { self.threads } else { crate::bench::cpus().div_ceil(2).max(1) }
    }
}

/// How long a viewer stays, in seconds: `5..30s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stay(pub(crate) RangeInclusive<u64>);

impl FromStr for Stay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = |text: &str| text.trim().trim_end_matches('s').parse::<u64>().ok();
        let (from, to) = text.split_once("..").ok_or("expected a range of seconds such as 5..30s")?;
        match (seconds(from), seconds(to.trim_start_matches('='))) {
            (Some(from), Some(to)) if from <= to && to > 0 => Ok(Self(from..=to)),
            _ => Err(format!("{text} is no range of seconds such as 5..30s")),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("expected a share from 0 to 1".to_owned()) }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (0.0..=60.0).contains(&seconds) { Ok(seconds) } else { Err("expected 0 to 60 seconds".to_owned()) }
}

fn positive(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (0.1..=10_000.0).contains(&rate) { Ok(rate) } else { Err("expected 0.1 to 10000".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_is_a_range_of_seconds() {
        assert_eq!("5..30s".parse(), Ok(Stay(5..=30)));
        assert_eq!("5s..=30s".parse(), Ok(Stay(5..=30)));
        for wrong in ["30", "30..5", "a..b", "0..0"] {
            assert!(wrong.parse::<Stay>().is_err(), "{wrong}");
        }
        assert!(share("1.5").is_err() && share("0.01") == Ok(0.01));
        assert!(seconds("-1").is_err() && seconds("NaN").is_err() && seconds("1") == Ok(1.0));
        assert!(positive("0").is_err() && positive("300") == Ok(300.0));
    }
}
