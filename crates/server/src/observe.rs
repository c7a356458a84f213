//! What a node tells its operator: `/healthz`, `/readyz`, and `/metrics` in Prometheus' text form.

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use unisono_api::{Problem, ServerView, is_this_machine};
use unisono_base::NodeClock;
use unisono_hub::{Hub, State as StreamState, Viewer};

use crate::{drain::Drain, keys::Keys, process};

/// A store that does not answer by then is not ready.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// What the routes look at.
pub(crate) struct Observed {
    pub(crate) registry: Registry,
    pub(crate) node: NodeMetrics,
    pub(crate) hub: Arc<Hub>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: NodeClock,
    pub(crate) since: Instant,
    pub(crate) drain: Arc<Drain>,
    /// Of RTMP and of RTMPS, where they are open.
    pub(crate) rtmp_ports: [Option<u16>; 2],
}

/// Figures of the node itself, brought up to date when somebody asks.
#[derive(Debug, Default)]
pub(crate) struct NodeMetrics {
    streams: Family<StateLabel, Gauge>,
    viewers: Family<ProtocolLabel, Gauge>,
    resident: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
    /// `true` for HLS, whose players are told by their requests.
    approximate: &'static str,
}

impl NodeMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("unisono_build", "The program that runs", build);
        let metrics = Self::default();
        registry.register("unisono_streams", "Streams by state", metrics.streams.clone());
        registry.register(
            "unisono_viewers",
            "Viewers by protocol; HLS by requests of the last 10 s, approximately",
            metrics.viewers.clone(),
        );
        let help = "Resident memory of the process";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, metrics.resident.clone());
        let help = "User and system CPU time of the process since it started";
        registry.register_with_unit("process_cpu", help, Unit::Seconds, metrics.cpu.clone());
        metrics
    }

    fn update(&self, hub: &Hub) {
        let streams = hub.streams();
        let live = streams.iter().filter(|s| matches!(s.state(), StreamState::Live { .. })).count();
        self.streams.get_or_create(&StateLabel { state: "live" }).set(live as i64);
        self.streams.get_or_create(&StateLabel { state: "lost" }).set((streams.len() - live) as i64);
        for (protocol, approximate, viewer) in
            [("webrtc", "false", Viewer::WebRtc), ("hls", "true", Viewer::Hls)]
        {
            let viewers: usize = streams.iter().map(|s| s.viewers(viewer)).sum();
            self.viewers.get_or_create(&ProtocolLabel { protocol, approximate }).set(viewers as i64);
        }
        if let Some(usage) = process::usage(std::process::id()) {
            self.resident.set(usage.resident_bytes as i64);
            self.cpu.inc_by((usage.cpu.as_secs_f64() - self.cpu.get()).max(0.0));
        }
    }
}

/// These three, and what the server says about itself to the pages. They are served only once every listener is bound.
pub(crate) fn router(observed: Arc<Observed>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/server", get(server))
        .route("/version", get(|| async { concat!(env!("CARGO_PKG_VERSION"), "\n") }))
        .route("/api/openapi.json", get(openapi))
        .with_state(observed)
}

async fn server(State(observed): State<Arc<Observed>>) -> Json<ServerView> {
    Json(ServerView {
        name: "unisono".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        t: observed.clock.at(Instant::now()).as_micros(),
        uptime_seconds: observed.since.elapsed().as_secs(),
        rtmp_port: observed.rtmp_ports[0],
        rtmps_port: observed.rtmp_ports[1],
    })
}

/// Described once; it does not change while the server runs.
async fn openapi() -> impl IntoResponse {
    static DESCRIPTION: std::sync::LazyLock<String> = std::sync::LazyLock::new(unisono_api::openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION.as_str())
}

async fn ready(State(observed): State<Arc<Observed>>) -> Response {
    if observed.drain.is_running() {
        return Problem::unavailable("drained: viewers are sent to other nodes").into_response();
    }
    match tokio::time::timeout(STORE_PATIENCE, observed.keys.check_store()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => Problem::unavailable(format!("the store refuses: {error:#}")).into_response(),
        Err(_) => {
            let words = format!("the store has not answered for {} s", STORE_PATIENCE.as_secs());
            Problem::unavailable(words).into_response()
        }
    }
}

async fn metrics(
    State(observed): State<Arc<Observed>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if let Err(words) = admit(&observed.keys, Some(peer), &headers) {
        return Problem::unauthorized(words).into_response();
    }
    observed.node.update(&observed.hub);
    let mut text = String::new();
    match encode(&mut text, &observed.registry) {
        Ok(()) => {
            let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
            (kind, text).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response(),
    }
}

/// Somebody at this machine, or an admin key.
pub(crate) fn admit(keys: &Keys, peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), String> {
    let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(key) = presented.and_then(|value| value.strip_prefix("Bearer ")) else {
        return if is_this_machine(peer, headers) {
            Ok(())
        } else {
            Err("this is open to this machine, or with an admin key as Authorization: Bearer ak_..."
                .to_owned())
        };
    };
    keys.access().admin(key).map(|_| ()).map_err(|denied| denied.to_string())
}
