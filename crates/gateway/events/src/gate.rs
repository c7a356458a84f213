//! The release gate of a room's stream.

use crate::{
    Context,
    caller::{AsHost, Sent},
    post::unprocessable,
};
use axum::{Json, extract::State, http::StatusCode};
use std::sync::Arc;
use unisono_api::{GateRequest, Problem};
use unisono_base::{MediaTime, RoomId, Span};
use unisono_hub::{ReleaseGate, Stream};
use unisono_media::Kind;

/// Sets the gate: what the span shows, nobody has before `t + delay` by any door.
pub(crate) async fn set(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
    Sent(request): Sent<GateRequest>,
) -> Result<Json<GateRequest>, Problem> {
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
pub(crate) async fn lift(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
) -> Result<StatusCode, Problem> {
    let stream = live(&context, &room)?;
    let Some(gate) = stream.gate() else { return Err(Problem::not_found("this stream has no gate")) };
    let now = MediaTime::from_micros(context.rooms.clock_micros());
    let until = now.max(gate.from() + Span::from_micros(1));
    let ended = ReleaseGate::new(gate.from(), Some(until), gate.delay());
    stream.set_gate(ended.ok());
    Ok(StatusCode::NO_CONTENT)
}

fn live(context: &Context, room: &RoomId) -> Result<Arc<Stream>, Problem> {
    let stream = context.hub.stream(room.stream());
    stream.ok_or_else(|| Problem::not_found(format!("the room's stream {} is not live", room.stream())))
}

fn newest(stream: &Stream) -> Option<MediaTime> {
    let lead = stream.source(Kind::Video).or_else(|| stream.source(Kind::Audio));
    lead.and_then(|ring| ring.newest())
}
