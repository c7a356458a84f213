//! What those who run a room do with it: types, moderation, the gate, lockstep, the room as it stands.

use crate::{
    Context, access,
    commands::explain,
    post::{parse_room, read_body, unprocessable},
    visitor::{self, Claims},
};
use axum::{
    Extension, Json,
    body::Bytes,
    extract::{ConnectInfo, Path, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{GateRequest, LockstepRequest, Presented, Problem};
use unisono_base::{MediaTime, RoomId, Span};
use unisono_hub::{ReleaseGate, Stream};
use unisono_media::Kind;
use unisono_room::{Discipline, Measure, View, Visitor};
use unisono_timeline::{At, Command, EventType, Lane, Person, Role, Uuid, Verb};

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// The room as it stands, for whoever may watch.
pub(crate) async fn snapshot(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    presented: Presented,
) -> Result<Response, Problem> {
    let room = parse_room(&room)?;
    access::view(&context, &presented, room.stream())?;
    let look = context.rooms.look(room).await.map_err(|error| explain(&error))?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(([kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], look.standing).into_response())
}

/// Built-in types and the tenant's own.
pub(crate) async fn types(State(context): State<Arc<Context>>) -> Json<serde_json::Value> {
    Json(json!({ "types": context.rooms.types().iter().collect::<Vec<_>>() }))
}

/// Registers a type, or changes it.
pub(crate) async fn put_type(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    access::admin(&context, &presented, address(peer), &headers)?;
    let ty: EventType = read_body(&headers, body)?;
    if ty.name != name {
        return Err(unprocessable(format!("the path says {name:?} and the body {:?}", ty.name)));
    }
    context.rooms.register(ty.clone()).await.map_err(|error| explain(&error))?;
    Ok(Json(ty).into_response())
}

/// Takes a type away.
pub(crate) async fn delete_type(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    access::admin(&context, &presented, address(peer), &headers)?;
    match context.rooms.unregister(&name).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error @ unisono_room::RoomError::NoSuchType(_)) => Err(Problem::not_found(error.to_string())),
        Err(error) => Err(explain(&error)),
    }
}

/// Mutes, bans, slows; told to the room as an event of the lane `moderation`.
pub(crate) async fn moderate(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Discipline>, Problem> {
    let room = parse_room(&room)?;
    let visitor = at_least(&context, &room, Role::Moderator, (&presented, address(peer), &headers))?;
    let measure: Measure = read_body(&headers, body)?;
    let discipline = context.rooms.measure(&room, &measure).await.map_err(|error| explain(&error))?;
    let data = serde_json::to_value(&measure).map_err(|error| unprocessable(error.to_string()))?;
    tell(&context, room, "moderation", Lane::Moderation, data, visitor.person).await?;
    Ok(Json(discipline))
}

/// Sets the release gate: what the span shows, nobody has before `t + delay` by any door.
pub(crate) async fn set_gate(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<GateRequest>, Problem> {
    let room = parse_room(&room)?;
    at_least(&context, &room, Role::Host, (&presented, address(peer), &headers))?;
    let request: GateRequest = read_body(&headers, body)?;
    let stream = live(&context, &room)?;
    let newest = newest(&stream).unwrap_or_else(|| MediaTime::from_micros(context.rooms.clock_micros()));
    let next = newest + Span::from_micros(1);
    let from = request.from.map_or(next, MediaTime::from_micros);
    if from < next {
        let words =
            format!("the stream is at {} already: what was given cannot be held back", newest.as_micros());
        return Err(unprocessable(words));
    }
    let until = request.until.map(MediaTime::from_micros);
    let gate = ReleaseGate::new(from, until, Span::from_micros(request.delay));
    let gate = gate.map_err(|error| unprocessable(error.to_string()))?;
    stream.set_gate(Some(gate));
    Ok(Json(GateRequest { from: Some(from.as_micros()), ..request }))
}

/// Ends the gate at the newest frame: what is held already stays held for its time.
pub(crate) async fn lift_gate(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let room = parse_room(&room)?;
    at_least(&context, &room, Role::Host, (&presented, address(peer), &headers))?;
    let stream = live(&context, &room)?;
    let Some(gate) = stream.gate() else { return Err(Problem::not_found("this stream has no gate")) };
    let now = MediaTime::from_micros(context.rooms.clock_micros());
    let until = now.max(gate.from() + Span::from_micros(1));
    let ended = ReleaseGate::new(gate.from(), Some(until), gate.delay());
    stream.set_gate(ended.ok());
    Ok(StatusCode::NO_CONTENT)
}

/// All viewers hold one latency, or each their own.
pub(crate) async fn lockstep(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let room = parse_room(&room)?;
    at_least(&context, &room, Role::Host, (&presented, address(peer), &headers))?;
    let LockstepRequest { on } = read_body(&headers, body)?;
    context.rooms.set_lockstep(&room, on).map_err(|error| explain(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever asks, if they are of this role at least.
pub(crate) fn at_least(
    context: &Context,
    room: &RoomId,
    role: Role,
    (presented, peer, headers): (&Presented, Option<SocketAddr>, &HeaderMap),
) -> Result<Visitor, Problem> {
    let claims = Claims::default();
    let (visitor, pass) = visitor::identify(context, room, presented, &claims, (peer, headers))?;
    if visitor.role < role {
        let words = format!("this needs the role {role}; a key or a token that grants it helps");
        let is_known = !presented.as_str().is_empty();
        return Err(if is_known { Problem::forbidden(words) } else { Problem::unauthorized(words) });
    }
    access::enter(context, pass)?;
    Ok(visitor)
}

pub(crate) fn address(peer: Peer) -> Option<SocketAddr> {
    peer.map(|Extension(ConnectInfo(peer))| peer)
}

/// An event by the server's own hand, said in the name of whoever asked for it.
async fn tell(
    context: &Context,
    room: RoomId,
    ty: &str,
    lane: Lane,
    data: serde_json::Value,
    person: Person,
) -> Result<(), Problem> {
    let command = Command {
        cmd_id: Uuid::now_v7(),
        ty: ty.to_owned(),
        verb: Verb::Send,
        lane: Some(lane),
        at: At::Now,
        dur: None,
        ttl: None,
        late: None,
        subject: None,
        data,
    };
    let visitor = Visitor { person, role: Role::System };
    let answer = context.rooms.command(room, command, &visitor, View::default()).await;
    let (ack, event) = answer.map_err(|error| explain(&error))?;
    event.map(drop).ok_or_else(|| unprocessable(ack.words.unwrap_or_default()))
}

fn live(context: &Context, room: &RoomId) -> Result<Arc<Stream>, Problem> {
    let stream = context.hub.stream(room.stream());
    stream.ok_or_else(|| Problem::not_found(format!("the room's stream {} is not live", room.stream())))
}

fn newest(stream: &Stream) -> Option<MediaTime> {
    let lead = stream.source(Kind::Video).or_else(|| stream.source(Kind::Audio));
    lead.and_then(|ring| ring.newest())
}
