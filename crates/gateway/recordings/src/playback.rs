//! A recording as HLS and as MP4.

use crate::{
    access::Caller,
    body::{self, Wanted},
    gateway::Node,
    list::{unreadable, watched},
    playlists::Which,
};
use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use unisono_api::Problem;
use unisono_auth::Access;
use unisono_base::MediaTime;
use unisono_proto_hls::{FileName, Item};
use unisono_record::{
    ClipError, Recording, Rendition,
    vod::{self, Growth, Within},
};

/// RFC 8216 §4.
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
/// Names hold the epoch and never repeat, so a file never changes.
const FILE_CACHE: &str = "max-age=31536000, immutable";

/// When a client whose clip found no turn comes again.
const CLIP_AGAIN_S: u32 = 5;

/// `?from=T&to=T`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Clipped {
    from: Option<i64>,
    to: Option<i64>,
}

type Span = Result<Query<Clipped>, QueryRejection>;
type Answer = Result<Response, Problem>;

impl Clipped {
    pub(crate) fn read(span: Span) -> Result<Self, Problem> {
        let Query(span) = span.map_err(|_| {
            Problem::bad_request(
                "from and to are moments T: microseconds since the Unix epoch, whole numbers",
            )
        })?;
        if let (Some(from), Some(to)) = (span.from, span.to)
            && from >= to
        {
            return Err(Problem::bad_request("from must be before to"));
        }
        Ok(span)
    }

