//! The command line.

use crate::{
    config::{Door, LogFormat, Overrides},
    demo::{CounterMode, Size},
};
use clap::{Args, Parser, Subcommand};
use std::{net::IpAddr, path::PathBuf};

/// Live video server: in by WHIP and RTMP, out by WebRTC and Low-Latency HLS, events on the same frame everywhere.
#[derive(Debug, Parser)]
#[command(name = "unisono", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(Options),
    /// Run the server with an endless test stream of its own at live/demo.
    Demo {
        #[command(flatten)]
        options: Options,
        /// Do not open the watch page in a browser.
        #[arg(long)]
        no_open: bool,
    },
    /// Make keys; only their hashes are stored.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Write the test picture as raw I420 frames to standard output, in real time, for ffmpeg's rawvideo input.
    Testsource(TestSource),
    /// Measure a running server.
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// What `serve` and `demo` take. Each flag stands over the environment, that over the file, that over defaults.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Options {
    /// Configuration file [default: unisono.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where keys and room logs are kept [default: ./unisono-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// HTTP: pages, API, WHIP, WHEP, HLS; address:port or off [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<Door>,
    /// RTMP ingest; address:port or off [default: 0.0.0.0:1935]
    #[arg(long, value_name = "ADDR")]
    rtmp: Option<Door>,
    /// WebRTC media over UDP; address:port or off [default: 0.0.0.0:8189]
    #[arg(long, value_name = "ADDR")]
    webrtc: Option<Door>,
    /// Addresses that WebRTC peers reach this server at [default: those of the interfaces]
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    advertise: Option<Vec<IpAddr>>,
    /// WebRTC worker threads [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// What to log, in the manner of RUST_LOG [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to log [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Options {
    /// Only where the configuration and the data are.
    pub(crate) fn of(config: Option<PathBuf>, data_dir: Option<PathBuf>) -> Self {
        Self { config, data_dir, ..Self::default() }
    }

    /// The flags that were given, in the shape of the configuration.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            data_dir: self.data_dir.clone(),
            http: self.http,
            rtmp: self.rtmp,
            webrtc: self.webrtc,
            advertise: self.advertise.clone(),
            workers: self.workers,
            log: self.log.clone(),
            log_format: self.log_format,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make another key and print it once.
    New {
        /// What the key is for.
        #[arg(value_enum, default_value_t)]
        role: KeyRole,
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where keys are kept
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

/// What a key allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeyRole {
    /// Publish streams.
    #[default]
    Publish,
    /// Use the API and read metrics from other hosts.
    Admin,
}

impl From<KeyRole> for unisono_auth::Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Publish => Self::Publish,
            KeyRole::Admin => Self::Admin,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TestSource {
    /// Raw I420 frames (the only form).
    #[arg(long)]
    raw: bool,
    /// What the burnt-in counter shows: the frame number, or Unix milliseconds (24 bits) at draw time.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) counter_mode: CounterMode,
    /// Width x height.
    #[arg(long, default_value = "640x360")]
    pub(crate) size: Size,
    /// Frames per second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub(crate) fps: u32,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) duration: Option<f64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Many real WHEP viewers of one stream: joins, latency, loss, and what they cost the server. One JSON line.
    Watch(BenchWatch),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchWatch {
    /// The stream, as its watch page: http://host:8080/live/x
    #[arg(long)]
    pub(crate) url: String,
    /// How many viewers.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) viewers: u32,
    /// Length of the steady window that is measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// Process id of the server, on this machine: adds its CPU time and memory.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Publish the stream too, by WHIP: 720p30 at 1.5 Mbit/s with the send time in each frame.
    #[arg(long, requires = "key")]
    pub(crate) publish: bool,
    /// Publish key.
    #[arg(long)]
    pub(crate) key: Option<String>,
}
