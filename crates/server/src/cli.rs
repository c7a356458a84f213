//! The command line.

use crate::{
    admin::LIFETIME_MAX_S,
    advertise::Address,
    bench::WatchArgs,
    config::{Door, LogFormat, Overrides, View},
    demo::{CounterMode, Size},
    verify::VerifyArgs,
};
use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use unisono_auth::{Action, Pattern};
use unisono_base::Quota;

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
    #[command(args_conflicts_with_subcommands = true)]
    Demo {
        #[command(subcommand)]
        command: Option<DemoCommand>,
        #[command(flatten)]
        options: Options,
        /// Do not open the watch page in a browser.
        #[arg(long)]
        no_open: bool,
    },
    /// Say whether the server would start here and be reached, and what to fix.
    Check(Options),
    /// Ask the server of this configuration, on this machine, whether it is ready.
    Health(Options),
    /// Send the viewers of the server of this configuration, on this machine, to other nodes, and wait until they are gone.
    Drain {
        #[command(flatten)]
        args: DrainArgs,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Print the configuration: its schema, the default file, what is in force here.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make, list and revoke keys; only their hashes are stored.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make and take back tokens: who may watch or publish what, until when.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Prove an exported log of a room, offline: its chain, signatures and every result.
    Verify(VerifyArgs),
    /// Write the test picture as raw I420 frames to standard output, in real time, for ffmpeg's rawvideo input.
    Testsource(TestSource),
    /// Measure a running server.
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// One auction in four panes, WebRTC to LL-HLS, with two hundred bidders, a server that is killed, and the proof.
    Auction(AuctionDemo),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AuctionDemo {
    /// The page; its server takes free ports at the same address. Whoever reaches it may kill that server.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Lots to sell, one after the other; a button sells more.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Bidders.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) bots: u32,
    /// Another seed makes other characters.
    #[arg(long, default_value_t = 4)]
    pub(crate) seed: u64,
    /// Where the server keeps its log; must be new [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Do not open the page in a browser.
    #[arg(long)]
    pub(crate) no_open: bool,
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
    /// The same over TLS; address:port or off [default: off]
    #[arg(long, value_name = "ADDR")]
    https: Option<Door>,
    /// Everything on one TCP port, for strict networks: HTTPS and WebRTC media; address:port, usually 0.0.0.0:443, or off
    /// [default: off]
    #[arg(long, value_name = "ADDR")]
    one_port: Option<Door>,
    /// PEM certificate chain for --https, --one-port and --rtmps [default: one of the node's own]
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// PEM key of --certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
    /// RTMP ingest; address:port or off [default: 0.0.0.0:1935]
    #[arg(long, value_name = "ADDR")]
    rtmp: Option<Door>,
    /// RTMP ingest over TLS; address:port, usually 0.0.0.0:1936, or off [default: off]
    #[arg(long, value_name = "ADDR")]
    rtmps: Option<Door>,
    /// WebRTC media over UDP and TCP; address:port or off [default: 0.0.0.0:8189]
    #[arg(long, value_name = "ADDR")]
    webrtc: Option<Door>,
    /// UDP port at which edges ask for this node's streams; address:port, usually 0.0.0.0:8190, or off [default: off]
    #[arg(long, value_name = "ADDR")]
    relay: Option<Door>,
    /// The node that has what is not published here: relay://host:port [default: none]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Addresses that WebRTC peers reach this server at: IPs or host names, with a port where NAT changes it
    /// [default: those of the interfaces]
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    advertise: Option<Vec<Address>>,
    /// WebRTC worker threads [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Who may watch: open, or token (`unisono token new` makes one) [default: open]
    #[arg(long, value_name = "WHO")]
    view: Option<View>,
    /// What to log, in the manner of RUST_LOG [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to log [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Set for `demo`, whose data directory is its own.
    #[arg(skip)]
    pub(crate) is_demo: bool,
}

impl Options {
    /// The flags that were given, in the shape of the configuration.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            data_dir: self.data_dir.clone(),
            http: self.http,
            https: self.https,
            certificate: self.certificate.clone(),
            certificate_key: self.certificate_key.clone(),
            one_port: self.one_port,
            rtmp: self.rtmp,
            rtmps: self.rtmps,
            webrtc: self.webrtc,
            relay: self.relay,
            upstream: self.upstream.clone(),
            advertise: self.advertise.clone(),
            workers: self.workers,
            view: self.view,
            log: self.log.clone(),
            log_format: self.log_format,
        }
    }
}

/// How viewers are sent away.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DrainArgs {
    /// Seconds over which they move.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub(crate) within: u32,
    /// Take it back: new viewers are welcome again.
    #[arg(long)]
    pub(crate) cancel: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// JSON schema of unisono.toml, for editors.
    Schema,
    /// A unisono.toml with every key, its default and what it means.
    Default,
    /// What file, environment and flags come to here; secrets are left out.
    Show(Box<Options>),
}

/// What a key may use at once.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Limits {
    /// Streams it publishes at once.
    #[arg(long, value_name = "N")]
    max_streams: Option<u32>,
    /// Kilobits of media per second of each of its streams.
    #[arg(long, value_name = "KBIT/S")]
    max_bitrate: Option<u32>,
    /// Viewers of all its streams together.
    #[arg(long, value_name = "N")]
    max_viewers: Option<u32>,
}

