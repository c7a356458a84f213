//! What `/metrics` says about WebRTC. Handles are kept; nothing on a packet's path looks a label up.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::Arc;

/// Which way media goes, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label values as they are printed")]
pub(crate) enum Direction {
    /// WHIP.
    inbound,
    /// WHEP.
    outbound,
}

/// Why something was not sent or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label values as they are printed")]
pub(crate) enum Reason {
    /// A viewer was over its latency budget or slower than the ring: frames skipped.
    viewer_too_slow,
    /// A viewer's path did not take the stream: pictures left out up to a keyframe.
    path_overloaded,
    /// The current group outgrew the ring: frames skipped.
    group_too_big,
    /// The kernel's send buffer was full: packets.
    send_buffer_full,
    /// A TCP viewer did not read, or its connection had ended: packets.
    tcp_too_slow,
    /// The kernel refused to send: packets.
    send_refused,
    /// Another worker's queue was full: datagrams.
    handover_full,
    /// A datagram from nobody we know, or none of our protocols.
    unknown_peer,
    /// A datagram from nobody we know, and too many of them came from there.
    too_many_strangers,
    /// A session refused a datagram.
    invalid,
    /// A published frame came before the first keyframe.
    before_keyframe,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabel {
    direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabel {
    worker: u32,
}

/// Counters of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) sessions: Gauge,
    pub(crate) bytes: Counter,
    pub(crate) packets: Counter,
    pub(crate) frames: Counter,
}

/// All WebRTC metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) inbound: Flow,
    pub(crate) outbound: Flow,
    pub(crate) nacks_in: Counter,
    /// Packets sent to viewers again.
    pub(crate) resent: Counter,
    pub(crate) nacks_out: Counter,
    pub(crate) plis_in: Counter,
    pub(crate) plis_out: Counter,
    /// Packets of publishers that did not come in time.
    pub(crate) lost: Counter,
    /// Seconds from a frame's arrival to the end of its sending, once per frame and worker.
    pub(crate) frame_latency: Histogram,
    /// Seconds that frames spend in each stage.
    pub(crate) dwell: Dwell,
    /// Seconds from POST to connected.
    pub(crate) connect_time: Histogram,
    /// Seconds from POST to the first keyframe sent whole.
    pub(crate) first_keyframe_time: Histogram,
    pub(crate) transcoders: Gauge,
    pub(crate) damaged_audio: Counter,
    /// (stream, worker) pairs with viewers.
    pub(crate) audiences: Gauge,
    /// Peer addresses that lead to a session.
    pub(crate) peers: Gauge,
    /// ICE-TCP connections open now, of known sessions or not yet.
    pub(crate) tcp_connections: Gauge,
    /// ICE-TCP connections closed for want of a place.
    pub(crate) tcp_refused: Counter,
    /// Sessions whose peer never reached us.
    pub(crate) unreached: Counter,
    drops: Family<ReasonLabel, Counter>,
    worker_packets: Family<WorkerLabel, Counter>,
}

