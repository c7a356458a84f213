//! What the event gateway counts.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::Arc;
use unisono_timeline::Status;

/// Counters under `unisono_events_…`.
#[derive(Debug, Default)]
pub struct Metrics {
    posts: Family<PostLabels, Counter>,
    commands: Family<CommandLabels, Counter>,
    feeds: Family<FeedLabels, Gauge>,
    sent: Counter,
    bytes: Counter,
    drops: Family<DropLabels, Counter>,
}

/// How a POST ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PostLabels {
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    status: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabels {
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    reason: Dropped,
}

/// How a feed is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
}

/// Why a feed was ended, or what it lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Dropped {
    /// Events that the log did not keep long enough for a slow client.
    EventsLost,
    /// A client that took nothing for ten seconds.
    ClientStuck,
    /// A client that answered no ping.
    ClientSilent,
}

impl Metrics {
    /// Registers the counters and returns the handles.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("unisono_events");
        registry.register("posts", "Events posted, by HTTP status", metrics.posts.clone());
        registry.register("commands", "Commands on feeds, by answer", metrics.commands.clone());
        registry.register("feeds", "Open feeds", metrics.feeds.clone());
        registry.register("sent", "Events sent on feeds", metrics.sent.clone());
        registry.register("sent_bytes", "Bytes of events sent on feeds", metrics.bytes.clone());
        registry.register("drops", "Feeds ended and events lost, by reason", metrics.drops.clone());
        Arc::new(metrics)
    }

    pub(crate) fn post(&self, status: u16) {
        self.posts.get_or_create(&PostLabels { status }).inc();
    }

    /// A command was answered; `None`: by an error.
    pub(crate) fn commanded(&self, status: Option<Status>) {
        self.commands.get_or_create(&CommandLabels { status: status.map_or("error", Status::as_str) }).inc();
    }

    pub(crate) fn sent(&self, events: usize, bytes: usize) {
        self.sent.inc_by(events as u64);
        self.bytes.inc_by(bytes as u64);
    }

    pub(crate) fn dropped(&self, reason: Dropped, count: u64) {
        self.drops.get_or_create(&DropLabels { reason }).inc_by(count);
    }

    /// One feed more, until the guard is dropped.
    pub(crate) fn feed(&self, transport: Transport) -> OpenFeed {
        let gauge = self.feeds.get_or_create(&FeedLabels { transport }).clone();
        gauge.inc();
        OpenFeed(gauge)
    }
}

/// A feed that counts as open.
pub(crate) struct OpenFeed(Gauge);

impl Drop for OpenFeed {
    fn drop(&mut self) {
        self.0.dec();
    }
}
