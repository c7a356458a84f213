//! A receiver, and what it got.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode},
};
use bytes::Bytes;
use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle, time::timeout};
use unisono_base::{MediaTime, NodeClock, StreamId};
use unisono_webhook::Client;

/// Ten times what a loaded machine needs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("ASCII")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// How the receiver answers a request.
pub(crate) enum Reply {
    Status(u16),
    /// With a max-age in seconds.
    Aged(u16, u32),
    /// With this body.
    Says(u16, &'static str),
    /// Never.
    Hang,
}

type Script = dyn Fn(&Got) -> Reply + Send + Sync;

struct Shared {
    got: mpsc::UnboundedSender<Got>,
    script: Mutex<Arc<Script>>,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    got: mpsc::UnboundedReceiver<Got>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(crate) async fn open(script: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let (send, got) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { got: send, script: Mutex::new(Arc::new(script)) });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, got, shared, task: task.abort_handle() }
    }

    pub(crate) fn now_answers(&self, script: impl Fn(&Got) -> Reply + Send + Sync + 'static) {
        *self.shared.script.lock().expect("not poisoned") = Arc::new(script);
    }

    pub(crate) async fn next(&mut self) -> Got {
        timeout(DEADLINE, self.got.recv()).await.expect("a request within the deadline").expect("open")
    }

    pub(crate) fn is_quiet(&mut self) -> bool {
        self.got.try_recv().is_err()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    let got = Got { headers: parts.headers, body };
    let script = shared.script.lock().expect("not poisoned").clone();
    let reply = script(&got);
    let _ = shared.got.send(got);
    let response = |status| Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    match reply {
        Reply::Status(status) => response(status).body(Body::empty()).expect("valid"),
        Reply::Aged(status, age) => response(status)
            .header("cache-control", format!("max-age={age}"))
            .body(Body::from(r#"{"reason":"not your show"}"#))
            .expect("valid"),
        Reply::Says(status, body) => response(status).body(Body::from(body)).expect("valid"),
        Reply::Hang => std::future::pending().await,
    }
}

/// As the server makes it, which installs the crypto provider first.
pub(crate) fn client() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::new().expect("a client")
}

pub(crate) fn clock() -> NodeClock {
    NodeClock::new(Instant::now(), MediaTime::from_micros(1_800_000_000_000_000))
}

pub(crate) fn stream(name: &str) -> StreamId {
    StreamId::local(name.parse().expect("valid"))
}
