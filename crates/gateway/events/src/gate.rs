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

/// Sets the gate: what the span shows, nobody has before `t + delay` by any door. A stream has one gate: another would give
/// away what it holds, so it is refused until that one is over. The same one may be made longer.
pub(crate) async fn set(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
    Sent(request): Sent<GateRequest>,
) -> Result<Json<GateRequest>, Problem> {
    let stream = live(&context, &room)?;
    let newest = newest(&stream).unwrap_or_else(|| MediaTime::from_micros(context.rooms.clock_micros()));
    let next = newest + Span::from_micros(1);
    let from = request.from.map_or(next, MediaTime::from_micros);
    let until = request.until.map(MediaTime::from_micros);
    let gate = ReleaseGate::new(from, until, Span::from_micros(request.delay));
    let gate = gate.map_err(|error| unprocessable(error.to_string()))?;
    // One that has begun and goes on holds what is to come, from its old end at the latest.
    let goes_on =
        |current: ReleaseGate| current.is_within(&gate) && current.until().is_none_or(|until| until >= next);
    if from < next && !stream.gate().is_some_and(goes_on) {
        let words =
            format!("the stream is at {} already: what was given cannot be held back", newest.as_micros());
        return Err(unprocessable(words));
    }
    let now = MediaTime::from_micros(context.rooms.clock_micros());
    stream.replace_gate(gate, now).map_err(|current| in_force(&current, now))?;
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
    let newest = newest(&stream).map_or(now, |newest| newest.max(now));
    // Before it begins it holds nothing, and leaves nothing behind that another gate would wait for.
    let ended = if newest < gate.from() {
        None
    } else {
        let until = now.max(gate.from() + Span::from_micros(1));
        let until = gate.until().map_or(until, |old| until.min(old));
        ReleaseGate::new(gate.from(), Some(until), gate.delay()).ok()
    };
    stream.set_gate(ended);
    Ok(StatusCode::NO_CONTENT)
}

/// Why another gate has to wait, and for what.
fn in_force(gate: &ReleaseGate, now: MediaTime) -> Problem {
    let (from, held_s) = (gate.from().as_micros(), gate.delay().as_micros() as f64 / 1e6);
    let what = format!("this stream has a gate already, from {from}, which holds back by {held_s} s");
    let Some(until) = gate.until() else {
        let words = format!(
            "{what} until it is lifted: lift it first, or another gate would give away what it holds"
        );
        return Problem::new(StatusCode::CONFLICT, words);
    };
    let wait = until.as_micros().saturating_add(gate.delay().as_micros()).saturating_sub(now.as_micros());
    let wait_s = u32::try_from(wait / 1_000_000 + 1).unwrap_or(u32::MAX);
    let words = format!(
        "{what} and is over in {wait_s} s: another one now would give away what it holds; try again then, or lift one that has not begun"
    );
    Problem::new(StatusCode::CONFLICT, words).retry_after(wait_s)
}

fn live(context: &Context, room: &RoomId) -> Result<Arc<Stream>, Problem> {
    let stream = context.hub.stream(room.stream());
    stream.ok_or_else(|| Problem::not_found(format!("the room's stream {} is not live", room.stream())))
}

fn newest(stream: &Stream) -> Option<MediaTime> {
    let lead = stream.source(Kind::Video).or_else(|| stream.source(Kind::Audio));
    lead.and_then(|ring| ring.newest())
}
