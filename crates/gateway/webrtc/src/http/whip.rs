//! `POST /{app}/{name}/whip`: publish.

use super::{SDP, ask, created, enter, expect_type, let_in, listed, stream_id, text, unconnected};
use crate::{
    SessionId,
    command::{Command, Publish},
    gateway::Shared,
};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use std::{collections::HashMap, sync::Arc, time::Instant};
use unisono_api::{Peer, Presented, Problem};
use unisono_auth::{Action, PresentedKey};
use unisono_base::StreamId;
use unisono_hub::Role;

/// 201 with the answer, or a problem in words. The key or token comes as Bearer, in the path, or as `?key=` from simple tools.
pub(super) async fn publish(
    State(shared): State<Arc<Shared>>,
    Path((app, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let posted = Instant::now();
    let stream = stream_id(&app, &name)?;
    let presented = presented.or(query.get("key").map(String::as_str));
    let pass = let_in(&shared, &presented, Action::Publish, &stream)
        .inspect_err(|problem| denied(&shared, &stream, &presented, &problem.detail))?;
    expect_type(&headers, SDP)?;
    let offer = text(body, shared.config.limits.sdp_bytes_max).await?;
    let unconnected = unconnected(&shared, peer)?;
    let pass =
        enter(&shared, pass).inspect_err(|problem| denied(&shared, &stream, &presented, &problem.detail))?;
    let worker = shared.least_loaded();
    let seat = shared.publishers.take(&shared.mailboxes[worker].load).ok_or_else(|| {
        let max = shared.config.limits.publishers_max;
        Problem::unavailable(format!("the server has {max} WebRTC publishers, its limit")).retry_after(10)
    })?;
    let id = SessionId::random().map_err(|error| Problem::unavailable(error.to_string()))?;
    let ticket = listed(&shared, (Role::Publisher, "whip"), &stream, &pass, peer)?;
    let command = |reply| {
        Command::Publish(Publish { id, seat, unconnected, stream, ticket, pass, offer, posted, reply })
    };
    let opened = ask(&shared, worker, command).await??;
    Ok(created(format!("/{app}/{name}/whip/{id}"), opened))
}

fn denied(shared: &Shared, stream: &StreamId, presented: &Presented, words: &str) {
    let key = PresentedKey::parse(presented.as_str()).map(|key| key.id());
    shared.hub.denied(stream, key, "whip", words.to_owned(), shared.clock.at(Instant::now()));
}
