//! Bounds of the HLS exit.

use std::time::Duration;
use unisono_proto_hls::Limits;

/// See the fields.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// A packager without a request for this long stops.
    pub idle_after: Duration,
    /// How long the first request for a stream waits for something to play; then 503 with Retry-After.
    pub start_within: Duration,
    /// Streams packaged at once. Beyond it: 503 in words.
    pub packagers_max: usize,
    /// Requests held at once, over all streams. Beyond it: 503 in words.
    pub waiters_max: usize,
    /// Memory of each packager.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(30),
            start_within: Duration::from_secs(12),
            packagers_max: 256,
            waiters_max: 20_000,
            limits: Limits::default(),
        }
    }
}
