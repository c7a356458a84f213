//! Nodes, a publisher of made-up frames, and what a hub's rings hold.

use bytes::Bytes;
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use unisono_auth::RelaySecrets;
use unisono_base::{Doorbell, Epoch, KeyId, MediaTime, NodeClock, Span, StreamId};
use unisono_cluster::{Answer, Answers, Edge, Identity, Metrics, NodeId, Origin, RequestError, Roster};
use unisono_hub::{Hub, Limits, Publication, Read, Source, Stream, TrackWriter};
use unisono_media::{AacConfig, AvcConfig, CodecConfig, Frame, Kind};
use unisono_room::{Rooms, RoomsLimits};
use unisono_store::{BoxFuture, MemoryLog};

/// Far beyond what anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const OLD: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const NEW: &str = "fedcba9876543210fedcba9876543210";

const SPS: [u8; 23] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
    0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e,
];

pub(crate) fn id() -> StreamId {
    StreamId::local("live/alice".parse().expect("valid"))
}

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// One node's hub and its relay.
pub(crate) struct Node {
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: NodeClock,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) log: Arc<MemoryLog>,
    registry: Registry,
    address: Option<SocketAddr>,
    edge: Option<Edge>,
    stop: CancellationToken,
    served: Option<JoinHandle<()>>,
    pub(crate) roster: Arc<Roster>,
}

impl Node {
    /// One that listens.
    pub(crate) async fn origin(secrets: &[&str]) -> Self {
        Self::start(Some(any_port()), None, secrets, None).await
    }

    /// One that pulls.
    pub(crate) async fn below(upstream: SocketAddr, secrets: &[&str]) -> Self {
        Self::start(None, Some(upstream), secrets, None).await
    }

    /// One that does both.
    pub(crate) async fn both(upstream: SocketAddr, secrets: &[&str]) -> Self {
        Self::start(Some(any_port()), Some(upstream), secrets, None).await
    }

    /// Each the other's upstream.
    pub(crate) async fn pair(secrets: &[&str]) -> [Self; 2] {
        let [a, b] = [any_port(), any_port()];
        [
            Self::start(Some(a), Some(b), secrets, None).await,
            Self::start(Some(b), Some(a), secrets, None).await,
        ]
    }

    /// One that viewers are sent to.
    pub(crate) async fn found_at(
        url: &str,
        listen: Option<SocketAddr>,
        upstream: Option<SocketAddr>,
    ) -> Self {
        let secrets = RelaySecrets::new(["0123456789abcdef0123456789abcdef"]).expect("valid");
        let identity = Identity::found_at(Some(url.to_owned()), upstream.is_some(), secrets);
        Self::with_log(listen, upstream, identity, None, Arc::default()).await
    }

    /// `ground`: the hub and clock of a node that was there before.
    pub(crate) async fn start(
        listen: Option<SocketAddr>,
        upstream: Option<SocketAddr>,
        secrets: &[&str],
        ground: Option<(Arc<Hub>, NodeClock)>,
    ) -> Self {
        let identity = Identity::new(RelaySecrets::new(secrets.iter().copied()).expect("valid"));
        Self::with_log(listen, upstream, identity, ground, Arc::default()).await
    }

    /// One that listens where another did, with its log.
    pub(crate) async fn again(address: SocketAddr, secrets: &[&str], log: Arc<MemoryLog>) -> Self {
        let identity = Identity::new(RelaySecrets::new(secrets.iter().copied()).expect("valid"));
        Self::with_log(Some(address), None, identity, None, log).await
    }

    async fn with_log(
        listen: Option<SocketAddr>,
        upstream: Option<SocketAddr>,
        identity: Identity,
        ground: Option<(Arc<Hub>, NodeClock)>,
        log: Arc<MemoryLog>,
    ) -> Self {
        let roster = identity.roster.clone();
        let (hub, clock) = ground.unwrap_or_else(|| {
            let clock = NodeClock::new(Instant::now(), MediaTime::from_micros(1_700_000_000_000_000));
            (Hub::new(Limits::default()), clock)
        });
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let rooms = Rooms::new(hub.clone(), log.clone(), clock.clone(), RoomsLimits::default());
        let edge = upstream.map(|upstream| {
            let edge = Edge::start(upstream.to_string(), identity.clone(), hub.clone(), metrics.clone());
            let edge = edge.expect("a socket");
            rooms.set_upstream(Arc::new(edge.clone()), []);
            edge
        });
        let stop = CancellationToken::new();
        let origin = listen.map(|listen| {
            let (hub, clock) = (hub.clone(), clock.clone());
            let origin =
                Origin::bind(listen, identity, hub, clock, metrics, edge.clone()).expect("a free port");
            origin.with_rooms(rooms.clone(), Arc::new(Echo))
        });
        let address = origin.as_ref().map(|origin| origin.local_addr().expect("bound"));
        let served = origin.map(|origin| tokio::spawn(origin.run(stop.clone())));
        Self { hub, clock, rooms, log, registry, address, edge, stop, served, roster }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it listens")
    }

    pub(crate) fn edge(&self) -> &Edge {
        self.edge.as_ref().expect("it pulls")
    }

