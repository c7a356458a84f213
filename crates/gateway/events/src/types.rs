//! Types of events: the templates and the tenant's own.

use crate::{
    Context,
    caller::{AsAdmin, Sent},
    commands::explain,
    post::unprocessable,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;
use std::sync::Arc;
use unisono_api::Problem;
use unisono_room::RoomError;
use unisono_timeline::EventType;

/// Built-in types and the tenant's own.
pub(crate) async fn list(State(context): State<Arc<Context>>) -> Json<serde_json::Value> {
    Json(json!({ "types": context.rooms.types().iter().collect::<Vec<_>>() }))
}

/// Registers a type, or changes it.
pub(crate) async fn put(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    _: AsAdmin,
    Sent(ty): Sent<EventType>,
) -> Result<Json<EventType>, Problem> {
    if ty.name != name {
        return Err(unprocessable(format!("the path says {name:?} and the body {:?}", ty.name)));
    }
    context.rooms.register(ty.clone()).await.map_err(|error| explain(&error))?;
    Ok(Json(ty))
}

/// Takes a type away.
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    _: AsAdmin,
) -> Result<StatusCode, Problem> {
    match context.rooms.unregister(&name).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error @ RoomError::NoSuchType(_)) => Err(Problem::not_found(error.to_string())),
        Err(error) => Err(explain(&error)),
    }
}
