//! Figures of deliveries and of the viewers' gate.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::Arc;

/// What became of something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Metrics {
    deliveries: Family<Outcome, Counter>,
    verdicts: Family<Outcome, Counter>,
    messages: Family<Outcome, Counter>,
    pub(crate) waiting: Gauge,
}

impl Metrics {
    /// `unisono_webhook_*`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("unisono_webhook");
        registry.register("deliveries", "Attempts and losses, by outcome", metrics.deliveries.clone());
        registry.register("verdicts", "Viewers decided about, by outcome", metrics.verdicts.clone());
        registry.register("messages", "Messages of rooms judged, by outcome", metrics.messages.clone());
        registry.register("waiting", "Messages not taken yet", metrics.waiting.clone());
        Arc::new(metrics)
    }

    pub(crate) fn delivery(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn verdict(&self, outcome: &'static str) {
        self.verdicts.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn message(&self, outcome: &'static str) {
        self.messages.get_or_create(&Outcome { outcome }).inc();
    }
}
