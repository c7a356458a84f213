//! `POST /api/v1/rooms/{room}/events`.

use crate::{Context, access};
use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::error::Category;
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{At as ApiAt, EventRequest, Presented, Problem};
use unisono_base::{MediaTime, RoomId, Span, Tenant};
use unisono_room::PostError;
use unisono_timeline::{At, Lane, NewEvent, Person, Uuid};

/// Longest body: 1 KiB of data and what belongs to it, in any spelling.
pub(crate) const BODY_MAX: usize = 8 * 1_024;

/// 201 with the event as everybody gets it, once it is ordered and sent.
pub(crate) async fn post(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let response = match take(&context, &room, (peer, presented), &headers, body).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    context.metrics.post(response.status().as_u16());
    response
}

async fn take(
    context: &Context,
    room: &str,
    (peer, presented): (Option<SocketAddr>, Presented),
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let room = parse_room(room)?;
    let (actor, pass) = access::post(context, &room, &presented, peer, headers)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body of an event is at most {BODY_MAX} bytes"),
        ),
        _ => Problem::bad_request("the body could not be read"),
    })?;
    let new = NewEvent { actor: Some(Person { id: actor.into(), name: None }), ..read(headers, &body)? };
    access::enter(context, pass)?;
    let event = context.rooms.post(room, new).await.map_err(|error| explain(&error))?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(&*event)).into_response())
}

/// The room in a path.
pub(crate) fn parse_room(room: &str) -> Result<RoomId, Problem> {
    RoomId::parse(Tenant::default(), room).map_err(|error| {
        Problem::bad_request(format!("a room is written app:name, for example live:alice; {error}"))
    })
}

/// Only `application/json`: a page of another origin cannot send that without asking first (CORS preflight), which
/// it could with a form's content types.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<NewEvent, Problem> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let words = "send the event as JSON, with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let request: EventRequest = serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => unprocessable(error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => Problem::bad_request(format!("not JSON: {error}")),
    })?;
    let lane =
        request.lane.as_deref().map(str::parse).transpose().map_err(|e| unprocessable(format!("{e}")))?;
    let late =
        request.late.as_deref().map(str::parse).transpose().map_err(|e| unprocessable(format!("{e}")))?;
    let cmd_id = request.cmd_id.as_deref().map(Uuid::parse_str).transpose();
    let cmd_id = cmd_id.map_err(|error| unprocessable(format!("cmd_id must be a UUID: {error}")))?;
    Ok(NewEvent {
        lane: lane.unwrap_or(Lane::default()),
        at: match request.at {
            ApiAt::Now => At::Now,
            ApiAt::T(micros) => At::T(MediaTime::from_micros(micros)),
        },
        dur: request.dur.map(span),
        ttl: request.ttl.map(span),
        late,
        cmd_id,
        ..NewEvent::new(request.ty, request.data)
    })
}

/// Too long for the type is too long for the limit as well.
fn span(micros: u64) -> Span {
    Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

fn explain(error: &PostError) -> Problem {
    let words = error.to_string();
    match error {
        PostError::Refused(_) => unprocessable(words),
        PostError::TooFast(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, words).retry_after(1),
        PostError::Busy(_) | PostError::TooManyRooms(_) => Problem::unavailable(words).retry_after(1),
        PostError::Log(_) | PostError::Internal(_) => {
            tracing::error!(error = %words, "an event was not posted");
            Problem::unavailable(words).retry_after(1)
        }
        _ => Problem::unavailable(words),
    }
}
