//! `POST /api/v1/rooms/{room}/inbox`: what the tenant's own systems say: purchases, gifts, payments of reserved units.
//! Signed as Standard Webhooks has it, so that a payment provider's or one's own sender needs no key of this API.

use crate::{
    Context,
    commands::{command, explain},
    post::{BODY_MAX, parse_room, unprocessable},
};
use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use unisono_api::{CommandRequest, Problem};
use unisono_auth::verify_signature;
use unisono_base::MediaTime;
use unisono_room::{View, Visitor};
use unisono_timeline::{Person, Role};

/// 200 with the acknowledgement. The command's `cmd_id` makes a delivery repeatable, as its sender will repeat it.
pub(crate) async fn post(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let room = parse_room(&room)?;
    let body = body.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body here is at most {BODY_MAX} bytes"))
    })?;
    check(&context, &headers, &body)?;
    let request: CommandRequest = serde_json::from_slice(&body)
        .map_err(|error| unprocessable(format!("the signed body is no command: {error}")))?;
    let (command, claimed) = command(request).map_err(unprocessable)?;
    let visitor = Visitor { person: Person { id: "inbox".into(), name: None }, role: Role::System };
    let view = View { claimed, ..View::default() };
    let answer = context.rooms.command(room, command, &visitor, view).await;
    let (ack, _) = answer.map_err(|error| explain(&error))?;
    let status = crate::commands::status_of(ack.status);
    Ok((status, [(header::CACHE_CONTROL, "no-store")], axum::Json(ack)).into_response())
}

fn check(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let rules = context.rules.now();
    if rules.inbox_secrets.is_empty() {
        return Err(Problem::not_found("this node takes no signed messages: [rooms] inbox_secrets is empty"));
    }
    let field = |name: &'static str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| Problem::unauthorized(format!("the header {name} is missing")))
    };
    let (id, signed) = (field("webhook-id")?, field("webhook-signature")?);
    let timestamp = field("webhook-timestamp")?.parse::<u64>();
    let timestamp =
        timestamp.map_err(|_| Problem::unauthorized("webhook-timestamp must be whole seconds"))?;
    let now = MediaTime::from_micros(context.rooms.clock_micros()).unix_seconds();
    let verified = verify_signature(&rules.inbox_secrets, (id, timestamp, body), signed, now);
    verified.map_err(|error| Problem::unauthorized(error.to_string()))
}
