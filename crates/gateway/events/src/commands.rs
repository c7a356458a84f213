//! Commands as they are written down, by HTTP or on a feed, and what they are answered.

use crate::{
    Context, access,
    post::{BODY_MAX, parse_room, read_body, span, unprocessable},
    visitor::{self, Claims},
};
use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, Path, Query, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{
    Deserialize, Serialize,
    de::value::{Error as ValueError, StrDeserializer},
};
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{At as ApiAt, CommandRequest, Presented, Problem};
use unisono_base::{MediaTime, Span};
use unisono_room::{RoomError, View};
use unisono_timeline::{Ack, At, Command, Lane, Late, Seen, Status, Uuid, Verb};

/// B_p of a sender whose player is not known: what an LL-HLS player holds back, and a second (fairness spec 6).
pub(crate) const BUFFER_UNKNOWN: Span = Span::from_millis(3_500);

/// 200 with the [`Ack`] once it is written; 403, 409 and 422 with it where it was refused.
pub(crate) async fn post(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    claims: Query<Claims>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let answer = take(&context, &room, &claims, (presented, peer), &headers, body).await;
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    context.metrics.post(response.status().as_u16());
    response
}

async fn take(
    context: &Context,
    room: &str,
    claims: &Claims,
    (presented, peer): (Presented, Option<SocketAddr>),
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let room = parse_room(room)?;
    let (visitor, pass) = visitor::identify(context, &room, &presented, claims, (peer, headers))?;
    let request: CommandRequest = read_body(headers, body)?;
    let (command, claimed) = command(request).map_err(unprocessable)?;
    access::enter(context, pass)?;
    let view = View { rtt_min: Span::ZERO, buffer: BUFFER_UNKNOWN, claimed };
    let (ack, _) =
        context.rooms.command(room, command, &visitor, view).await.map_err(|error| explain(&error))?;
    let status = status_of(ack.status);
    Ok((status, [(header::CACHE_CONTROL, "no-store")], axum::Json(ack)).into_response())
}

pub(crate) fn status_of(status: Status) -> StatusCode {
    match status {
        Status::Accepted | Status::Duplicate => StatusCode::OK,
        Status::Late | Status::Outbid | Status::Sold => StatusCode::CONFLICT,
        Status::Forbidden => StatusCode::FORBIDDEN,
        Status::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// The command that a request means, and what its sender says to have seen. Errors name the field.
pub(crate) fn command(request: CommandRequest) -> Result<(Command, Option<Seen>), String> {
    let uuid = |field: &str, text: &str| {
        Uuid::parse_str(text).map_err(|error| format!("{field} must be a UUID: {error}"))
    };
    let lane = request.lane.as_deref().map(str::parse::<Lane>).transpose();
    let late = request.late.as_deref().map(str::parse::<Late>).transpose();
    let seen = request.seen.map(|seen| Seen { t: MediaTime::from_micros(seen.t), seq: seen.seq });
    let command = Command {
        cmd_id: uuid("cmd_id", &request.cmd_id)?,
        ty: request.ty,
        verb: verb(&request.verb)?,
        lane: lane.map_err(|error| error.to_string())?,
        at: at(request.at),
        dur: request.dur.map(span),
        ttl: request.ttl.map(span),
        late: late.map_err(|error| error.to_string())?,
        subject: request.subject.as_deref().map(|text| uuid("subject", text)).transpose()?,
        data: request.data,
    };
    Ok((command, seen))
}

pub(crate) fn at(at: ApiAt) -> At {
    match at {
        ApiAt::Now => At::Now,
        ApiAt::T(micros) => At::T(MediaTime::from_micros(micros)),
    }
}

/// The word as `timeline` spells it.
fn verb(word: &str) -> Result<Verb, String> {
    let verb = Verb::deserialize(StrDeserializer::<ValueError>::new(word));
    verb.map_err(|error| format!("do: {error}"))
}

/// A room's error as an HTTP answer.
pub(crate) fn explain(error: &RoomError) -> Problem {
    let words = error.to_string();
    match error {
        RoomError::Refused(_) | RoomError::Measure(_) => unprocessable(words),
        RoomError::Silenced(_) | RoomError::Banned => Problem::forbidden(words),
        RoomError::TooFast(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, words).retry_after(1),
        RoomError::Log(_) => {
            tracing::error!(error = %words, "a room's log failed");
            Problem::unavailable(words).retry_after(1)
        }
        _ => Problem::unavailable(words).retry_after(1),
    }
}

/// The same as a feed's answer: an acknowledgement that nothing was done.
#[derive(Debug, Serialize)]
pub(crate) struct Unanswered<'a> {
    pub(crate) cmd_id: &'a str,
    /// `forbidden`, `invalid`, or `busy`: worth trying again.
    pub(crate) status: &'static str,
    pub(crate) words: String,
}

impl<'a> Unanswered<'a> {
    pub(crate) fn new(cmd_id: &'a str, error: &RoomError) -> Self {
        let status = match error {
            RoomError::Refused(_) | RoomError::Measure(_) => "invalid",
            RoomError::Silenced(_) | RoomError::Banned => "forbidden",
            _ => "busy",
        };
        Self { cmd_id, status, words: error.to_string() }
    }
}

/// The feed's message with an answer.
pub(crate) fn ack_message(ack: &Ack) -> String {
    tagged("ack", ack)
}

/// `{"type": kind, …fields of value}`.
pub(crate) fn tagged(kind: &str, value: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(flatten)]
        value: &'a T,
    }
    // Only maps with keys that are no text fail, which none of ours has.
    serde_json::to_string(&Tagged { kind, value }).unwrap_or_default()
}

/// Said where a message is longer than it may be.
pub(crate) fn too_long() -> String {
    format!("a message is at most {BODY_MAX} bytes; send a reference instead")
}
