//! `POST /api/v1/rooms/{room}/events`.

use crate::{
    Context, access,
    commands::{at, explain},
};
use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{EventRequest, Presented, Problem};
use unisono_base::{RoomId, Span, Tenant};
use unisono_room::{View, Visitor};
use unisono_timeline::{Command, Person, Role, Uuid, Verb};

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
    let command = event(read_body(headers, body)?).map_err(unprocessable)?;
    access::enter(context, pass)?;
    let visitor = Visitor { person: Person { id: actor.into(), name: None }, role: Role::Host };
    let answer = context.rooms.command(room.clone(), command, &visitor, View::default()).await;
    let (ack, mut event) = answer.map_err(|error| explain(&error))?;
    if let Some(seq) = ack.seq.filter(|_| event.is_none()) {
        // Said before: the same answer as then.
        event = context.rooms.event(&room, seq).await.map_err(|error| explain(&error))?;
    }
    let event = event.ok_or_else(|| unprocessable(ack.words.unwrap_or_default()))?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(&*event)).into_response())
}

/// The room in a path.
pub(crate) fn parse_room(room: &str) -> Result<RoomId, Problem> {
    RoomId::parse(Tenant::default(), room).map_err(|error| {
        Problem::bad_request(format!("a room is written app:name, for example live:alice; {error}"))
    })
}

/// A JSON body. Only `application/json`: a page of another origin cannot send that without asking first (CORS
/// preflight), which it could with a form's content types.
pub(crate) fn read_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body here is at most {BODY_MAX} bytes"))
        }
        _ => Problem::bad_request("the body could not be read"),
    })?;
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let words = "send JSON, with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    serde_json::from_slice(&body).map_err(|error| match error.classify() {
        Category::Data => unprocessable(error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => Problem::bad_request(format!("not JSON: {error}")),
    })
}

/// An event is a command that says itself.
fn event(request: EventRequest) -> Result<Command, String> {
    let cmd_id = request.cmd_id.as_deref().map(Uuid::parse_str).transpose();
    Ok(Command {
        cmd_id: cmd_id
            .map_err(|error| format!("cmd_id must be a UUID: {error}"))?
            .unwrap_or_else(Uuid::now_v7),
        ty: request.ty,
        verb: Verb::Send,
        lane: request.lane.as_deref().map(str::parse).transpose().map_err(|error| format!("{error}"))?,
        at: at(request.at),
        dur: request.dur.map(span),
        ttl: request.ttl.map(span),
        late: request.late.as_deref().map(str::parse).transpose().map_err(|error| format!("{error}"))?,
        subject: None,
        data: request.data,
    })
}

/// Too long for the type is too long for the limit as well.
pub(crate) fn span(micros: u64) -> Span {
    Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

pub(crate) fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