impl From<Limits> for Quota {
    fn from(limits: Limits) -> Self {
        Self {
            streams_max: limits.max_streams,
            bitrate_max_kbps: limits.max_bitrate,
            viewers_max: limits.max_viewers,
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
        #[command(flatten)]
        limits: Limits,
        #[command(flatten)]
        place: Place,
    },
    /// Set what a key may use at once; what is not given is not limited.
    Limit {
        /// The eight hex digits behind pk_ or ak_.
        id: String,
        #[command(flatten)]
        limits: Limits,
        #[command(flatten)]
        place: Place,
    },
    /// List keys: id, role, name, limits.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Take a key away; a running server ends what it let in within seconds.
    Revoke {
        /// The eight hex digits behind pk_ or ak_.
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the node's keys are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Place {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where keys are kept
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    /// As the options of a server that has its keys there.
    pub(crate) fn options(self) -> Options {
        Options { config: self.config, data_dir: self.data_dir, ..Options::default() }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Sign a token with the node's own secret and print it.
    New {
        #[command(flatten)]
        token: NewToken,
        #[command(flatten)]
        place: Place,
    },
    /// Take a token back, also one that somebody else signed; a running server ends what it let in within seconds.
    Revoke {
        /// The whole token, or its id (`jti`).
        token: String,
        #[command(flatten)]
        place: Place,
    },
}

/// What a token shall say.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewToken {
    /// Streams: app/name, live/* or live/alice-*; may be given several times.
    #[arg(long, value_name = "PATTERN", required = true)]
    pub(crate) stream: Vec<Pattern>,
    /// Actions: view, publish, send, host, moderate, bid, admin.
    #[arg(long, value_name = "ACTION", value_delimiter = ',', default_value = "view", value_parser = action)]
    pub(crate) allow: Vec<Action>,
    /// How long it holds: 30s, 10m, 2h, 7d.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    pub(crate) lifetime: Duration,
    /// Whom it is about; events and logs name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// How often it lets somebody in [default: without limit]
    #[arg(long, value_name = "N")]
    pub(crate) uses: Option<u32>,
    /// How many may be in by it at once [default: without limit]
    #[arg(long, value_name = "N")]
    pub(crate) sessions: Option<u32>,
}

fn action(text: &str) -> Result<Action, String> {
    use Action::{Admin, Bid, Host, Moderate, Publish, Send, View};
    let all = [View, Publish, Send, Host, Moderate, Bid, Admin];
    all.into_iter()
        .find(|action| action.as_str() == text)
        .ok_or_else(|| format!("an action is one of {}", all.map(Action::as_str).join(", ")))
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let words = || format!("{text:?} is not a time such as 30s, 10m, 2h or 7d, at most 366d");
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(words)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(words()),
    };
    let count: u64 = digits.parse().map_err(|_| words())?;
    let lifetime = Duration::from_secs(count.checked_mul(seconds).ok_or_else(words)?);
    if lifetime.is_zero() || lifetime.as_secs() > LIFETIME_MAX_S { Err(words()) } else { Ok(lifetime) }
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
    Watch(WatchArgs),
    /// Many streams with a few viewers each, by RTMP and WHIP: CPU and memory per stream, loss, dwell times. One JSON line.
    Streams(BenchStreams),
    /// Rooms: durable acknowledgements, fan-out to many readers, memory, video beside it. One JSON line per figure.
    Rooms(BenchRooms),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchRooms {
    /// The server: http://host:8080; on this machine, or with --key
    #[arg(long)]
    pub(crate) url: String,
    /// Which figures.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "ack,rate,fan-out,deliveries,idle,beside"
    )]
    pub(crate) figure: Vec<RoomsFigure>,
    /// Admin key, or a token that may host.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Publish key, for the figure `beside`.
    #[arg(long)]
    pub(crate) publish_key: Option<String>,
    /// Process id of the server, on this machine: adds its CPU time and memory.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Readers of a room; each takes a file descriptor here and there.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) readers: u32,
    /// Length of each steady window.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
}

/// A figure of `bench rooms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RoomsFigure {
    /// From a command to its durable acknowledgement.
    Ack,
    /// Commands a second through one room.
    Rate,
    /// Ten events a second to all readers.
    FanOut,
    /// As many deliveries as batching allows.
    Deliveries,
    /// Memory of a reader while nothing happens.
    Idle,
    /// Frame latency of WHEP viewers beside it.
    Beside,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchStreams {
    /// The server: http://host:8080
    #[arg(long)]
    pub(crate) url: String,
    /// Its RTMP port: host:1935
    #[arg(long)]
    pub(crate) rtmp: String,
    /// Publish key.
    #[arg(long)]
    pub(crate) key: String,
    /// Process id of the server, on this machine.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Publishers by RTMP: 480x270, 30 fps, 500 kbit/s H.264 and AAC, which viewers hear as Opus.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub(crate) rtmp_streams: u32,
    /// Publishers by WHIP: the same picture, with Opus.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub(crate) whip_streams: u32,
    /// WHEP viewers of each stream.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) viewers: u32,
    /// Length of each of the five steady windows.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
}
