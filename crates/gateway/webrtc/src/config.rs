//! What the server decides for this gateway.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use unisono_net::{Exempt, Rate};

/// How the gateway listens and what it allows.
#[derive(Clone, Debug)]
pub struct Config {
    /// UDP address of all media; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Addresses for ICE candidates; empty = those of the interfaces (or of `bind`).
    pub advertise: Vec<IpAddr>,
    /// Worker threads; `None` = one per core that the cgroup's quota allows.
    pub workers: Option<usize>,
    /// Bounds.
    pub limits: Limits,
    /// Networks that the bounds per address do not apply to.
    pub exempt: Exempt,
}

impl Config {
    /// Everything by default on this address.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            advertise: Vec::new(),
            workers: None,
            limits: Limits::default(),
            exempt: Exempt::default(),
        }
    }

    /// `workers`, or as many as the process may use cores (the affinity mask and the cgroup quota both count).
    pub(crate) fn worker_count(&self) -> usize {
        let allowed = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.unwrap_or_else(allowed).clamp(1, WORKERS_MAX)
    }
}

/// More workers than this gain nothing on one port.
const WORKERS_MAX: usize = 64;

/// Bounds of the gateway, and what happens at them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// WHEP sessions; beyond it POST answers 503.
    pub viewers_max: usize,
    /// WHIP sessions; beyond it POST answers 503.
    pub publishers_max: usize,
    /// Sessions at once that were answered and whose peer has not sent a valid ICE check yet; beyond it POST answers 503.
    pub unconnected_max: usize,
    /// As many from one IPv4 address or IPv6 /64; beyond it POST answers 429.
    pub unconnected_per_address_max: usize,
    /// Datagrams from one IPv4 /24 or IPv6 /64 that no session knows the sender of, per worker; further ones are dropped unread.
    pub strangers: Rate,
    /// Bytes of an offer or a trickled fragment; beyond it 413.
    pub sdp_bytes_max: usize,
    /// How far a viewer may lie behind the newest frame before it skips to the newest group.
    pub viewer_lag_max: Duration,
    /// Streams whose AAC is turned into Opus at once; viewers of further ones get video only.
    pub transcoders_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            viewers_max: 10_000,
            publishers_max: 500,
            unconnected_max: 2_000,
            unconnected_per_address_max: 200,
            strangers: Rate { per_second: 2_000.0, burst: 4_000.0 },
            sdp_bytes_max: 64 << 10,
            viewer_lag_max: Duration::from_millis(500),
            transcoders_max: 64,
        }
    }
}