impl Metrics {
    /// Makes them and enters them into `registry`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let registry = registry.sub_registry_with_prefix("unisono_webrtc");
        let sessions = Family::<DirectionLabel, Gauge>::default();
        let bytes = Family::<DirectionLabel, Counter>::default();
        let packets = Family::<DirectionLabel, Counter>::default();
        let frames = Family::<DirectionLabel, Counter>::default();
        let nacks = Family::<DirectionLabel, Counter>::default();
        let plis = Family::<DirectionLabel, Counter>::default();
        let flow = |direction| {
            let label = DirectionLabel { direction };
            Flow {
                sessions: sessions.get_or_create_owned(&label),
                bytes: bytes.get_or_create_owned(&label),
                packets: packets.get_or_create_owned(&label),
                frames: frames.get_or_create_owned(&label),
            }
        };
        let stages = Family::new_with_constructor(histogram as fn() -> Histogram);
        let count = |family: &Family<DirectionLabel, Counter>, direction| {
            family.get_or_create_owned(&DirectionLabel { direction })
        };
        let metrics = Self {
            inbound: flow(Direction::inbound),
            outbound: flow(Direction::outbound),
            nacks_in: count(&nacks, Direction::inbound),
            resent: Counter::default(),
            nacks_out: count(&nacks, Direction::outbound),
            plis_in: count(&plis, Direction::inbound),
            plis_out: count(&plis, Direction::outbound),
            lost: Counter::default(),
            frame_latency: Histogram::new(LATENCY_BUCKETS),
            dwell: Dwell::new(&stages),
            connect_time: Histogram::new(JOIN_BUCKETS),
            first_keyframe_time: Histogram::new(JOIN_BUCKETS),
            transcoders: Gauge::default(),
            damaged_audio: Counter::default(),
            audiences: Gauge::default(),
            peers: Gauge::default(),
            tcp_connections: Gauge::default(),
            tcp_refused: Counter::default(),
            unreached: Counter::default(),
            drops: Family::default(),
            worker_packets: Family::default(),
        };
        registry.register("sessions", "WHIP (in) and WHEP (out) sessions", sessions);
        registry.register("bytes", "UDP payload bytes", bytes);
        registry.register("packets", "UDP datagrams", packets);
        let help = "UDP datagrams sent by each worker; a stream's viewers are spread over all of them";
        registry.register("worker_packets", help, metrics.worker_packets.clone());
        registry.register("frames", "Access units taken in, and sent (once per viewer)", frames);
        registry.register("nacks", "Packets asked for again: by viewers (in), of publishers (out)", nacks);
        registry.register("resent", "Packets sent to viewers again after a NACK", metrics.resent.clone());
        registry.register("plis", "Keyframes asked for: by viewers (in), of publishers (out)", plis);
        registry.register("lost", "Publishers' packets given up", metrics.lost.clone());
        registry.register("frame_latency_seconds", "Frame arrival to sent", metrics.frame_latency.clone());
        registry.register("dwell_seconds", "Time that frames spend in each stage on their way", stages);
        registry.register("connect_seconds", "POST to connected", metrics.connect_time.clone());
        registry.register(
            "first_keyframe_seconds",
            "POST to first keyframe sent",
            metrics.first_keyframe_time.clone(),
        );
        registry.register("transcoders", "AAC to Opus transcoders running", metrics.transcoders.clone());
        registry.register(
            "damaged_audio",
            "AAC access units heard as silence",
            metrics.damaged_audio.clone(),
        );
        registry.register("audiences", "Streams with viewers, per worker", metrics.audiences.clone());
        registry.register("peers", "Peer addresses known", metrics.peers.clone());
        let help = "ICE-TCP connections open now";
        registry.register("tcp_connections", help, metrics.tcp_connections.clone());
        let help = "ICE-TCP connections closed at once because a limit of connections was reached";
        registry.register("tcp_connections_refused", help, metrics.tcp_refused.clone());
        let help =
            "Sessions answered by HTTP from whose peer nothing came for 10 s: the media port is unreachable";
        registry.register("unreached", help, metrics.unreached.clone());
        registry.register("drops", "Frames, packets or datagrams lost, by reason", metrics.drops.clone());
        Arc::new(metrics)
    }

    /// The counter of one reason; keep it where drops are frequent.
    pub(crate) fn drops(&self, reason: Reason) -> Counter {
        self.drops.get_or_create_owned(&ReasonLabel { reason })
    }

    /// UDP datagrams that one worker has sent.
    pub(crate) fn worker_packets(&self, worker: usize) -> Counter {
        self.worker_packets.get_or_create_owned(&WorkerLabel { worker: worker as u32 })
    }

    /// Sessions open now: publishers, viewers.
    pub fn sessions(&self) -> (i64, i64) {
        (self.inbound.sessions.get(), self.outbound.sessions.get())
    }

    /// ICE-TCP connections open now.
    pub fn tcp_connections(&self) -> i64 {
        self.tcp_connections.get()
    }

    /// Live objects beside the sessions, all zero when nobody is connected: audiences, peer addresses, transcoders.
    pub fn live_objects(&self) -> [i64; 3] {
        [self.audiences.get(), self.peers.get(), self.transcoders.get()]
    }
}

/// Where a frame's time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label values as they are printed")]
enum Stage {
    ingest,
    wake,
    packetize,
    send,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: Stage,
}

/// One histogram per stage. Each frame counts once per worker, a publisher's once.
#[derive(Clone, Debug)]
pub(crate) struct Dwell {
    /// WHIP: last packet received to stored in the ring.
    pub(crate) ingest: Histogram,
    /// Arrival to taken up by a worker with viewers.
    pub(crate) wake: Histogram,
    /// Making the RTP payloads, once for all viewers.
    pub(crate) packetize: Histogram,
    /// Taken up to handed to the kernel for every viewer of the worker.
    pub(crate) send: Histogram,
}

impl Dwell {
    fn new(stages: &Family<StageLabel, Histogram, fn() -> Histogram>) -> Self {
        let of = |stage| stages.get_or_create_owned(&StageLabel { stage });
        Self {
            ingest: of(Stage::ingest),
            wake: of(Stage::wake),
            packetize: of(Stage::packetize),
            send: of(Stage::send),
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(DWELL_BUCKETS)
}

/// Making payloads takes tens of microseconds, a jitter buffer tens of milliseconds.
const DWELL_BUCKETS: [f64; 13] =
    [0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];
const LATENCY_BUCKETS: [f64; 13] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0];
const JOIN_BUCKETS: [f64; 11] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0];
