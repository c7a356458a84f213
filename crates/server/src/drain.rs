//! Viewers leave before the node does: they are told to move to another node, at different moments; new ones are refused with
//! where else to go, and `/readyz` says that this node is not for them.
//!
//! ```text
//! GET    /api/v1/drain                       who is still here
//! POST   /api/v1/drain   {"within_s": 10}    begins; the body may be left out
//! DELETE /api/v1/drain                       takes it back
//! ```

use crate::{admin::Admin, endpoints::Endpoints};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use parking_lot::Mutex;
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_api::{DrainRequest, DrainView, Problem, Viewers};
use unisono_base::StreamId;
use unisono_hub::{Hub, Role, Session, Viewer};

/// Over so many seconds viewers move when nobody says otherwise.
const WITHIN_S: u32 = 10;
const WITHIN_MAX_S: u32 = 3_600;
/// Who is refused comes again after so long; another node takes him at once.
const RETRY_S: u32 = 5;
/// How often it is looked whether all have gone.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Milliseconds that are left to move, on playlists: HLS has no other way to tell its players.
const MOVE: HeaderName = HeaderName::from_static("unisono-move");

/// See the module.
pub(crate) struct Drain {
    hub: Arc<Hub>,
    endpoints: Arc<Endpoints>,
    running: Mutex<Option<Running>>,
    gauge: Gauge,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    since: Instant,
    within: Duration,
}

impl Drain {
    pub(crate) fn new(hub: Arc<Hub>, endpoints: Arc<Endpoints>, registry: &mut Registry) -> Arc<Self> {
        let gauge = Gauge::default();
        registry.register("unisono_draining", "1 while viewers are sent to other nodes", gauge.clone());
        Arc::new(Self { hub, endpoints, running: Mutex::default(), gauge })
    }

    /// Whether new viewers are refused.
    pub(crate) fn is_running(&self) -> bool {
        self.running.lock().is_some()
    }

    /// Tells everybody to move within that time. Again: they are told again.
    pub(crate) fn begin(&self, within: Duration) {
        *self.running.lock() = Some(Running { since: Instant::now(), within });
        self.gauge.set(1);
        self.endpoints.set_draining(true);
        self.hub.close_to_publishers(Some(self.words(None).into()));
        for session in self.viewers() {
            let stream = &session.entrance().stream;
            let endpoints = self.endpoints.elsewhere(Some(stream));
            let within_ms = within.as_millis() as u64;
            let message = json!({"type": "move", "within_ms": within_ms, "endpoints": endpoints});
            session.tell(message.to_string().into());
        }
        let view = self.view();
        tracing::info!(?within, viewers = ?view.viewers, endpoints = ?view.endpoints, "drained: viewers are sent to other nodes");
    }

