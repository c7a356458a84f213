//! What pages of other origins may read: all that the player needs there, and nothing that credentials of this origin
//! would open (docs/embedding.md).
//!
//! What the WebSocket of a room takes from any origin, commands, may be posted from there too: something on the way may let
//! no WebSocket through.
//!
//! `Access-Control-Allow-Origin: *` without `Allow-Credentials`: a browser neither sends its cookies with such a request
//! nor shows the answer if it did. A token has to be presented, in the path or as Bearer, by a page that knows it. WHIP,
//! WHEP and HLS answer for themselves; the rest is here, in one list, because it is spread over several rooms of the house.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// How long a browser may remember the answer to its preflight, in seconds.
const PREFLIGHT_AGE: &str = "86400";

/// Adds the headers where [`Reach`] allows, and answers the preflights of those routes.
pub(crate) async fn share(request: Request, next: Next) -> Response {
    let reach = Reach::of(request.method(), request.uri().path());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight && matches!(reach, Reach::Read | Reach::Command) {
        return preflight(reach);
    }
    let mut response = next.run(request).await;
    match reach {
        Reach::Own => {}
        Reach::Read | Reach::Command => allow(response.headers_mut()),
        Reach::Load => {
            allow(response.headers_mut());
            response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        }
    }
    response
}

/// Who may use a route from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Pages of this origin only, or a route with rules of its own.
    Own,
    /// Pages of any origin may read the answer.
    Read,
    /// Pages of any origin may send a person's own commands there, who say who they are: as guest or by token. Sitting at
    /// this machine counts for pages of this origin only.
    Command,
    /// ... and load it as a script or an image, also where they are isolated (`Cross-Origin-Embedder-Policy`).
    Load,
}

impl Reach {
    fn of(method: &Method, path: &str) -> Self {
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        if let ["api", "v1", "rooms", _, "commands"] = parts.as_slice() {
            return Self::Command;
        }
        if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            return Self::Own;
        }
        match parts.as_slice() {
            ["player.js" | "room.js" | "client.js"] | ["assets", ..] => Self::Load,
            ["healthz"]
            | ["api", "v1", "server" | "endpoints"]
            | ["api", "v1", "streams", _, _]
            | ["api", "v1", "rooms", _]
            | ["api", "v1", "rooms", _, "events"] => Self::Read,
            _ => Self::Own,
        }
    }
}

fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
}

/// Reading with a token as Bearer is all that is granted, and posting commands; no other POST is.
fn preflight(reach: Reach) -> Response {
    let (methods, headers) = match reach {
        Reach::Command => ("POST", "Authorization, Content-Type"),
        Reach::Own | Reach::Read | Reach::Load => ("GET, HEAD", "Authorization, Last-Event-ID"),
    };
    let head = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, headers),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    (StatusCode::NO_CONTENT, head).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, middleware, routing::get};
    use tower::ServiceExt;

    async fn ask(method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response {
        let router = Router::new()
            .fallback(get(|| async { "yes" }).post(|| async { "yes" }))
            .layer(middleware::from_fn(share));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        router.oneshot(request.body(Body::empty()).expect("valid")).await.expect("infallible")
    }

    fn origin(response: &Response) -> Option<&str> {
        response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?.to_str().ok()
    }

    #[tokio::test]
    async fn the_player_and_what_it_reads_are_for_everybody() {
        for path in [
            "/player.js",
            "/room.js",
            "/assets/hls-1.js",
            "/api/v1/server",
            "/api/v1/endpoints",
            "/healthz",
            "/api/v1/streams/live/x",
        ] {
            let response = ask(Method::GET, path, &[]).await;
            assert_eq!(origin(&response), Some("*"), "{path}");
            let is_loaded = path.ends_with(".js");
            assert_eq!(response.headers().contains_key(RESOURCE_POLICY), is_loaded, "{path}");
            assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "{path}");
        }
    }

    #[tokio::test]
    async fn what_an_admin_or_a_local_user_may_is_not() {
        for path in ["/", "/api/v1/streams", "/api/v1/keys", "/api/v1/tokens", "/metrics", "/live/x/publish"]
        {
            assert_eq!(origin(&ask(Method::GET, path, &[]).await), None, "{path}");
        }
        let post = ask(Method::POST, "/api/v1/rooms/live:x/events", &[]).await;
        assert_eq!(origin(&post), None, "nor may other origins post");
    }

    #[tokio::test]
    async fn a_preflight_grants_reading_with_a_token() {
        let asks = [(header::ACCESS_CONTROL_REQUEST_METHOD, "GET"), (header::ORIGIN, "https://shop.example")];
        let response = ask(Method::OPTIONS, "/api/v1/streams/live/x", &asks).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        assert_eq!(origin(&ask(Method::OPTIONS, "/api/v1/keys", &asks).await), None);
    }

    #[tokio::test]
    async fn commands_may_be_posted_from_anywhere_and_nothing_else() {
        let asks =
            [(header::ACCESS_CONTROL_REQUEST_METHOD, "POST"), (header::ORIGIN, "https://shop.example")];
        let response = ask(Method::OPTIONS, "/api/v1/rooms/live:x/commands", &asks).await;
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
        assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        let post = ask(Method::POST, "/api/v1/rooms/live:x/commands", &[]).await;
        assert_eq!(origin(&post), Some("*"));
        for path in ["moderation", "gate", "inbox", "erase", "log"] {
            let path = format!("/api/v1/rooms/live:x/{path}");
            assert_eq!(origin(&ask(Method::OPTIONS, &path, &asks).await), None, "{path}");
        }
    }
}