    /// The sum of a metric's samples.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("text");
        let samples = text.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// As a node that stops.
    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        if let Some(served) = self.served.take() {
            served.await.expect("no panic");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Answers with what it was asked, three times over.
struct Echo;

impl Answers for Echo {
    fn answer<'a>(&'a self, path: Vec<NodeId>, head: Bytes, body: Bytes) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let (chunks, taken) = mpsc::channel(4);
            for chunk in [&head, &body] {
                chunks.send(Ok(chunk.clone())).await.expect("room for four");
            }
            if head == "broken" {
                chunks
                    .send(Err(RequestError::new("the disk is gone".to_owned())))
                    .await
                    .expect("room for four");
            }
            Answer { head: format!("{} nodes", path.len()).into(), body: taken }
        })
    }
}

/// A free one; nobody else here takes it meanwhile.
pub(crate) fn any_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("bound")
}

/// Publishes 30 pictures a second with a keyframe each second, and sound, as fast as the test wants.
pub(crate) struct Publisher {
    publication: Publication,
    video: TrackWriter,
    audio: TrackWriter,
    t: i64,
    /// Pictures so far.
    count: i64,
    /// Least size of a picture.
    pub(crate) picture_bytes: usize,
}

impl Publisher {
    pub(crate) fn start(hub: &Hub, unix_seconds: u32) -> Self {
        let source = Source { protocol: "whip", accepts_pli: false };
        let key = KeyId::new("k");
        let publication = hub.publish(&id(), key, source, unix_seconds, Arc::new(Silent)).expect("free");
        let avc = AvcConfig::new(Bytes::from_static(&SPS), vec![Bytes::from_static(&[0x68, 0xce])]);
        let aac = AacConfig::parse(Bytes::from_static(&[0x11, 0x90]));
        let video = publication.open_track(CodecConfig::H264(avc.expect("a valid SPS")));
        let audio = publication.open_track(CodecConfig::Aac(aac.expect("valid")));
        let t = i64::from(unix_seconds) * 1_000_000;
        Self { publication, video, audio, t, count: 0, picture_bytes: 700 }
    }

    /// So many seconds of it.
    pub(crate) fn seconds(&mut self, count: i64) {
        self.pictures(count * 30);
    }

    /// A tenth of a second.
    pub(crate) fn tenth(&mut self) {
        self.pictures(3);
    }

    fn pictures(&mut self, count: i64) {
        for number in self.count..self.count + count {
            let at = |micros: i64| MediaTime::from_micros(self.t + micros);
            let epoch = self.publication.epoch();
            let size = self.picture_bytes + number as usize % 900;
            let mut video = self.frame(at(number * 33_333), number, size);
            video.key = number % 30 == 0;
            let audio = self.frame(at(number * 33_333 + 5_000), number, 200);
            self.video.append(epoch, video);
            self.audio.append(epoch, audio);
        }
        self.count += count;
    }

    fn frame(&self, t: MediaTime, number: i64, size: usize) -> Frame {
        let mut payload = vec![number as u8; size];
        payload[..8].copy_from_slice(&number.to_be_bytes());
        let mut frame = Frame::new(t, t + Span::from_millis(7), Bytes::from(payload));
        frame.duration = Span::from_micros(33_333);
        frame
    }

    /// An event of the room, at the newest frame.
    pub(crate) fn event(&self, json: &'static str) {
        let t = MediaTime::from_micros(self.t + self.count * 33_333);
        self.stream().append_event(Frame::new(t, t, Bytes::from_static(json.as_bytes())));
    }

    pub(crate) fn stream(&self) -> Arc<Stream> {
        self.publication.stream().clone()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.publication.epoch()
    }
}

/// Everything that a reader from the oldest group on gets: epoch, group, segment, index, T, decode time, arrival,
/// duration, key, payload.
pub(crate) fn frames(stream: &Stream, kind: Kind) -> Vec<String> {
    let ring = if kind == Kind::Data { Some(stream.events().clone()) } else { stream.source(kind) };
    let Some(ring) = ring else { return Vec::new() };
    let Some(mut cursor) = ring.oldest_group() else { return Vec::new() };
    let line = || match ring.read(&mut cursor) {
        Read::Frame { frame, group, index } => {
            let place = (group.epoch, group.group, group.segment, index);
            let times = (frame.t, frame.dts, frame.arrived, frame.duration);
            let number = frame.payload.get(..8).map(<[u8]>::to_vec);
            Some(format!("{place:?} {times:?} {} {:?} {number:?}", frame.key, frame.payload.len()))
        }
        _ => None,
    };
    std::iter::from_fn(line).collect()
}

/// The events in the stream's data track.
pub(crate) fn payloads(stream: &Stream) -> Vec<String> {
    let ring = stream.events();
    let Some(mut cursor) = ring.oldest_group() else { return Vec::new() };
    let next = || match ring.read(&mut cursor) {
        Read::Frame { frame, .. } => Some(String::from_utf8_lossy(&frame.payload).into_owned()),
        _ => None,
    };
    std::iter::from_fn(next).collect()
}

/// Waits for what the other node has to bring about.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, so).await.is_ok(), "{what}");
}
