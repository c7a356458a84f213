//! Answers: headers of playlists and files, and refusals in words.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::fmt::Display;
use unisono_api::Problem;
use unisono_auth::Access;
use unisono_proto_hls::{FileName, Item};

/// RFC 8216bis §4.
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
/// Names hold the epoch and never repeat, so a file never changes.
const FILE_CACHE: &str = "max-age=31536000, immutable";
/// Appended to the entity tag of a compressed answer: a strong tag names bytes, not contents (RFC 9110 §8.8.3).
const GZIP_SUFFIX: &str = "-gzip";

/// How long caches may keep a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// The answer to a blocking request will not change: six target durations.
    Blocking,
    /// As it stands: half a target duration.
    Plain,
}

/// A playlist, or 304.
pub(crate) fn playlist(
    text: Bytes,
    (target_s, fresh): (u32, Fresh),
    access: &Access,
    request: &HeaderMap,
) -> Response {
    let age = match fresh {
        Fresh::Blocking => target_s * 6,
        Fresh::Plain => (target_s / 2).max(1),
    };
    let etag = format!("\"{:016x}\"", fnv(&text));
    let headers = [
        (header::CONTENT_TYPE, PLAYLIST_TYPE.to_owned()),
        (header::CACHE_CONTROL, caching(access, &format!("max-age={age}"))),
        (header::ETAG, etag.clone()),
    ];
    if is_known(request, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, text).into_response()
}

/// A file in its chunks, not copied together, or 304.
pub(crate) fn file(name: &FileName, chunks: Vec<Bytes>, access: &Access, request: &HeaderMap) -> Response {
    let kind = name.kind.as_str();
    let item = match name.item {
        Item::Header(n) => format!("i{n}"),
        Item::Segment(segment) => segment.to_string(),
        Item::Part(segment, part) => format!("{segment}.{part}"),
    };
    let etag = format!("\"{}-{kind}-{item}\"", name.epoch);
    let length: usize = chunks.iter().map(Bytes::len).sum();
    let headers = [
        (header::CONTENT_TYPE, format!("{kind}/mp4")),
        (header::CACHE_CONTROL, caching(access, FILE_CACHE)),
        (header::ETAG, etag.clone()),
    ];
    if is_known(request, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let body = Body::from_stream(futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>)));
    (headers, [(header::CONTENT_LENGTH, length)], body).into_response()
}

/// Where not everybody may watch, only the viewer's own player keeps it: a shared cache would give it to whoever asks.
fn caching(access: &Access, how_long: &str) -> String {
    let kept_by = if access.is_open() { "public" } else { "private" };
    format!("{kept_by}, {how_long}")
}

/// 404 that asks to come back: the publisher may be about to start.
pub(crate) fn no_stream(name: impl Display) -> Problem {
    let detail = format!("nobody publishes {name} now; ask again in a second, or check the name");
    Problem::not_found(detail).retry_after(1)
}

/// Marks the entity tag of a compressed answer.
pub(crate) async fn tag_compressed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let etag =
        headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"').map(str::to_owned));
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(etag) = etag
        && let Ok(tagged) = HeaderValue::from_str(&format!("{etag}{GZIP_SUFFIX}\""))
    {
        headers.insert(header::ETAG, tagged);
    }
    response
}

fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").replace(GZIP_SUFFIX, "");
    known.split(',').any(|tag| tag.trim() == "*" || bare(tag) == etag)
}

/// FNV-1a, 64 bits: the same on every node, which the standard hasher does not promise.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
