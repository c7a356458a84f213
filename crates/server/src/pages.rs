//! The pages, embedded from `web/dist` when the program is built. Without them every page says how to build them.
//!
//! `/player.js`, `/room.js`, `/client.js` and `/assets/` may be loaded by pages of any origin ([`crate::embedding`] says so in their headers).

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;
use unisono_api::Problem;
use unisono_base::StreamName;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Assets carry a hash of their content in their name, so a name never changes its bytes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Pages are small and answered with 304 while they are the same.
const REVALIDATE: &str = "no-cache";

/// Pages load from this server only; hls.js runs its demuxer in a worker made from a blob.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'";
/// A page that is meant for viewers goes on at another node when this one goes away, also at one that came later than the page.
const OF_ALL_NODES: &str =
    "media-src 'self' blob: http: https:; connect-src 'self' http: https: ws: wss:; frame-ancestors *";
/// One that opens cameras or holds keys speaks with this server.
const OF_THIS_NODE: &str = "media-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'";

/// Who may show a page in a frame.
#[derive(Clone, Copy)]
enum Framing {
    /// A watch page is meant to be embedded elsewhere.
    Anyone,
    /// A page that opens cameras or holds keys is not.
    Nobody,
}

/// `/`, `/{app}/{name}`, its `/publish`, `/overlay`, `/host`, `/fairness` and `/recordings`, the scripts for pages of others, and `/assets/`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { page(&["index.html"], Framing::Nobody, &headers) }))
        .route("/{app}/{name}", get(watch))
        .route("/{app}/{name}/publish", get(publish))
        .route("/{app}/{name}/overlay", get(overlay))
        .route("/{app}/{name}/host", get(host))
        .route("/{app}/{name}/fairness", get(fairness))
        .route("/{app}/{name}/recordings", get(recordings))
        .route("/player.js", get(asset))
        .route("/room.js", get(asset))
        .route("/client.js", get(asset))
        .route("/assets/{*path}", get(asset))
        .route("/favicon.svg", get(asset))
        .route("/favicon.ico", get(asset))
        .layer(CompressionLayer::new())
}

async fn watch(path: Path<(String, String)>, headers: HeaderMap) -> Response {
    of_stream(&path, &["watch.html", "index.html"], Framing::Anyone, &headers)
}

async fn publish(path: Path<(String, String)>, headers: HeaderMap) -> Response {
    of_stream(&path, &["publish.html", "index.html"], Framing::Nobody, &headers)
}

async fn overlay(path: Path<(String, String)>, headers: HeaderMap) -> Response {
    of_stream(&path, &["overlay.html"], Framing::Anyone, &headers)
}

async fn host(path: Path<(String, String)>, headers: HeaderMap) -> Response {
    of_stream(&path, &["host.html"], Framing::Nobody, &headers)
}

async fn recordings(path: Path<(String, String)>, headers: HeaderMap) -> Response {
    of_stream(&path, &["recordings.html"], Framing::Nobody, &headers)
}

async fn fairness(path: Path<(String, String)>, headers: HeaderMap) -> Response {
    of_stream(&path, &["fairness.html"], Framing::Nobody, &headers)
}

/// A page about one stream; 404 for what cannot be the name of one.
fn of_stream(
    Path((app, name)): &Path<(String, String)>,
    candidates: &[&str],
    framing: Framing,
    headers: &HeaderMap,
) -> Response {
    match StreamName::new(app, name) {
        Ok(_) => page(candidates, framing, headers),
        Err(error) => Problem::not_found(error.to_string()).into_response(),
    }
}

/// One of the built files, by its path.
pub(crate) async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let caching = if path.starts_with("assets/") { IMMUTABLE } else { REVALIDATE };
    match Dist::get(path) {
        Some(file) => serve(path, file, caching, &headers),
        None => Problem::not_found("there is no such file").into_response(),
    }
}

/// The built page `name`, under a policy of its own.
pub(crate) async fn document(name: &'static str, policy: &'static str, headers: HeaderMap) -> Response {
    let mut response =
        Dist::get(name).map_or_else(placeholder, |file| serve(name, file, REVALIDATE, &headers));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The first of `candidates` that was built: pages may be one document each or one for all.
fn page(candidates: &[&str], framing: Framing, headers: &HeaderMap) -> Response {
    let found = candidates.iter().find_map(|name| Dist::get(name).map(|file| (*name, file)));
    let mut response = match found {
        Some((name, file)) => serve(name, file, REVALIDATE, headers),
        None => placeholder(),
    };
    let reach = match framing {
        Framing::Anyone => OF_ALL_NODES,
        Framing::Nobody => OF_THIS_NODE,
    };
    if let Ok(policy) = HeaderValue::try_from(format!("{POLICY}; {reach}")) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn serve(path: &str, file: EmbeddedFile, caching: &'static str, headers: &HeaderMap) -> Response {
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let is_known =
        headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching.to_owned()),
        (header::ETAG, etag),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if is_known {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, file.data).into_response()
    }
}

fn placeholder() -> Response {
    const TEXT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Unisono</title>\
        <meta name=viewport content='width=device-width'>\
        <body style='font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem'>\
        <h1>Unisono runs</h1><p>This binary was built without its pages. <code>./dev demo</code> builds both; by \
        hand: <code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code>, then build the server again.</p>\
        <p>Everything else works: WHIP, WHEP, RTMP, HLS at <code>/live/NAME/index.m3u8</code>, the API at \
        <a href=/api/v1/streams><code>/api/v1/streams</code></a>.</p>";
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (head, TEXT).into_response()
}
