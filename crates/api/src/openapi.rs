//! The API described for programs: OpenAPI 3.1 from the types of this crate.
//!
//! Each function below stands for one operation and is never called; the server's tests see that each is served.

// They exist for their attribute.
#![expect(dead_code, reason = "each function stands for one documented operation")]

mod recordings;
mod rooms;

use crate::{
    DrainRequest, DrainView, EndpointList, KeyList, KeyRequest, MadeKey, MadeToken, MoveRequest, Problem,
    ReloadView, RevokeRequest, ServerView, SessionList, SessionView, StopRequest, StreamDetail, StreamList,
    TokenRequest,
};
use axum::http::StatusCode;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

/// The whole description, as `GET /api/openapi.json` gives it: pretty JSON with a newline at the end, the same each time.
pub fn openapi_json() -> String {
    let mut description = serde_json::to_value(Described::openapi()).unwrap_or_default();
    describe_responses(&mut description);
    format!("{description:#}\n")
}

/// OpenAPI 3.1 §4.8.17 wants words for every response; where we have none of our own, those of its status.
fn describe_responses(description: &mut Value) {
    let objects = |value: &mut Value| value.as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut paths = objects(&mut description["paths"]);
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        for (status, response) in responses {
            let status = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
            if response["description"].as_str().unwrap_or_default().is_empty() {
                response["description"] = status.unwrap_or("Answer").into();
            }
        }
    }
    description["paths"] = Value::Object(paths);
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Unisono",
        description = "Streams, sessions, rooms, keys and configuration of one node. Errors are problem documents \
            (RFC 9457). Without a key the API answers requests made on the node's own machine; from elsewhere it wants \
            an admin key as Bearer. WHIP, WHEP and HLS have specifications of their own and stand beside it under \
            /{app}/{name}/.",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/")),
    security(("admin_key" = [])),
    modifiers(&Security),
    paths(
        server, version, streams, stream, stop, sessions, session, kick, move_session, keys, make_key, limit_key, revoke_key,
        make_token, revoke_token, reload, endpoints, drain, start_drain, end_drain, description, rooms::room, rooms::post_event, rooms::feed, rooms::command,
        rooms::snapshot, rooms::inbox, rooms::moderate, rooms::discipline, rooms::windows, rooms::gate, rooms::set_gate, rooms::lift_gate, rooms::lockstep, rooms::log,
        rooms::checkpoints, rooms::fairness, rooms::erase, rooms::types, rooms::put_type, rooms::delete_type,
        recordings::list, recordings::one, recordings::remove, recordings::index, recordings::video, recordings::audio,
        recordings::mp4, recordings::file, recordings::wish, recordings::start, recordings::stop, recordings::evidence
    )
)]
struct Described;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some("An admin key, ak_…; where it says so, a token".to_owned());
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("admin_key", SecurityScheme::Http(http));
    }
}

#[utoipa::path(get, path = "/api/v1/server", tag = "server", summary = "What runs, and its clock", security(()),
    responses((status = 200, body = ServerView)))]
fn server() {}

#[utoipa::path(get, path = "/version", tag = "server", summary = "The version alone, as text", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
fn version() {}

#[utoipa::path(get, path = "/api/v1/streams", tag = "streams",
    summary = "What is live; where watching needs a token, for admins",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000; the default is 1000"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((status = 200, body = StreamList), (status = 400, body = Problem), (status = 401, body = Problem)))]
fn streams() {}

#[utoipa::path(get, path = "/api/v1/streams/{app}/{name}", tag = "streams",
    summary = "One stream; publisher, health and renditions for admins",
    params(("app" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = StreamDetail), (status = 401, body = Problem), (status = 404, body = Problem)))]
fn stream() {}

#[utoipa::path(post, path = "/api/v1/streams/{app}/{name}/stop", tag = "streams",
    summary = "Ends the publisher in words, and keeps the name closed if asked to",
    params(("app" = String, Path), ("name" = String, Path)),
    request_body(content = Option<StopRequest>, description = "May be left out"),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
