//! Figures of the RTMP door. Handles are kept, so that counting a frame takes no lock.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::Arc;

type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// Reading a tag into the ring takes tens of microseconds.
const DWELL_BUCKETS: [f64; 10] = [0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.5];

/// See [`Metrics::register`].
#[derive(Debug)]
pub struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) publishers: Gauge,
    pub(crate) received_bytes: Counter,
    pub(crate) video_frames: Counter,
    pub(crate) audio_frames: Counter,
    /// Seconds from a message being whole to its frame being in the ring.
    pub(crate) dwell: Histogram,
    refusals: Labelled,
    drops: Labelled,
    ends: Labelled,
}

impl Metrics {
    /// Makes the figures and registers them as `unisono_rtmp_...`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::new();
        let rtmp = registry.sub_registry_with_prefix("unisono_rtmp");
        rtmp.register("connections", "Open TCP connections", metrics.connections.clone());
        rtmp.register("publishers", "Connections that publish now", metrics.publishers.clone());
        rtmp.register("received_bytes", "Bytes read from publishers", metrics.received_bytes.clone());
        rtmp.register("video_frames", "Video frames taken in", metrics.video_frames.clone());
        rtmp.register("audio_frames", "Audio frames taken in", metrics.audio_frames.clone());
        rtmp.register("dwell_seconds", "Message whole to frame in the ring", metrics.dwell.clone());
        rtmp.register("refusals", "Publishers sent away, by reason", metrics.refusals.clone());
        rtmp.register("drops", "Frames not taken in, by reason", metrics.drops.clone());
        rtmp.register("ends", "Connections ended, by reason", metrics.ends.clone());
        Arc::new(metrics)
    }

    fn new() -> Self {
        Self {
            connections: Gauge::default(),
            publishers: Gauge::default(),
            received_bytes: Counter::default(),
            video_frames: Counter::default(),
            audio_frames: Counter::default(),
            dwell: Histogram::new(DWELL_BUCKETS),
            refusals: Labelled::default(),
            drops: Labelled::default(),
            ends: Labelled::default(),
        }
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn dropped(&self, reason: &'static str) {
        self.drops.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn ended(&self, reason: &'static str) {
        self.ends.get_or_create(&[("reason", reason)]).inc();
    }
}

/// One more on a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
