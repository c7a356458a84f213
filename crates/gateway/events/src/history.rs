//! A room's log to take away, its proof, and what must be forgotten of it.

use crate::{
    Context,
    caller::{AsHost, AsViewer, Sent},
    commands::explain,
};
use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use unisono_api::Problem;
use unisono_room::Erase;

/// Checkpoints in one answer.
const CHECKPOINTS_MAX: usize = 100;

/// `GET /api/v1/rooms/{room}/log`: JSON lines for `unisono verify`. A host's: hidden entries are in it, but for those of
/// windows that are not decided.
pub(crate) async fn export(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
) -> Result<Response, Problem> {
    let export = context.rooms.export(&room).await.map_err(|error| explain(&error))?;
    let export = export.ok_or_else(unsigned)?;
    let lines = stream::unfold(export, |mut export| async move {
        let lines = export.next().await?;
        Some((lines.map_err(std::io::Error::other), export))
    });
    let name = format!("attachment; filename=\"{}.log\"", room.to_string().replace(':', "-"));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// `GET /api/v1/rooms/{room}/fairness`: what `unisono verify --fairness` computes from the log as it is now.
pub(crate) async fn fairness(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
) -> Result<Response, Problem> {
    let report = context.rooms.report(&room).await.map_err(|error| explain(&error))?;
    let report = report.ok_or_else(unsigned)?;
    let answer = json!({
        "bad": report.bad, "last_n": report.last_n, "withheld": report.withheld, "results": report.windows,
        "room": report.fairness.room, "windows": report.fairness.windows,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Query of [`checkpoints`].
#[derive(Debug, Deserialize)]
pub(crate) struct FromEntry {
    /// The first entry whose checkpoint is wanted; without it the newest checkpoint.
    from_n: Option<u64>,
}

/// `GET /api/v1/rooms/{room}/checkpoints`: the node's word about the log, for whoever wants to hold it to that later.
pub(crate) async fn checkpoints(
    State(context): State<Arc<Context>>,
    AsViewer { room }: AsViewer,
    query: Result<Query<FromEntry>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(FromEntry { from_n }) =
        query.map_err(|_| Problem::bad_request("from_n must be a whole number"))?;
    let key = context.rooms.public_key().ok_or_else(unsigned)?;
    let found = match from_n {
        Some(from_n) => context.rooms.checkpoints(&room, from_n, CHECKPOINTS_MAX).await,
        None => context.rooms.newest_checkpoint(&room).await.map(|newest| newest.into_iter().collect()),
    };
    Ok(Json(json!({ "key": key, "checkpoints": found.map_err(|error| explain(&error))? })))
}

/// What is to be forgotten: `{"n": 7}` or `{"person": "~bob"}`.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Forget {
    /// What one entry says.
    Entry {
        /// Its number in the log.
        n: u64,
    },
    /// Who somebody was, and all they wrote.
    Person {
        /// Their id.
        person: Arc<str>,
    },
}

/// `POST /api/v1/rooms/{room}/erase`: digests stay, so that the log still verifies.
pub(crate) async fn erase(
    State(context): State<Arc<Context>>,
    AsHost { room, .. }: AsHost,
    Sent(forget): Sent<Forget>,
) -> Result<Json<Value>, Problem> {
    let what = match forget {
        Forget::Entry { n } => Erase::Payload { n },
        Forget::Person { person } => Erase::Person { id: person },
    };
    let entries = context.rooms.erase(&room, what).await.map_err(|error| explain(&error))?;
    Ok(Json(json!({ "entries": entries })))
}

fn unsigned() -> Problem {
    Problem::not_found("this node keeps no signed logs")
}
