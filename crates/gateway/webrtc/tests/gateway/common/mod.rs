//! A node with a gateway, and WebRTC clients over real sockets, for the tests beside this folder.

mod client;
mod publisher;
mod viewer;

pub(crate) use client::Client;
pub(crate) use publisher::{Publisher, access_unit, picture_of};
pub(crate) use viewer::{Viewer, last_of_all};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use bytes::{BufMut, Bytes, BytesMut};
use prometheus_client::registry::Registry;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tower::ServiceExt;
use unisono_auth::{Access, Keyring, NewKey, Role, ViewPolicy};
use unisono_base::{Doorbell, MediaTime, NodeClock, StreamId};
use unisono_gateway_webrtc::{Config, Gateway, Metrics};
use unisono_hub::{Hub, Limits, Stream};
use unisono_media::AvcConfig;

/// A deadline for things that take milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SDP: &str = "application/sdp";
/// x264 Constrained Baseline 640x360.
const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];

pub(crate) fn avc() -> AvcConfig {
    AvcConfig::new(Bytes::copy_from_slice(&SPS), vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])])
        .expect("valid")
}

/// One node, all parts real.
pub(crate) struct Node {
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) registry: Registry,
    pub(crate) gateway: Gateway,
    pub(crate) key: NewKey,
    pub(crate) other_key: NewKey,
}

/// For publications that a test makes itself.
pub(crate) struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// What an HTTP request came to.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Node {
    pub(crate) fn start(workers: usize) -> Self {
        Self::with(workers, |_| {})
    }

    pub(crate) fn with(workers: usize, change: impl FnOnce(&mut Config)) -> Self {
        let hub = Hub::new(Limits::default());
        let keyring = Arc::new(Keyring::new());
        let make = |name| {
            let key = NewKey::generate(Role::Publish, name).expect("randomness");
            keyring.add(&key).expect("room");
            key
        };
        let (key, other_key) = (make("one"), make("two"));
        let realtime = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let clock = NodeClock::new(Instant::now(), MediaTime::from_micros(realtime.as_micros() as i64));
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let access = Arc::new(Access::new(keyring, Vec::new(), ViewPolicy::Open));
        let mut config = Config::new("127.0.0.1:0".parse().expect("an address"));
        config.workers = Some(workers);
        change(&mut config);
        let gateway =
            Gateway::start(config, hub.clone(), access, clock.clone(), metrics.clone()).expect("started");
        Self { hub, clock, metrics, registry, gateway, key, other_key }
    }

    pub(crate) fn router(&self) -> Router {
        self.gateway.router()
    }

    pub(crate) fn now(&self) -> MediaTime {
        self.clock.at(Instant::now())
    }

    pub(crate) fn stream(&self) -> Arc<Stream> {
        self.hub.stream(&id()).expect("published")
    }

    pub(crate) async fn request(&self, request: Request<Body>) -> Answer {
        send(&self.router(), request).await
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: String) -> Answer {
        let mut request = Request::post(path).header("content-type", SDP);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.request(request.body(Body::from(body)).expect("a request")).await
    }

    pub(crate) async fn delete(&self, location: &str) -> StatusCode {
        self.request(Request::delete(location).body(Body::empty()).expect("a request")).await.status
    }

    /// The value of a metric's line in the text that `/metrics` gives.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        let value = text.lines().find_map(|l| l.strip_prefix(line)).unwrap_or_default();
        value.trim().parse().unwrap_or(0.0)
    }
}

pub(crate) fn id() -> StreamId {
    StreamId::local("live/alice".parse().expect("valid"))
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.expect("a body");
    let body = String::from_utf8(bytes.to_vec()).expect("text");
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Waits until `is_so`; what it waits for happens on another thread.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An H.264 access unit in stored form: one slice of `size` bytes that begins with `seed` and `index`.
pub(crate) fn slice(key: bool, seed: u8, index: u32, size: usize) -> Bytes {
    let mut payload = BytesMut::new();
    payload.put_u32(size as u32 + 1);
    payload.put_u8(if key { 0x65 } else { 0x41 });
    payload.put_u8(seed);
    payload.put_u32(index);
    payload.extend((5..size).map(|i| (i as u32).wrapping_mul(31).wrapping_add(index) as u8 | 1));
    payload.freeze()
}
