//! Operations of recordings.

use crate::{Problem, RecordingList, RecordingView, RecordingWish};

#[utoipa::path(get, path = "/api/v1/recordings", tag = "recordings",
    summary = "What was recorded, newest first; of one stream for who may watch it, of all for admins",
    params(
        ("stream" = Option<String>, Query, description = "Of this stream, app/name"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; the default is 100"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((status = 200, body = RecordingList), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) fn list() {}

#[utoipa::path(get, path = "/api/v1/recordings/{id}", tag = "recordings", summary = "One recording; view",
    params(("id" = String, Path)),
    responses((status = 200, body = RecordingView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) fn one() {}

#[utoipa::path(delete, path = "/api/v1/recordings/{id}", tag = "recordings",
    summary = "Takes it away for good; one that runs is to be stopped first",
    params(("id" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) fn remove() {}

#[utoipa::path(get, path = "/api/v1/recordings/{id}/index.m3u8", tag = "recordings",
    summary = "It as HLS, also while it runs; view",
    params(("id" = String, Path),
        ("from" = Option<i64>, Query, description = "T: a clip that begins with the segment that holds it"),
        ("to" = Option<i64>, Query, description = "T: the last segment is the one before or around it")),
    responses((status = 200, content_type = "application/vnd.apple.mpegurl", body = String),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) fn index() {}

#[utoipa::path(get, path = "/api/v1/recordings/{id}/video.m3u8", tag = "recordings", summary = "Its picture; view",
    params(("id" = String, Path), ("from" = Option<i64>, Query), ("to" = Option<i64>, Query)),
    responses((status = 200, content_type = "application/vnd.apple.mpegurl", body = String),
        (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) fn video() {}

#[utoipa::path(get, path = "/api/v1/recordings/{id}/audio.m3u8", tag = "recordings", summary = "Its sound; view",
    params(("id" = String, Path), ("from" = Option<i64>, Query), ("to" = Option<i64>, Query)),
    responses((status = 200, content_type = "application/vnd.apple.mpegurl", body = String),
        (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) fn audio() {}

#[utoipa::path(get, path = "/api/v1/recordings/{id}/recording.mp4", tag = "recordings",
    summary = "It, or a clip of it to the frame, as one MP4 file; takes Range; view",
    params(("id" = String, Path),
        ("from" = Option<i64>, Query, description = "T: begins with the frame on display then"),
        ("to" = Option<i64>, Query, description = "T: ends with the last frame before it")),
    responses((status = 200, content_type = "video/mp4", body = String), (status = 206),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 416), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) fn mp4() {}

#[utoipa::path(get, path = "/api/v1/recordings/{id}/{epoch}/{kind}/{file}", tag = "recordings",
    summary = "A file of it, the same bytes as LL-HLS served; takes Range; view",
    params(("id" = String, Path), ("epoch" = u32, Path), ("kind" = String, Path, description = "video or audio"),
        ("file" = String, Path, description = "init-{n}.mp4 or {segment}.m4s")),
    responses((status = 200, content_type = "video/mp4", body = String), (status = 206),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 416), (status = 503, body = Problem)))]
pub(super) fn file() {}

#[utoipa::path(get, path = "/api/v1/streams/{app}/{name}/recording", tag = "recordings",
    summary = "Whether a stream is recorded, and why",
    params(("app" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = RecordingWish), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) fn wish() {}

#[utoipa::path(put, path = "/api/v1/streams/{app}/{name}/recording", tag = "recordings",
    summary = "Records it, now and whenever it is live, until it is said otherwise",
    params(("app" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = RecordingWish), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)))]
pub(super) fn start() {}

#[utoipa::path(delete, path = "/api/v1/streams/{app}/{name}/recording", tag = "recordings",
    summary = "Records it no more; what runs ends with the segment that is open",
    params(("app" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = RecordingWish), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)))]
pub(super) fn stop() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/evidence", tag = "recordings",
    summary = "A span of the recorded stream with the room's signed log, as one tar archive for `unisono verify`; host",
    params(("room" = String, Path, description = "app:name"),
        ("from" = Option<i64>, Query, description = "T; the default is where the newest recording begins"),
        ("to" = Option<i64>, Query, description = "T; the default is where it ends")),
    responses((status = 200, content_type = "application/x-tar", body = String), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)))]
pub(super) fn evidence() {}
