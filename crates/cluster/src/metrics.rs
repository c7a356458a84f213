//! Figures of the relay.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::{Arc, atomic::AtomicU64};

/// See the texts at [`Self::register`].
#[derive(Debug, Default)]
pub struct Metrics {
    pub(crate) edges: Gauge,
    pub(crate) subscriptions: Gauge,
    pub(crate) link_up: Gauge,
    pub(crate) links: Counter,
    pub(crate) pulls: Counter,
    pub(crate) pulling: Gauge,
    pub(crate) rooms_here: Gauge,
    pub(crate) rooms_there: Gauge,
    pub(crate) requests: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) rtt: Gauge<f64, AtomicU64>,
    missed: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    /// Enters them all.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        let m = &metrics;
        registry.register("unisono_relay_edges", "Nodes that pull from this one", m.edges.clone());
        registry.register("unisono_relay_subscriptions", "Streams that they pull", m.subscriptions.clone());
        registry.register(
            "unisono_relay_link_up",
            "1 while the link to the upstream is up",
            m.link_up.clone(),
        );
        registry.register(
            "unisono_relay_links",
            "Links to the upstream made since the start",
            m.links.clone(),
        );
        registry.register("unisono_relay_pulls", "Streams asked for at the upstream", m.pulls.clone());
        registry.register("unisono_relay_pulling", "Streams pulled from the upstream now", m.pulling.clone());
        let help = "Rooms of the upstream that are open here";
        registry.register("unisono_relay_rooms_mirrored", help, m.rooms_here.clone());
        let help = "Rooms of this node that are open at others, once for each";
        registry.register("unisono_relay_rooms_given", help, m.rooms_there.clone());
        let help = "Requests about rooms that the upstream was asked to answer";
        registry.register("unisono_relay_requests", help, m.requests.clone());
        let help = "Media payload from the upstream";
        registry.register("unisono_relay_received_bytes", help, m.bytes_in.clone());
        let help = "Media payload to other nodes";
        registry.register("unisono_relay_sent_bytes", help, m.bytes_out.clone());
        let help = "Round trip to the upstream";
        registry.register("unisono_relay_rtt_seconds", help, m.rtt.clone());
        let help = "Frames given up: late at the sender, lost or behind at the receiver";
        registry.register("unisono_relay_frames_missed", help, m.missed.clone());
        Arc::new(metrics)
    }

    pub(crate) fn missed(&self, why: &'static str, frames: u64) {
        if frames > 0 {
            self.missed.get_or_create(&[("reason", why)]).inc_by(frames);
        }
    }
}
