//! The whole way of a packet: from a frame's shared payloads to sockets on loopback. CPU time of the sending thread, user and
//! kernel, which on loopback holds the receivers' share of the kernel's work.

use crate::{
    sessions::{engines, oracles},
    sink::{Gathering, Sink},
    steps::{FRAMES, PACKETS, PAYLOAD, frame},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use unisono_base::Epoch;
use unisono_media::{AvcConfig, CodecConfig, Frame, Kind, Packets};
use unisono_net::{Socket, TrainBatch, bind_shared};
use unisono_proto_webrtc::{
    Engine, Identity, Moment, Outlet, Path, Session, ViewerSession,
    engine::{Prefetch, sender::Outgoing},
};

/// Packets of a run; five runs each, of which the one in the middle counts.
const WORK: usize = 180_000;
const RUNS: usize = 5;
const FRAME_EVERY: Duration = Duration::from_millis(33);
/// The number at which ratios are taken, where it is among those measured.
const USUAL: usize = 1_000;
/// Sessions whose memory is asked for together.
const AHEAD: usize = 8;
/// Bytes of a sealed packet: header with its numbers, payload, tag.
const SEALED: usize = 20 + PAYLOAD + 16;
const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];

/// A worker's way out, without its session's addresses: each viewer has one of the sink's.
struct Out<'a> {
    socket: &'a Socket,
    batch: &'a mut TrainBatch,
    to: SocketAddr,
    has_trains: bool,
}

impl Outlet for Out<'_> {
    fn packet(&mut self, _: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        if let Some(place) = self.batch.place(self.socket, self.to, None, length) {
            fill(place);
        }
        if !self.has_trains {
            self.batch.flush(self.socket);
        }
    }
}

/// The figures by name.
pub(crate) fn figures(numbers: &[usize]) -> Vec<(&'static str, Value)> {
    let identity = Identity::generate().expect("an identity");
    let pps = vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])];
    let config = CodecConfig::H264(AvcConfig::new(Bytes::copy_from_slice(&SPS), pps).expect("valid"));
    let (bench, gathering) = (Bench::new(Gathering::Off), Bench::new(Gathering::On));
    let (mut way, mut single, mut gathered) = (Map::new(), Map::new(), Map::new());
    let (mut usual, mut usual_gathered) = (f64::NAN, f64::NAN);
    let mut allocations = 0.0;
    for &number in numbers {
        let mut sessions = engines(number, &identity, &config);
        allocations = bench.allocations(&mut sessions);
        let ns = bench.engine(&mut sessions, true);
        way.insert(number.to_string(), ns.round().into());
        single.insert(number.to_string(), bench.engine(&mut sessions, false).round().into());
        let gathered_ns = gathering.engine(&mut sessions, true);
        gathered.insert(number.to_string(), gathered_ns.round().into());
        if number == USUAL || usual.is_nan() {
            (usual, usual_gathered) = (ns, gathered_ns);
        }
    }
    let sendto = bench.bare_sendto();
    let most = numbers.iter().copied().max().unwrap_or(1).min(USUAL);
    // Their time is that of the frames: on a busy machine nobody's consent may run out meanwhile.
    let connecting = Instant::now();
    let mut oracles = oracles(most, &identity, &config, connecting);
    let [str0m, str0m_gathered] = [(&bench, 1), (&gathering, 6)]
        .map(|(bench, s)| bench.oracle(&mut oracles, connecting + Duration::from_secs(s)));
    let baseline = json!({ "sendto_ns": sendto.round(), "str0m_ns": str0m.round() });
    vec![
        ("way_ns", way.into()),
        ("way_to_gathering_receivers_ns", gathered.into()),
        ("way_without_gso_ns", single.into()),
        ("baseline", baseline),
        ("ratio_to_sendto", rounded(usual / sendto)),
        ("ratio_to_str0m", rounded(usual / str0m)),
        ("allocations_per_packet", allocations.into()),
        ("at_1000", bench.summary(usual, str0m)),
        ("at_1000_to_gathering_receivers", gathering.summary(usual_gathered, str0m_gathered)),
    ]
}

fn rounded(ratio: f64) -> Value {
    ((ratio * 100.0).round() / 100.0).into()
}

struct Bench {
    socket: Socket,
    sink: Sink,
    frames: Vec<(Frame, Packets)>,
    sent: std::cell::Cell<u64>,
}

impl Bench {
    fn new(gathering: Gathering) -> Self {
        let bound = bind_shared("127.0.0.1:0".parse().expect("an address"), 1).expect("free");
        let socket = Socket::new(bound.into_iter().next().expect("one")).expect("a socket");
        let frames = (0..FRAMES).map(frame).collect();
        Self { socket, sink: Sink::new(gathering), frames, sent: std::cell::Cell::new(0) }
    }

    /// What the way of a packet costs at the usual number, beside bare trains of the same packets and str0m.
    fn summary(&self, way: f64, str0m: f64) -> Value {
        let gso = self.bare_trains();
        json!({
            "way_ns": way.round(), "gso_ns": gso.round(), "str0m_ns": str0m.round(),
            "ratio_to_gso": rounded(way / gso), "ratio_to_str0m": rounded(way / str0m),
            "million_packets_per_core_second": rounded(1e3 / way), "delivered_percent": self.delivered(),
        })
    }