fn stop() {}

#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", summary = "Publishers, viewers and readers",
    params(
        ("stream" = Option<String>, Query, description = "Of this stream, app/name"),
        ("protocol" = Option<String>, Query, description = "rtmp, whip, whep, hls, websocket or sse"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; the default is 100"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((status = 200, body = SessionList), (status = 400, body = Problem), (status = 401, body = Problem)))]
fn sessions() {}

#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", summary = "One session",
    params(("id" = String, Path)),
    responses((status = 200, body = SessionView), (status = 401, body = Problem), (status = 404, body = Problem)))]
fn session() {}

#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions",
    summary = "Sends it away; its key or token stays good",
    params(("id" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
fn kick() {}

#[utoipa::path(put, path = "/api/v1/sessions/{id}/worker", tag = "sessions",
    summary = "Moves a WebRTC viewer to another worker thread, unnoticed",
    params(("id" = String, Path)), request_body = MoveRequest,
    responses((status = 202), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)))]
fn move_session() {}

#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", summary = "All keys, without their secrets",
    responses((status = 200, body = KeyList), (status = 401, body = Problem)))]
fn keys() {}

#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", summary = "Makes a key, shown this once",
    request_body = KeyRequest,
    responses((status = 201, body = MadeKey), (status = 400, body = Problem), (status = 401, body = Problem)))]
fn make_key() {}

#[utoipa::path(put, path = "/api/v1/keys/{id}/quota", tag = "keys", summary = "Sets what a key may use at once",
    params(("id" = String, Path)), request_body = crate::QuotaView,
    responses((status = 200, body = crate::QuotaView), (status = 401, body = Problem), (status = 404, body = Problem)))]
fn limit_key() {}

#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys",
    summary = "Takes a key away; what it let in ends within seconds",
    params(("id" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
fn revoke_key() {}

#[utoipa::path(post, path = "/api/v1/tokens", tag = "keys", summary = "Signs a token with the node's own secret",
    request_body = TokenRequest,
    responses((status = 201, body = MadeToken), (status = 400, body = Problem), (status = 401, body = Problem)))]
fn make_token() {}

#[utoipa::path(post, path = "/api/v1/tokens/revoke", tag = "keys", summary = "Takes a token of the node's own back",
    request_body = RevokeRequest,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem)))]
fn revoke_token() {}

#[utoipa::path(post, path = "/api/v1/config/reload", tag = "server",
    summary = "Reads the configuration again; a broken one is refused and nothing changes",
    responses((status = 200, body = ReloadView), (status = 401, body = Problem), (status = 422, body = Problem)))]
fn reload() {}

#[utoipa::path(get, path = "/api/v1/endpoints", tag = "server",
    summary = "Nodes with the same streams, in an order that a client may follow", security(()),
    params(("stream" = Option<String>, Query, description = "Only those that can have this stream, app/name")),
    responses((status = 200, body = EndpointList), (status = 400, body = Problem)))]
fn endpoints() {}

#[utoipa::path(get, path = "/api/v1/drain", tag = "server", summary = "Who is still here",
    responses((status = 200, body = DrainView), (status = 401, body = Problem)))]
fn drain() {}

#[utoipa::path(post, path = "/api/v1/drain", tag = "server",
    summary = "Sends viewers to other nodes and takes no new ones, before a stop",
    request_body(content = Option<DrainRequest>, description = "May be left out"),
    responses((status = 200, body = DrainView), (status = 400, body = Problem), (status = 401, body = Problem)))]
fn start_drain() {}

#[utoipa::path(delete, path = "/api/v1/drain", tag = "server",
    summary = "Takes it back; who has moved does not come back by himself",
    responses((status = 200, body = DrainView), (status = 401, body = Problem)))]
fn end_drain() {}

#[utoipa::path(get, path = "/api/openapi.json", tag = "server", summary = "This description", security(()),
    responses((status = 200, content_type = "application/json", body = String)))]
fn description() {}
