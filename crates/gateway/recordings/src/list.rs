//! What there is, and taking it away.

use crate::{access::Caller, gateway::Node};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use unisono_api::{Problem, RecordingList, RecordingState, RecordingView, TroubleView};
use unisono_base::{MediaTime, StreamId};
use unisono_record::{Recording, RecordingId, RemoveError, StorageError, Trouble};

/// Recordings in a page, at most and by default.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    stream: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(page) = page.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let stream = page.stream.map(|name| stream_id(&name)).transpose()?;
    match &stream {
        Some(stream) => caller.view(&node, stream).await?,
        None => caller.admin(&node)?,
    }
    let before = page.cursor.map(|cursor| cursor.parse()).transpose();
    let before = before.map_err(|_| Problem::bad_request("cursor is the `next` of the page before"))?;
    let max = page.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let recordings = &node.context.recordings;
    let mut found = recordings.list(stream.as_ref(), before, max + 1);
    let has_more = found.len() > max;
    found.truncate(max);
    let next = found.last().filter(|_| has_more).map(|last| last.head.id.to_string());
    let words = Words::of(&caller, &node);
    let recordings_view = found.iter().map(|recording| view(recording, words)).collect();
    let list = RecordingList { recordings: recordings_view, next, complete: recordings.is_loaded() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(list)).into_response())
}

pub(crate) async fn one(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    let recording = watched(&node, &id, &caller).await?;
    let view = view(&recording, Words::of(&caller, &node));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

pub(crate) async fn remove(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.admin(&node)?;
    let recording = found(&node, &id)?;
    let conflict = |words: String| Problem::new(StatusCode::CONFLICT, words);
    let stream = &recording.head.stream;
    match node.context.recordings.remove(recording.head.id, "asked").await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(RemoveError::Storage(error)) => Err(unreadable(&error)),
        Err(error @ RemoveError::Written) => {
            let words = format!("{error}; end it first: DELETE /api/v1/streams/{stream}/recording");
            Err(conflict(words))
        }
        Err(error) => Err(conflict(format!("{error}: take it away there"))),
    }
}

/// The recording, if whoever asks may watch its stream.
pub(crate) async fn watched(node: &Node, id: &str, caller: &Caller) -> Result<Recording, Problem> {
    let recording = found(node, id)?;
    caller.view(node, &stream_id(&recording.head.stream)?).await?;
    Ok(recording)
}

fn found(node: &Node, id: &str) -> Result<Recording, Problem> {
    let id: RecordingId = id.parse().map_err(|error| Problem::not_found(format!("{error}")))?;
    let recordings = &node.context.recordings;
    recordings.get(id).ok_or_else(|| {
        if recordings.is_loaded() {
            return Problem::not_found(format!("there is no recording {id}"));
        }
        Problem::unavailable("the node still reads what was recorded before it started").retry_after(2)
    })
}

pub(crate) fn stream_id(name: &str) -> Result<StreamId, Problem> {
    name.parse().map(StreamId::local).map_err(|error| Problem::bad_request(format!("{error}")))
}

/// What storage says, for whoever asked.
pub(crate) fn unreadable(error: &StorageError) -> Problem {
    tracing::warn!("a recording cannot be read: {error}");
    match error {
        StorageError::Missing(_) => Problem::not_found("this file of the recording is not there"),
        _ => Problem::unavailable("the recording cannot be read from where it is kept; try again")
            .retry_after(5),
    }
}

/// How much is said of what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    /// What storage says, with the server's paths and the bucket's answers.
    Full,
    /// That something does.
    Few,
}

impl Words {
    fn of(caller: &Caller, node: &Node) -> Self {
        if caller.admin(node).is_ok() { Self::Full } else { Self::Few }
    }
}

fn trouble_view(trouble: &Trouble, words: Words) -> TroubleView {
    let words = match words {
        Words::Full => trouble.words.clone(),
        Words::Few => "it cannot be written just now".to_owned(),
    };
    TroubleView { words, since: trouble.since.as_micros() }
}

fn view(recording: &Recording, words: Words) -> RecordingView {
    let (head, summary) = (&recording.head, recording.summary);
    let state = if recording.is_running() { RecordingState::Recording } else { RecordingState::Finished };
    RecordingView {
        id: head.id.to_string(),
        stream: head.stream.clone(),
        state,
        began: head.began.as_micros(),
        from: summary.from.map(MediaTime::as_micros),
        to: summary.to.map(MediaTime::as_micros),
        segments: summary.segments,
        bytes: summary.bytes,
        lost: summary.lost,
        ended: head.ended.map(|ended| ended.as_str().to_owned()),
        continues: head.continues.map(|id| id.to_string()),
        trouble: recording.trouble.as_ref().map(|trouble| trouble_view(trouble, words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_storage_says_is_for_admins() {
        let words = "/srv/video/live/x: No space left on device".to_owned();
        let trouble = Trouble { words: words.clone(), since: MediaTime::from_micros(5) };
        assert_eq!(trouble_view(&trouble, Words::Full).words, words);
        let few = trouble_view(&trouble, Words::Few);
        assert_eq!((few.words.as_str(), few.since), ("it cannot be written just now", 5));
    }
}
