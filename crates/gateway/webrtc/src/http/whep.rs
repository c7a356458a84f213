//! `POST /{app}/{name}/whep`: watch.

use super::{SDP, ask, created, enter, expect_type, let_in, listed, stream_id, text, unconnected};
use crate::{
    SessionId,
    command::{Command, Refusal, Watch},
    gateway::Shared,
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use std::{sync::Arc, time::Instant};
use unisono_api::{Peer, Presented, Problem};
use unisono_auth::Action;
use unisono_base::{Span, StreamId};
use unisono_hub::{Read, Ring, Role, State as StreamState, Stream};
use unisono_media::Kind;

/// 201 with the answer; 401 or 403 without a token where one is needed; 404 with Retry-After while nobody publishes; 406 for a stream that WebRTC cannot carry.
pub(super) async fn watch(
    State(shared): State<Arc<Shared>>,
    Path((app, name)): Path<(String, String)>,
    peer: Peer,
    presented: Presented,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let posted = Instant::now();
    let id = stream_id(&app, &name)?;
    let pass = let_in(&shared, &presented, Action::View, &id)?;
    expect_type(&headers, SDP)?;
    let offer = text(body, shared.config.limits.sdp_bytes_max).await?;
    let stream = playable(&shared, &id)?;
    let unconnected = unconnected(&shared, peer)?;
    let ticket = listed(&shared, (Role::Viewer, "whep"), &id, &pass, peer)?;
    let pass = enter(&shared, pass)?;
    let worker = shared.least_loaded();
    let seat = shared.viewers.take(&shared.mailboxes[worker].load).ok_or_else(|| {
        let max = shared.config.limits.viewers_max;
        Problem::unavailable(format!("the server has {max} WebRTC viewers, its limit; watch by HLS"))
            .retry_after(10)
    })?;
    let session = SessionId::random().map_err(|error| Problem::unavailable(error.to_string()))?;
    let command = |reply| {
        Command::Watch(Watch { id: session, seat, unconnected, stream, ticket, pass, offer, posted, reply })
    };
    let opened = ask(&shared, worker, command).await??;
    Ok(created(format!("/{app}/{name}/whep/{session}"), opened))
}

/// The stream if somebody publishes it and a decoder could start.
fn playable(shared: &Shared, id: &StreamId) -> Result<Arc<Stream>, Problem> {
    let absent = |detail: String| Problem::not_found(detail).retry_after(1);
    let stream = shared
        .hub
        .stream(id)
        .filter(|stream| matches!(stream.state(), StreamState::Live { .. }))
        .ok_or_else(|| absent(format!("nobody publishes {id} now")))?;
    let is_decodable = match stream.source(Kind::Video) {
        Some(video) if reorders(&video) => return Err(Refusal::Reordered(id.clone()).into()),
        Some(video) => video.config().is_some(),
        None => stream.source(Kind::Audio).is_some_and(|audio| is_settled(&audio)),
    };
    if !is_decodable {
        return Err(absent(format!("{id} has begun, and its first keyframe is awaited")));
    }
    Ok(stream)
}

/// Sound alone for this long means that there is no picture; before it, the picture may be on its way.
const PICTURE_PATIENCE: Span = Span::from_millis(2_500);

fn is_settled(audio: &Ring) -> bool {
    let Some(mut oldest) = audio.oldest_group() else { return false };
    match (audio.read(&mut oldest), audio.newest()) {
        (Read::Frame { frame, .. }, Some(newest)) => newest - frame.t >= PICTURE_PATIENCE,
        _ => false,
    }
}

/// Announced by the SPS, or seen.
fn reorders(ring: &Ring) -> bool {
    let announced = ring.config().and_then(|config| config.picture()).is_some_and(|picture| picture.reorders);
    announced || ring.is_reordered()
}
