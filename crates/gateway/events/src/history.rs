//! A room's log to take away, and what must be forgotten of it.

use crate::{
    Context,
    commands::explain,
    conduct::{address, at_least},
    post::{parse_room, read_body},
};
use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{Presented, Problem};
use unisono_room::Erase;
use unisono_timeline::Role;

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// `GET /api/v1/rooms/{room}/log`: JSON lines for `unisono verify`. A host's: hidden entries are in it.
pub(crate) async fn export(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let room = parse_room(&room)?;
    at_least(&context, &room, Role::Host, (&presented, address(peer), &headers))?;
    let export = context.rooms.export(&room);
    let export = export.ok_or_else(|| Problem::not_found("this node keeps no signed logs"))?;
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
    Path(room): Path<String>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<serde_json::Value>, Problem> {
    let room = parse_room(&room)?;
    at_least(&context, &room, Role::Host, (&presented, address(peer), &headers))?;
    let what = match read_body(&headers, body)? {
        Forget::Entry { n } => Erase::Payload { n },
        Forget::Person { person } => Erase::Person { id: person },
    };
    let entries = context.rooms.erase(&room, what).await.map_err(|error| explain(&error))?;
    Ok(Json(json!({ "entries": entries })))
}
