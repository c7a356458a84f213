//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over HTTP: checks, words and status codes. The sessions live in
//! the workers; a handler sends a command and waits for its answer.

mod session;
mod whep;
mod whip;

use crate::{
    command::{Command, Opened, Refusal},
    gateway::Shared,
    metrics::Direction,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{options, post},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use unisono_api::{Peer, Presented, Problem};
use unisono_auth::{Action, Denied, Pass};
use unisono_base::{StreamId, StreamName};
use unisono_hub::{Entrance, PublishError, Role, Ticket};
use unisono_net::{Full, Place};
use unisono_proto_webrtc::OfferError;

/// Longest wait for a worker. It answers within a millisecond unless the machine is overloaded.
const WORKER_PATIENCE: Duration = Duration::from_secs(5);
/// When a place of a session that never connected is free again.
const UNCONNECTED_RETRY_S: u32 = 10;
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const SDP: &str = "application/sdp";
const TRICKLE: &str = "application/trickle-ice-sdpfrag";

/// All routes. Any page may use them: they carry no cookies, and a key has to be presented explicitly.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let one = |direction| session::routes(direction);
    Router::new()
        .route("/{app}/{name}/whip", post(whip::publish).merge(options(preflight)))
        .route("/{app}/{name}/whep", post(whep::watch).merge(options(preflight)))
        .route("/{app}/{name}/whip/{session}", one(Direction::inbound))
        .route("/{app}/{name}/whep/{session}", one(Direction::outbound))
        .layer(middleware::map_response(cors))
        .with_state(shared)
}

async fn cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("Location, ETag, Link, Retry-After, Accept-Patch, Accept-Post");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// RFC 9725 §4.2: OPTIONS names what POST takes; browsers ask it before a cross-origin request.
async fn preflight() -> impl IntoResponse {
    (
        StatusCode::NO_CONTENT,
        [
            (header::ALLOW, "POST, PATCH, DELETE, OPTIONS"),
            (ACCEPT_POST, SDP),
            (ACCEPT_PATCH, TRICKLE),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH, DELETE, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match"),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        ],
    )
}

fn stream_id(app: &str, name: &str) -> Result<StreamId, Problem> {
    let name = StreamName::new(app, name).map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(StreamId::local(name))
}

/// What lets the client in: 401 or 403 in words otherwise.
fn let_in(
    shared: &Shared,
    presented: &Presented,
    action: Action,
    stream: &StreamId,
) -> Result<Pass, Problem> {
    shared.access.allow(presented.as_str(), action, stream, unix_seconds(shared)).map_err(|d| refuse(&d))
}

/// The last word before a session is made: a token that counts its uses counts this one.
fn enter(shared: &Shared, pass: Pass) -> Result<Pass, Problem> {
    shared.access.enter(pass, unix_seconds(shared)).map_err(|denied| refuse(&denied))
}

fn unix_seconds(shared: &Shared) -> u64 {
    shared.clock.at(std::time::Instant::now()).unix_seconds()
}

fn refuse(denied: &Denied) -> Problem {
    if denied.is_passing() {
        return Problem::unavailable(denied.to_string()).retry_after(5);
    }
    let status = if denied.is_unauthenticated() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let problem = Problem::new(status, denied.to_string());
    if denied.is_genuine() { problem.genuine() } else { problem }
}

/// A place among the sessions whose peer has not sent a valid ICE check yet: they cost memory and vouch for nothing.
fn unconnected(shared: &Shared, peer: Peer) -> Result<Place, Problem> {
    shared.unconnected.admit(peer.0).map_err(|full| match full {
        Full::Total(max) => {
            let detail = format!("{max} WebRTC sessions are waiting for their peers to connect, the limit");
            Problem::unavailable(detail).retry_after(UNCONNECTED_RETRY_S)
        }
        Full::Address(max) => {
            let detail = format!(
                "{max} WebRTC sessions of this address are waiting to connect, the limit; each ends after 10 s without ICE"
            );
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(UNCONNECTED_RETRY_S)
        }
    })
}

/// A place among the node's sessions, for whoever `pass` lets in.
fn listed(
    shared: &Shared,
    (role, protocol): (Role, &'static str),
    stream: &StreamId,
    pass: &Pass,
    Peer(peer): Peer,
) -> Result<Ticket, Refusal> {
    let entrance = Entrance {
        role,
        protocol,
        stream: stream.clone(),
        address: Some(peer),
        who: pass.id(),
        token: pass.token().map(str::to_owned),
        since: std::time::Instant::now(),
    };
    Ok(shared.hub.enter(entrance)?)
}

/// 415 unless the Content-Type is `wanted`; parameters after a semicolon are ignored.
fn expect_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let detail = format!("Content-Type must be {wanted}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// The body as text: 413 beyond `max` bytes, 400 if it is not UTF-8.
async fn text(body: Body, max: usize) -> Result<String, Problem> {
    let too_large = || {
        let detail = format!("an SDP here has at most {max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let bytes = to_bytes(body, max).await.map_err(|_| too_large())?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::bad_request("the SDP is not UTF-8"))
}

fn busy() -> Problem {
    Problem::unavailable("the server is busy or shutting down; try again").retry_after(2)
}

/// Sends a command to a worker and waits for the answer.
async fn ask<T>(
    shared: &Shared,
    worker: usize,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    let mailbox = shared.mailboxes.get(worker).ok_or_else(busy)?;
    mailbox.command(command(reply)).map_err(|_| busy())?;
    match tokio::time::timeout(WORKER_PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(busy()),
    }
}

/// 201 with everything RFC 9725 §4.2 asks for.
fn created(location: String, opened: Opened) -> Response {
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, opened.etag),
        (ACCEPT_PATCH, TRICKLE.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::CREATED, headers, opened.answer).into_response()
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Offer(OfferError::TooLong(_)) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            Refusal::Offer(OfferError::NoCommonCodec(_)) => Self::new(StatusCode::NOT_ACCEPTABLE, detail),
            Refusal::Offer(OfferError::Internal(_)) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
            Refusal::Offer(_) | Refusal::Fragment(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Refusal::Reordered(_) => Self::new(StatusCode::NOT_ACCEPTABLE, detail),
            Refusal::Gone => Self::not_found(detail),
            Refusal::Stale => Self::new(StatusCode::PRECONDITION_FAILED, detail),
            Refusal::Crowded(_) => Self::unavailable(detail).retry_after(5),
            Refusal::Publish(PublishError::OverQuota(_)) => Self::forbidden(detail),
            Refusal::Publish(PublishError::Blocked { seconds, .. }) => {
                Self::unavailable(detail).retry_after(seconds)
            }
            Refusal::Refused(_) => Self::unavailable(detail).retry_after(10),
            Refusal::Publish(PublishError::Taken { .. }) => Self::new(StatusCode::CONFLICT, detail),
            Refusal::Publish(_) => Self::unavailable(detail).retry_after(5),
        }
    }
}