    /// New viewers are welcome again; who has moved stays where he is.
    pub(crate) fn end(&self) {
        if self.running.lock().take().is_none() {
            return;
        }
        self.gauge.set(0);
        self.endpoints.set_draining(false);
        self.hub.close_to_publishers(None);
        for session in self.viewers() {
            session.tell(r#"{"type":"stay"}"#.into());
        }
        tracing::info!("not drained any more");
    }

    /// Completes when nobody watches any more.
    pub(crate) async fn emptied(&self) {
        loop {
            let DrainView { viewers, readers, .. } = self.view();
            if viewers.webrtc + viewers.hls + readers == 0 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) fn view(&self) -> DrainView {
        let running = *self.running.lock();
        let streams = self.hub.streams();
        let watch = |viewer| streams.iter().map(|stream| stream.viewers(viewer)).sum();
        let of = |role| {
            self.hub.sessions().page(None, usize::MAX, |session| session.entrance().role == role).len()
        };
        DrainView {
            is_draining: running.is_some(),
            within_s: running.map(|running| running.within.as_secs() as u32),
            since_s: running.map(|running| running.since.elapsed().as_secs()),
            viewers: Viewers { webrtc: watch(Viewer::WebRtc), hls: watch(Viewer::Hls) },
            readers: of(Role::Reader),
            publishers: of(Role::Publisher),
            endpoints: self.endpoints.elsewhere(None),
        }
    }

    fn viewers(&self) -> Vec<Arc<Session>> {
        let watches = |session: &Session| session.entrance().role != Role::Publisher;
        self.hub.sessions().page(None, usize::MAX, watches)
    }

    fn words(&self, stream: Option<&StreamId>) -> String {
        match self.endpoints.elsewhere(stream).as_slice() {
            [] => "this node is going away and takes nobody new; no other node is known here".to_owned(),
            others => format!("this node is going away and takes nobody new; go to {}", others.join(", ")),
        }
    }

    /// What a player has left to move, in milliseconds; `None` while nobody has to.
    fn left_ms(&self) -> Option<u64> {
        let running = (*self.running.lock())?;
        Some(running.within.saturating_sub(running.since.elapsed()).as_millis() as u64)
    }

    /// The refusal, with the other nodes as a field of its own for programs (RFC 9457 §3.2).
    fn refusal(&self, stream: Option<&StreamId>) -> Response {
        let problem = Problem::unavailable(self.words(stream)).retry_after(RETRY_S);
        let mut body = serde_json::to_value(&problem).unwrap_or_default();
        body["endpoints"] = self.endpoints.elsewhere(stream).into();
        let mut response = problem.into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
        let (parts, _) = response.into_parts();
        Response::from_parts(parts, body.to_string().into())
    }
}

/// The routes, to be guarded by whoever merges them.
pub(crate) fn routes() -> Router<Arc<Admin>> {
    Router::new().route("/api/v1/drain", get(view).post(begin).delete(end))
}

async fn view(State(admin): State<Arc<Admin>>) -> Json<DrainView> {
    Json(admin.drain.view())
}

async fn begin(State(admin): State<Arc<Admin>>, body: Bytes) -> Result<Json<DrainView>, Problem> {
    let request = if body.is_empty() {
        DrainRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(error.to_string()))?
    };
    let within_s = request.within_s.unwrap_or(WITHIN_S);
    if within_s > WITHIN_MAX_S {
        return Err(Problem::bad_request(format!("within_s is at most {WITHIN_MAX_S}")));
    }
    admin.drain.begin(Duration::from_secs(within_s.into()));
    Ok(Json(admin.drain.view()))
}

async fn end(State(admin): State<Arc<Admin>>) -> Json<DrainView> {
    admin.drain.end();
    Json(admin.drain.view())
}

/// The router, behind the refusal of whoever comes while the node is drained.
pub(crate) fn guard(drain: Arc<Drain>, router: Router) -> Router {
    router.layer(middleware::from_fn_with_state(drain, refuse_new))
}

async fn refuse_new(State(drain): State<Arc<Drain>>, request: Request, next: Next) -> Response {
    let Some(left_ms) = drain.left_ms() else { return next.run(request).await };
    let path = request.uri().path().to_owned();
    if let Some(Comes(stream)) = Comes::to(request.method(), &path) {
        return drain.refusal(stream.as_ref());
    }
    let mut response = next.run(request).await;
    if path.ends_with(".m3u8") && response.status() == StatusCode::OK {
        let headers = response.headers_mut();
        headers.insert(MOVE, left_ms.into());
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("unisono-move"));
    }
    response
}

/// Somebody new, for this stream. Who is here goes on: his media playlists, segments, commands, and the end of his session.
#[derive(Debug, PartialEq, Eq)]
struct Comes(Option<StreamId>);

impl Comes {
    fn to(method: &Method, path: &str) -> Option<Self> {
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let is_new = matches!(
            (method, parts.as_slice()),
            (&Method::POST, [_, _, "whep" | "whip"])
                | (&Method::GET | &Method::HEAD, [_, _, "index.m3u8"])
                | (&Method::GET, ["api", "v1", "rooms", _, "events"])
        );
        let stream =
            |app: &str, name: &str| unisono_base::StreamName::new(app, name).ok().map(StreamId::local);
        is_new.then(|| match parts.as_slice() {
            [app, name, _] => Self(stream(app, name)),
            [.., room, _] => Self(room.split_once(':').and_then(|(app, name)| stream(app, name))),
            _ => Self(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_new_is_told_from_who_is_here() {
        let alice = || Some(Comes(Some(StreamId::local("live/alice".parse().expect("valid")))));
        assert_eq!(Comes::to(&Method::POST, "/live/alice/whep"), alice());
        assert_eq!(Comes::to(&Method::POST, "/live/alice/whip"), alice());
        assert_eq!(Comes::to(&Method::GET, "/live/alice/index.m3u8"), alice());
        assert_eq!(Comes::to(&Method::GET, "/api/v1/rooms/live:alice/events"), alice());
        for (method, path) in [
            (Method::GET, "/live/alice/hls/video.m3u8"),
            (Method::PATCH, "/live/alice/whep/7"),
            (Method::DELETE, "/live/alice/whep/7"),
            (Method::POST, "/api/v1/rooms/live:alice/commands"),
            (Method::POST, "/api/v1/rooms/live:alice/events"),
            (Method::GET, "/api/v1/endpoints"),
        ] {
            assert_eq!(Comes::to(&method, path), None, "{method} {path}");
        }
    }
}
