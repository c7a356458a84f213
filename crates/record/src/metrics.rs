//! Figures of recording.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::Arc;

type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// See [`Metrics::register`].
#[derive(Debug, Default)]
pub struct Metrics {
    pub(crate) running: Gauge,
    pub(crate) segments: Counter,
    pub(crate) bytes: Counter,
    pub(crate) queue_bytes: Gauge,
    pub(crate) lag_micros: Gauge,
    pub(crate) lost: Labelled,
    pub(crate) failures: Counter,
    pub(crate) kept_bytes: Gauge,
    pub(crate) kept: Gauge,
    pub(crate) removed: Labelled,
}

impl Metrics {
    /// Makes the figures and registers them as `unisono_recording_...`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        let all = registry.sub_registry_with_prefix("unisono_recording");
        all.register("running", "Streams recorded now", metrics.running.clone());
        all.register("segments", "Segments kept", metrics.segments.clone());
        all.register("bytes", "Bytes of them", metrics.bytes.clone());
        all.register("queue_bytes", "Bytes of segments that wait to be written", metrics.queue_bytes.clone());
        let help = "Media time between the newest segment and the one just written, of the recording that wrote last";
        all.register("lag_micros", help, metrics.lag_micros.clone());
        all.register("lost", "Segments that could not be kept, by reason", metrics.lost.clone());
        all.register(
            "failures",
            "Attempts to write that failed; each is tried again",
            metrics.failures.clone(),
        );
        all.register("kept", "Recordings there are", metrics.kept.clone());
        all.register("kept_bytes", "Bytes of all recordings there are", metrics.kept_bytes.clone());
        all.register("removed", "Recordings taken away, by reason", metrics.removed.clone());
        Arc::new(metrics)
    }

    pub(crate) fn lost(&self, reason: &'static str) {
        self.lost.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn removed(&self, reason: &'static str) {
        self.removed.get_or_create(&[("reason", reason)]).inc();
    }
}
