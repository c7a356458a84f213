//! Streams stopped and sessions sent away over the API, for admin keys and this machine.
//!
//! ```text
//! POST   /api/v1/streams/{app}/{name}/stop   {"reason": "…", "block_seconds": 60}; the body may be left out
//! GET    /api/v1/sessions                    ?stream=live/x &protocol=whep &limit=100 &cursor=…
//! GET    /api/v1/sessions/{id}
//! DELETE /api/v1/sessions/{id}
//! PUT    /api/v1/sessions/{id}/worker        {"worker": 1}
//! ```

use crate::admin::Admin;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, JsonRejection, QueryRejection},
    },
    http::StatusCode,
    routing::{get, post, put},
};
use serde::Deserialize;
use std::{sync::Arc, time::Instant};
use unisono_api::{
    MoveRequest, PathView, Problem, SessionList, SessionRole, SessionView, StopRequest, WorkerView,
};
use unisono_base::{Shown, StreamId, StreamName};
use unisono_hub::{Role, Session, SessionKey, State as StreamState};

/// Sessions in a page, at most and by default.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 100;
/// Longest words to a publisher.
const REASON_MAX: usize = 200;
/// Longest time that a name is kept closed.
const BLOCK_MAX_S: u32 = 86_400;
/// What a publisher is told without a reason.
const STOPPED: &str = "the stream was stopped by the server's operator";
const SENT_AWAY: &str = "closed by the server's operator";

/// To be guarded by whoever merges them.
pub(crate) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/api/v1/streams/{app}/{name}/stop", post(stop))
        .route("/api/v1/sessions", get(list))
        .route("/api/v1/sessions/{id}", get(one).delete(send_away))
        .route("/api/v1/sessions/{id}/worker", put(move_to))
}

type Shared = State<Arc<Admin>>;

async fn stop(
    State(admin): Shared,
    Path((app, name)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let id = stream_id(&app, &name)?;
    let StopRequest { reason, block_seconds } = stop_request(body)?;
    let words = reason.as_deref().unwrap_or(STOPPED);
    let now = admin.clock.at(Instant::now()).unix_seconds();
    if block_seconds > 0 {
        if admin.hub.stream(&id).is_some_and(
            |stream| matches!(stream.state(), StreamState::Live { source, .. } if source.is_relayed()),
        ) {
            let words = format!(
                "{id} is published at another node, which alone can keep its publisher away: stop it there"
            );
            return Err(Problem::new(StatusCode::CONFLICT, words));
        }
        // Before the stop: an encoder that comes back at once finds the name closed.
        admin.hub.block(id.clone(), u32::try_from(now).unwrap_or(u32::MAX).saturating_add(block_seconds));
    }
    let is_stopped = admin.hub.stream(&id).is_some_and(|stream| stream.stop_publisher(words));
    tracing::info!(stream = %id, words, block_seconds, is_stopped, "stop asked for by the operator");
    if is_stopped || block_seconds > 0 {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!("nobody publishes {id} at the moment")))
}

/// Without a body everything is as by default.
fn stop_request(body: Result<Bytes, BytesRejection>) -> Result<StopRequest, Problem> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if body.is_empty() {
        return Ok(StopRequest::default());
    }
    let request: StopRequest =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(error.to_string()))?;
    if request.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_MAX) {
        return Err(Problem::bad_request(format!("a reason has at most {REASON_MAX} characters")));
    }
    if request.block_seconds > BLOCK_MAX_S {
        return Err(Problem::bad_request(format!("block_seconds is at most {BLOCK_MAX_S}, a day")));
    }
    Ok(request)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    stream: Option<String>,
    protocol: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn list(
    State(admin): Shared,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<SessionList>, Problem> {
    let Query(wanted) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be from 1 to {LIMIT_MAX}")));
    }
    let after = wanted.cursor.as_deref().map(cursor).transpose()?;
    let is_wanted = |session: &Session| {
        let entrance = session.entrance();
        wanted.stream.as_ref().is_none_or(|stream| *stream == entrance.stream.to_string())
            && wanted.protocol.as_ref().is_none_or(|protocol| protocol == entrance.protocol)
    };
    // One more than asked for tells whether there is a next page.
    let mut found = admin.hub.sessions().page(after, limit + 1, is_wanted);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = has_more.then(|| found.last().map(|session| session.key().to_string())).flatten();
    Ok(Json(SessionList { sessions: found.iter().map(|session| view(&admin, session)).collect(), next }))
}

async fn one(State(admin): Shared, Path(id): Path<String>) -> Result<Json<SessionView>, Problem> {
    Ok(Json(view(&admin, &*find(&admin, &id)?)))
}

async fn send_away(State(admin): Shared, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let session = find(&admin, &id)?;
    let entrance = session.entrance();
    tracing::info!(session = %session.key(), stream = %entrance.stream, protocol = entrance.protocol, "sent away by the operator");
    session.stop(SENT_AWAY);
    Ok(StatusCode::NO_CONTENT)
}

/// The session goes on undisturbed; `GET` says when it has arrived.
async fn move_to(
    State(admin): Shared,
    Path(id): Path<String>,
    body: Result<Json<MoveRequest>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(MoveRequest { worker }) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let session = find(&admin, &id)?;
    let Some((_, of)) = session.worker() else {
        let words =
            format!("only WebRTC viewers can be moved; this is a session by {}", session.entrance().protocol);
        return Err(Problem::bad_request(words));
    };
    if !session.move_to(worker) {
        return Err(Problem::bad_request(format!("there is no worker {worker}: they are 0 to {}", of - 1)));
    }
    tracing::info!(session = %session.key(), worker, "moved by the operator");
    Ok(StatusCode::ACCEPTED)
}

fn find(admin: &Admin, id: &str) -> Result<Arc<Session>, Problem> {
    let key = id.parse::<SessionKey>().ok();
    let found = key.and_then(|key| admin.hub.sessions().get(key));
    found.ok_or_else(|| Problem::not_found("there is no such session, or it is over"))
}

fn cursor(text: &str) -> Result<SessionKey, Problem> {
    text.parse().map_err(|_| Problem::bad_request("the cursor is not one of a page before"))
}

fn stream_id(app: &str, name: &str) -> Result<StreamId, Problem> {
    let name = StreamName::new(app, name).map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(StreamId::local(name))
}

fn view(admin: &Admin, session: &Session) -> SessionView {
    let entrance = session.entrance();
    SessionView {
        id: session.key().to_string(),
        role: match entrance.role {
            Role::Publisher => SessionRole::Publisher,
            Role::Viewer => SessionRole::Viewer,
            Role::Reader => SessionRole::Reader,
        },
        protocol: entrance.protocol.to_owned(),
        approximate: entrance.protocol == "hls",
        stream: entrance.stream.to_string(),
        address: entrance.address.map(|address| Shown::from(address).to_string()),
        since: admin.clock.at(entrance.since).as_micros(),
        who: entrance.who.to_string(),
        token: entrance.token.clone(),
        bytes: session.figures().0,
        loss: session.loss(),
        rtt_ms: session.rtt().map(|rtt| rtt.as_secs_f64() * 1e3),
        path: session.path().map(|path| PathView {
            bits_per_second: path.bits_per_second,
            queue_ms: path.queue.as_secs_f64() * 1e3,
            delay_gradient: path.delay_gradient,
            overloaded: path.is_overloaded,
        }),
        worker: session.worker().map(|(worker, of)| WorkerView { worker, of }),
    }
}