    fn to(&self, session: usize) -> SocketAddr {
        self.sink.addresses[session % self.sink.addresses.len()]
    }

    /// Nanoseconds of CPU per packet; `send` sends the numbered frame to the numbered session.
    fn per_packet(&self, sessions: usize, mut send: impl FnMut(usize, u64)) -> f64 {
        let mut number = 0;
        let mut costs = [0; RUNS].map(|_| {
            let before = cpu_ns();
            for work in 0..WORK / PACKETS {
                if work % sessions == 0 {
                    number += 1;
                }
                send(work % sessions, number);
            }
            cpu_ns() - before
        });
        self.sent.set(self.sent.get() + (RUNS * (WORK / PACKETS) * PACKETS) as u64);
        costs.sort_unstable();
        costs[RUNS / 2] as f64 / WORK as f64
    }

    fn outgoing(&self, number: u64) -> Outgoing<'_> {
        let (frame, packets) = &self.frames[number as usize % FRAMES];
        Outgoing { epoch: Epoch(1), number, frame, packets }
    }

    fn engine(&self, sessions: &mut [Engine], has_trains: bool) -> f64 {
        let mut batch = TrainBatch::new();
        let sender = sessions[0].sender(Kind::Video).expect("negotiated");
        let cost = self.per_packet(sessions.len(), |session, number| {
            if session % AHEAD == 0 {
                prefetch(&sessions[session..]);
            }
            let outgoing = self.outgoing(number);
            let moment = Moment { now: Instant::now(), clock: outgoing.frame.t };
            let mut out = Out { socket: &self.socket, batch: &mut batch, to: self.to(session), has_trains };
            assert!(sessions[session].send_frame(sender, moment, outgoing, &mut out), "connected");
            // A report each second is part of the cost.
            while sessions[session].has_control() && sessions[session].poll_transmit().is_some() {}
        });
        batch.flush(&self.socket);
        cost
    }

    /// How often a packet touches the heap, between two reports.
    fn allocations(&self, sessions: &mut [Engine]) -> f64 {
        let mut batch = TrainBatch::new();
        let sender = sessions[0].sender(Kind::Video).expect("negotiated");
        let (now, count) = (Instant::now(), sessions.len());
        let mut send = |number| {
            for session in sessions.iter_mut() {
                let outgoing = self.outgoing(number);
                let moment = Moment { now, clock: outgoing.frame.t };
                let mut out =
                    Out { socket: &self.socket, batch: &mut batch, to: self.to(0), has_trains: true };
                session.send_frame(sender, moment, outgoing, &mut out);
            }
        };
        // What is made with the first frames: the list of frames, and room for the packets in flight.
        (0..400).for_each(&mut send);
        self.sent.set(self.sent.get() + (410 * PACKETS * count) as u64);
        let counted = allocation_counter::measure(|| (400..410).for_each(&mut send));
        counted.count_total as f64 / (10 * PACKETS * count) as f64
    }

    fn oracle(&self, sessions: &mut [unisono_proto_webrtc::Egress], begun: Instant) -> f64 {
        let mut batch = TrainBatch::new();
        let cost = self.per_packet(sessions.len(), |session, number| {
            let Outgoing { epoch, frame, packets, .. } = self.outgoing(number);
            let (now, to) = (begun + FRAME_EVERY * number as u32, self.to(session));
            assert!(sessions[session].send_video(now, frame.t, epoch, frame, packets), "connected");
            while let Some(transmit) = sessions[session].poll_transmit() {
                let segment = transmit.segment_size.unwrap_or(transmit.bytes.len()).max(1);
                transmit.bytes.chunks(segment).for_each(|packet| batch.push(&self.socket, to, None, packet));
            }
        });
        batch.flush(&self.socket);
        cost
    }

    fn bare_trains(&self) -> f64 {
        let mut batch = TrainBatch::new();
        let packet = [7; SEALED];
        let cost = self.per_packet(USUAL, |session, _| {
            (0..PACKETS).for_each(|_| batch.push(&self.socket, self.to(session), None, &packet));
        });
        batch.flush(&self.socket);
        cost
    }

    fn bare_sendto(&self) -> f64 {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
        let packet = [7; SEALED];
        self.per_packet(USUAL, |session, _| {
            for _ in 0..PACKETS {
                let _is_sent = socket.send_to(&packet, self.to(session));
            }
        })
    }

    /// How much of it somebody read.
    fn delivered(&self) -> f64 {
        (self.sink.received() as f64 / self.sent.get() as f64 * 1_000.0).round() / 10.0
    }
}

/// As a worker does before it serves the next viewers.
fn prefetch(sessions: &[Engine]) {
    struct Cache;
    impl Prefetch for Cache {
        fn prefetch<T: ?Sized>(&self, value: &T) {
            unisono_net::prefetch(value);
        }
    }
    let next = &sessions[..AHEAD.min(sessions.len())];
    unisono_net::prefetch(next);
    (0..3).for_each(|stage| next.iter().for_each(|session| session.prefetch(stage, &Cache)));
}

/// What this thread has had of a core since it began (proc(5), `schedstat`), nanoseconds.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with schedstat");
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("a number")
}
