//! PATCH and DELETE of a session's URL, the same for WHIP and WHEP.

use super::{TRICKLE, WORKER_PATIENCE, ask, busy, expect_type, preflight, stream_id, text};
use crate::{
    SessionId,
    command::{Command, IfMatch, Patch, Patched, Refusal},
    directory::Entry,
    gateway::Shared,
    metrics::Direction,
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, options, patch},
};
use std::{sync::Arc, time::Duration};
use unisono_api::Problem;

/// A session that its worker does not have, and that is not over, goes from one worker to another: it is looked for again.
/// Ends when it has arrived, or is over and no longer listed.
const ON_ITS_WAY: Duration = Duration::from_millis(2);

type Parts = Path<(String, String, String)>;

/// The session URL holds 128 random bits, so who has it may use it: no key is asked for again.
pub(super) fn routes(direction: Direction) -> MethodRouter<Arc<Shared>> {
    patch(move |state, path, headers, body| change(direction, state, path, headers, body))
        .merge(delete(move |state, path| close(direction, state, path)))
        .merge(options(preflight))
}

async fn change(
    direction: Direction,
    State(shared): State<Arc<Shared>>,
    path: Parts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (id, _) = find(direction, &shared, &path)?;
    expect_type(&headers, TRICKLE)?;
    let if_match = match headers.get(header::IF_MATCH).map(|v| v.to_str().unwrap_or_default().trim()) {
        Some("*") => IfMatch::Any,
        Some(tag) => IfMatch::Tag(tag.to_owned()),
        None => {
            let detail = "PATCH needs If-Match with the session's ETag, or * to restart ICE";
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
        }
    };
    let fragment = text(body, shared.config.limits.sdp_bytes_max).await?;
    let patched = in_time(async {
        loop {
            let entry = find(direction, &shared, &path)?.1;
            let (fragment, if_match) = (fragment.clone(), if_match.clone());
            let command = |reply| Command::Patch(Patch { id, fragment, if_match, reply });
            match ask(&shared, entry.worker, command).await? {
                Err(Refusal::Gone) => tokio::time::sleep(ON_ITS_WAY).await,
                other => return Ok(other?),
            }
        }
    });
    Ok(match patched.await? {
        Patched::Trickled => StatusCode::NO_CONTENT.into_response(),
        Patched::Restarted { fragment, etag } => {
            let headers = [(header::CONTENT_TYPE, TRICKLE.to_owned()), (header::ETAG, etag)];
            (StatusCode::OK, headers, fragment).into_response()
        }
    })
}

/// 200 once everything of the session is gone.
async fn close(
    direction: Direction,
    State(shared): State<Arc<Shared>>,
    path: Parts,
) -> Result<StatusCode, Problem> {
    in_time(async {
        loop {
            let (id, entry) = find(direction, &shared, &path)?;
            if ask(&shared, entry.worker, |reply| Command::Close { id, reply }).await? {
                return Ok(StatusCode::OK);
            }
            tokio::time::sleep(ON_ITS_WAY).await;
        }
    })
    .await
}

/// A session that never arrives is not looked for longer than one worker is waited for: 503.
async fn in_time<T>(looking: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(WORKER_PATIENCE, looking).await.unwrap_or_else(|_| Err(busy()))
}

fn find(
    direction: Direction,
    shared: &Shared,
    Path((app, name, session)): &Parts,
) -> Result<(SessionId, Entry), Problem> {
    let stream = stream_id(app, name)?;
    let gone = || Problem::not_found("there is no such session, or it is over; make one by POST");
    let id: SessionId = session.parse().map_err(|_| gone())?;
    let entry = shared.directory.session(id).ok_or_else(gone)?;
    if entry.direction != direction || entry.stream != stream {
        return Err(gone());
    }
    Ok((id, entry))
}
