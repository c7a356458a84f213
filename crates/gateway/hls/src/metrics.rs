//! Figures of the HLS exit.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::Arc;

type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// Seconds from a frame's arrival to the part that holds it being there: half a part on average, a part at most, and
/// what cutting it takes.
const LATENCY_BUCKETS: [f64; 12] = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0, 5.0];

/// See [`Metrics::register`].
#[derive(Debug)]
pub struct Metrics {
    pub(crate) packagers: Gauge,
    pub(crate) sessions: Gauge,
    pub(crate) waiters: Gauge,
    pub(crate) bytes: Counter,
    pub(crate) frame_latency: Histogram,
    requests: Labelled,
    drops: Labelled,
}

impl Metrics {
    /// Makes the figures and registers them as `unisono_hls_...`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self {
            packagers: Gauge::default(),
            sessions: Gauge::default(),
            waiters: Gauge::default(),
            bytes: Counter::default(),
            frame_latency: Histogram::new(LATENCY_BUCKETS),
            requests: Labelled::default(),
            drops: Labelled::default(),
        };
        let hls = registry.sub_registry_with_prefix("unisono_hls");
        hls.register("packagers", "Streams packaged now", metrics.packagers.clone());
        hls.register("sessions", "Players, by their requests of the last 10 s", metrics.sessions.clone());
        hls.register("waiters", "Requests held now", metrics.waiters.clone());
        hls.register("bytes", "Body bytes of playlists and files before compression", metrics.bytes.clone());
        hls.register(
            "frame_latency_seconds",
            "Frame arrival to its part being there",
            metrics.frame_latency.clone(),
        );
        hls.register("requests", "Requests by what they asked for", metrics.requests.clone());
        hls.register("drops", "Frames passed over and requests refused, by reason", metrics.drops.clone());
        Arc::new(metrics)
    }

    pub(crate) fn request(&self, what: &'static str) {
        self.requests.get_or_create(&[("what", what)]).inc();
    }

    pub(crate) fn dropped(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.drops.get_or_create(&[("reason", reason)]).inc_by(count);
        }
    }

    /// Packagers running, requests held: zero when nobody watches.
    pub fn live_objects(&self) -> [i64; 2] {
        [self.packagers.get(), self.waiters.get()]
    }
}
