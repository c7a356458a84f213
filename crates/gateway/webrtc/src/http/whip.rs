//! `POST /{app}/{name}/whip`: publish.

use super::{SDP, ask, created, expect_type, stream_id, text};
use crate::{
    SessionId,
    command::{Command, Publish},
    gateway::Shared,
};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::Response,
};
use std::{collections::HashMap, sync::Arc, time::Instant};
use unisono_api::Problem;
use unisono_auth::Denied;

/// 201 with the answer, or a problem in words. The key comes as Bearer token, or as `?key=` from simple tools.
pub(super) async fn publish(
    State(shared): State<Arc<Shared>>,
    Path((app, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let posted = Instant::now();
    let stream = stream_id(&app, &name)?;
    let presented = presented_key(&headers).or(query.get("key").map(String::as_str)).unwrap_or_default();
    let key = shared.keyring.publish(presented, &stream).map_err(refuse_key)?;
    expect_type(&headers, SDP)?;
    let offer = text(body, shared.config.limits.sdp_bytes_max).await?;
    let worker = shared.least_loaded();
    let seat = shared.publishers.take(&shared.mailboxes[worker].load).ok_or_else(|| {
        let max = shared.config.limits.publishers_max;
        Problem::unavailable(format!("the server has {max} WebRTC publishers, its limit")).retry_after(10)
    })?;
    let id = SessionId::random().map_err(|error| Problem::unavailable(error.to_string()))?;
    let command = |reply| Command::Publish(Publish { id, seat, stream, key, offer, posted, reply });
    let opened = ask(&shared, worker, command).await??;
    Ok(created(format!("/{app}/{name}/whip/{id}"), opened))
}

fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn refuse_key(denied: Denied) -> Problem {
    let detail = denied.to_string();
    match denied {
        Denied::Missing | Denied::Malformed | Denied::Unknown(_) => Problem::unauthorized(detail),
        _ => Problem::forbidden(detail),
    }
}