    fn is_clip(self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    pub(crate) fn within(self) -> Within {
        Within { from: self.from.map(MediaTime::from_micros), to: self.to.map(MediaTime::from_micros) }
    }

    fn query(self) -> String {
        let pair = |name: &str, value: Option<i64>| value.map(|value| format!("{name}={value}"));
        let pairs: Vec<_> = [pair("from", self.from), pair("to", self.to)].into_iter().flatten().collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

pub(crate) async fn index(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    span: Span,
    caller: Caller,
) -> Answer {
    let span = Clipped::read(span)?;
    let recording = watched(&node, &id, &caller).await?;
    let index = node.context.recordings.index(&recording).await.map_err(|error| unreadable(&error))?;
    let text = vod::multivariant(&index, &span.query()).ok_or_else(|| nothing(&recording))?;
    Ok(playlist(text, &node, &recording))
}

pub(crate) async fn video(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    span: Span,
    caller: Caller,
) -> Answer {
    media(&node, &id, span, &caller, Rendition::Video).await
}

pub(crate) async fn audio(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    span: Span,
    caller: Caller,
) -> Answer {
    media(&node, &id, span, &caller, Rendition::Audio).await
}

async fn media(node: &Node, id: &str, span: Span, caller: &Caller, rendition: Rendition) -> Answer {
    let span = Clipped::read(span)?;
    let recording = watched(node, id, caller).await?;
    let index = node.context.recordings.index(&recording).await.map_err(|error| unreadable(&error))?;
    // A clip whose end was recorded is whole, whether or not the recording goes on.
    let is_past = span.to.is_some_and(|to| recording.summary.to.is_some_and(|end| end.as_micros() >= to));
    let growth = if recording.is_running() && !is_past { Growth::Grows } else { Growth::Whole };
    let which = Which { recording: recording.head.id, rendition, growth, span: span.within() };
    let text = node.playlists.text(which, index).await?.ok_or_else(|| nothing(&recording))?;
    Ok(playlist(text.answer(&which, &caller.headers, &node.sendings)?, node, &recording))
}

fn nothing(recording: &Recording) -> Problem {
    let problem = Problem::not_found("nothing of this is recorded there");
    if recording.is_running() { problem.retry_after(1) } else { problem }
}

fn playlist(text: impl IntoResponse, node: &Node, recording: &Recording) -> Response {
    let age = if recording.is_running() { 1 } else { 60 };
    let headers = [
        (header::CONTENT_TYPE, PLAYLIST_TYPE.to_owned()),
        (header::CACHE_CONTROL, caching(&node.context.access, &format!("max-age={age}"))),
    ];
    (headers, text).into_response()
}

/// Where not everybody may watch, only the viewer's own player keeps it: a shared cache would give it to whoever asks.
fn caching(access: &Access, how_long: &str) -> String {
    let kept_by = if access.is_open() { "public" } else { "private" };
    format!("{kept_by}, {how_long}")
}

pub(crate) async fn file(
    State(node): State<Arc<Node>>,
    Path((id, epoch, kind, file)): Path<(String, String, String, String)>,
    caller: Caller,
) -> Answer {
    let unknown = || Problem::not_found(format!("{epoch}/{kind}/{file} is not in this recording"));
    let name = FileName::parse(&epoch, &kind, &file).ok_or_else(unknown)?;
    let recording = watched(&node, &id, &caller).await?;
    let recordings = &node.context.recordings;
    let index = recordings.index(&recording).await.map_err(|error| unreadable(&error))?;
    let length = index.bytes_of(&name).ok_or_else(unknown)?;
    let item = match name.item {
        Item::Header(n) => format!("i{n}"),
        Item::Segment(segment) => segment.to_string(),
        Item::Part(..) => return Err(unknown()),
    };
    let etag = format!("\"{epoch}-{kind}-{item}\"");
    let headers = vec![
        (header::CONTENT_TYPE, format!("{kind}/mp4")),
        (header::CACHE_CONTROL, caching(&node.context.access, FILE_CACHE)),
        (header::ETAG, etag.clone()),
    ];
    if body::is_known(&caller.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let wanted = body::wanted(&caller.headers, length);
    let range = match &wanted {
        Wanted::Part(range) => Some(range.clone()),
        Wanted::Whole | Wanted::Beyond => None,
    };
    if wanted == Wanted::Beyond {
        return Ok(body::answer(&wanted, length, headers, |_| Body::empty()));
    }
    // Before it is read: what is read is in memory.
    let sending = node.sendings.begin(range.as_ref().map_or(length, |range| range.end - range.start))?;
    let bytes = recordings.file(&recording, &name.to_string(), range).await;
    let bytes = bytes.map_err(|error| unreadable(&error))?;
    Ok(body::answer(&wanted, length, headers, |_| Body::from_stream(sending.pieces(bytes))))
}

pub(crate) async fn mp4(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    span: Span,
    caller: Caller,
) -> Answer {
    let span = Clipped::read(span)?;
    let recording = watched(&node, &id, &caller).await?;
    let within = span.within();
    let clip = node.context.recordings.clip(&recording, (within.from, within.to)).await;
    let clip = clip.map_err(|error| no_clip(&error))?;
    let cut = clip.cut();
    let length = clip.bytes();
    let name = file_name(&recording, span);
    let headers = vec![
        (header::CONTENT_TYPE, "video/mp4".to_owned()),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{name}\"")),
        (header::CACHE_CONTROL, caching(&node.context.access, "no-cache")),
        (header::HeaderName::from_static("unisono-from"), cut.from.as_micros().to_string()),
        (header::HeaderName::from_static("unisono-to"), cut.to.as_micros().to_string()),
    ];
    // What still grows is another file with each request.
    let wanted = if recording.is_running() { Wanted::Whole } else { body::wanted(&caller.headers, length) };
    if wanted == Wanted::Beyond {
        return Ok(body::answer(&wanted, length, headers, |_| Body::empty()));
    }
    let sending = node.sendings.begin(clip.held_bytes())?;
    Ok(body::answer(&wanted, length, headers, |range| Body::from_stream(sending.hold(clip.stream(range)))))
}

/// Why there is no clip, for whoever asked.
pub(crate) fn no_clip(error: &ClipError) -> Problem {
    match error {
        ClipError::Nothing => Problem::not_found(error.to_string()),
        ClipError::Busy => Problem::unavailable(error.to_string()).retry_after(CLIP_AGAIN_S),
        ClipError::Storage(error) => unreadable(error),
        _ => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    }
}

fn file_name(recording: &Recording, span: Clipped) -> String {
    let stream = recording.head.stream.replace('/', "-");
    let at = span.from.or(recording.summary.from.map(MediaTime::as_micros)).unwrap_or_default();
    let clip = if span.is_clip() { "-clip" } else { "" };
    format!("{stream}-{}{clip}.mp4", at / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_auth::ViewPolicy;

    #[test]
    fn shared_caches_keep_what_everybody_may_watch() {
        let said = |view| caching(&Access::new(Arc::default(), Vec::new(), view), FILE_CACHE);
        assert_eq!(said(ViewPolicy::Open), "public, max-age=31536000, immutable");
        assert_eq!(said(ViewPolicy::Token), "private, max-age=31536000, immutable");
    }
}
