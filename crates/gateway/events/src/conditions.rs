//! How a room is run just now, for those who run it and come back: who may not speak, and what the gate holds. And what
//! was decided in it.

use crate::{
    Context,
    caller::{AsHost, AsModerator, AsViewer},
    commands::explain,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use unisono_api::{GateRequest, Problem};
use unisono_base::MediaTime;

/// `GET .../moderation`: mutes and bans that stand, and slow mode. A moderator's: ids of people are in it.
pub(crate) async fn discipline(
    State(context): State<Arc<Context>>,
    AsModerator { room, .. }: AsModerator,
) -> Result<Response, Problem> {
    let discipline = context.rooms.discipline(&room).map_err(|error| explain(&error))?;
    Ok(fresh(&discipline))
}

/// `GET .../gate`: the span that is held back; 204 where nothing is, and nothing of an older one any more.
pub(crate) async fn gate(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
) -> Result<Response, Problem> {
    let now = MediaTime::from_micros(context.rooms.clock_micros());
    let gate = context.hub.stream(room.stream()).and_then(|stream| stream.gate());
    let Some(gate) = gate.filter(|gate| !gate.is_over(now)) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let from = Some(gate.from().as_micros());
    let until = gate.until().map(|until| until.as_micros());
    Ok(fresh(&GateRequest { from, until, delay: gate.delay().as_micros() }))
}

/// `GET .../windows`: what was decided last, with the terms it was opened under. For whoever may watch.
pub(crate) async fn windows(
    State(context): State<Arc<Context>>,
    AsViewer { room }: AsViewer,
) -> Result<Response, Problem> {
    let windows = context.rooms.decided(&room).await.map_err(|error| explain(&error))?;
    Ok(fresh(&json!({ "windows": windows })))
}

/// An answer of this moment.
fn fresh(value: &impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(value)).into_response()
}
