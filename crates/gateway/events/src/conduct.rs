//! What those who run a room do with it: moderation, lockstep, the room as it stands.

use crate::{
    Context,
    caller::{AsHost, AsModerator, AsViewer, Sent},
    commands::explain,
    post::unprocessable,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use unisono_api::{LockstepRequest, Problem};
use unisono_base::RoomId;
use unisono_room::{Discipline, Measure, View, Visitor};
use unisono_timeline::{At, Command, Lane, Person, Role, Uuid, Verb};

/// The room as it stands, for whoever may watch.
pub(crate) async fn snapshot(
    State(context): State<Arc<Context>>,
    AsViewer { room }: AsViewer,
) -> Result<Response, Problem> {
    let look = context.rooms.look(room).await.map_err(|error| explain(&error))?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(([kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], look.standing).into_response())
}

/// Mutes, bans, slows; told to the room as an event of the lane `moderation`.
pub(crate) async fn moderate(
    State(context): State<Arc<Context>>,
    AsModerator { room, visitor }: AsModerator,
    Sent(measure): Sent<Measure>,
) -> Result<Json<Discipline>, Problem> {
    let discipline = context.rooms.measure(&room, &measure).await.map_err(|error| explain(&error))?;
    let data = serde_json::to_value(&measure).map_err(|error| unprocessable(error.to_string()))?;
    tell(&context, room, "moderation", Lane::Moderation, data, visitor.person).await?;
    Ok(Json(discipline))
}

/// All viewers hold one latency, or each their own.
pub(crate) async fn lockstep(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
    Sent(LockstepRequest { on }): Sent<LockstepRequest>,
) -> Result<StatusCode, Problem> {
    context.rooms.set_lockstep(&room, on).map_err(|error| explain(&error))?;
    Ok(StatusCode::NO_CONTENT)
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
