//! How often one address and one key may knock: requests that make something, rooms joined or asked about, and wrong keys. Refused with 429, words
//! and `Retry-After`, before any handler reads the request.

use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use unisono_api::{Genuine, Peer, Presented, Problem};
use unisono_auth::Keyring;
use unisono_net::{Buckets, Exempt, Net, Patience, Rate, Wait, client_of};

/// Addresses, and keys, that are told apart at once; the quietest makes room.
const CLIENTS_MAX: usize = 16_384;

/// How often one address and one key may knock; see docs/security.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Networks that no limit per address applies to, such as that of a proxy.
    #[schemars(with = "Vec<String>")]
    pub(crate) exempt: Vec<Network>,
    /// POST requests of one IPv4 address or IPv6 /64, in the long run.
    pub(crate) posts_per_second: u32,
    /// As many of them at once.
    pub(crate) posts_burst: u32,
    /// POST requests with one key or token, from wherever.
    pub(crate) posts_per_key_per_second: u32,
    /// As many of them at once.
    pub(crate) posts_per_key_burst: u32,
    /// Feeds of rooms that one IPv4 address or IPv6 /64 opens, and rooms it asks about, in the long run.
    pub(crate) joins_per_second: u32,
    /// As many of them at once: a hall full of people behind one address that all come back.
    pub(crate) joins_burst: u32,
    /// WebRTC sessions whose peer has not connected yet.
    pub(crate) unconnected_max: usize,
    /// As many of them of one address.
    pub(crate) unconnected_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|net| Network(net.parse().expect("a network")));
        Self {
            exempt: loopback.to_vec(),
            posts_per_second: 20,
            posts_burst: 500,
            posts_per_key_per_second: 100,
            posts_per_key_burst: 1_000,
            joins_per_second: 50,
            joins_burst: 2_000,
            unconnected_max: 2_000,
            unconnected_per_address_max: 200,
        }
    }
}

impl Limits {
    /// See [`Self::exempt`].
    pub(crate) fn exempt(&self) -> Exempt {
        Exempt::new(self.exempt.iter().map(|network| network.0))
    }
}

/// [`Net`] as it is written in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(Net);

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

/// The state of the limits of a node.
pub(crate) struct Gate {
    exempt: Exempt,
    rules: Limits,
    keyring: Arc<Keyring>,
    patience: Patience,
    posts: Mutex<Buckets>,
    keys: Mutex<Buckets>,
    joins: Mutex<Buckets>,
    refused: Family<LimitLabel, Counter>,
}

impl Gate {
    /// Who shows an admin key of `keyring` asks about rooms as often as they like.
    pub(crate) fn new(
        rules: &Limits,
        keyring: Arc<Keyring>,
        patience: Patience,
        registry: &mut Registry,
    ) -> Arc<Self> {
        let buckets = |per_second: u32, burst: u32| {
            let rate = Rate { per_second: per_second.into(), burst: burst.into() };
            Mutex::new(Buckets::new(rate, CLIENTS_MAX))
        };
        let refused = Family::default();
        registry.register("unisono_http_limited", "Requests answered 429, by limit", refused.clone());
        Arc::new(Self {
            exempt: rules.exempt(),
            keyring,
            patience,
            posts: buckets(rules.posts_per_second, rules.posts_burst),
            keys: buckets(rules.posts_per_key_per_second, rules.posts_per_key_burst),
            joins: buckets(rules.joins_per_second, rules.joins_burst),
            rules: rules.clone(),
            refused,
        })
    }

    /// Puts itself before `router`.
    pub(crate) fn before(self: Arc<Self>, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self, guard))
    }

    /// May this request go on?
    fn check(
        &self,
        peer: Peer,
        key: &str,
        (method, path): (&Method, &str),
        now: Instant,
    ) -> Result<(), Problem> {
        if !key.is_empty() {
            self.patience.check(peer.0, now).map_err(|wait| {
                self.refuse(
                    "failures",
                    wait,
                    "too many keys and tokens that nobody made came from your address",
                )
            })?;
        }
        let take = |buckets: &Mutex<Buckets>, key: &dyn Fn(&mut Buckets) -> Result<(), Wait>| {
            key(&mut buckets.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let client = client_of(peer.0);
        if is_join(method, path) || (asks_about_room(method, path) && self.keyring.admin(key).is_err()) {
            return take(&self.joins, &|buckets| buckets.take(client, now)).map_err(|wait| {
                let Limits { joins_per_second: rate, joins_burst: burst, .. } = self.rules;
                let words = format!("your address may join rooms {rate} times a second, {burst} at once");
                self.refuse("joins", wait, &words)
            });
        }
        if *method != Method::POST {
            return Ok(());
        }
        take(&self.posts, &|buckets| buckets.take(client, now)).map_err(|wait| {
            let Limits { posts_per_second, posts_burst, .. } = self.rules;
            let words =
                format!("your address may POST {posts_per_second} times a second, {posts_burst} at once");
            self.refuse("address", wait, &words)
        })?;
        if key.is_empty() {
            return Ok(());
        }
        take(&self.keys, &|buckets| buckets.take(key, now)).map_err(|wait| {
            let Limits { posts_per_key_per_second: rate, posts_per_key_burst: burst, .. } = self.rules;
            let words = format!("one key or token may POST {rate} times a second, {burst} at once");
            self.refuse("key", wait, &words)
        })
    }

    fn refuse(&self, limit: &'static str, Wait(wait): Wait, words: &str) -> Problem {
        self.refused.get_or_create(&LimitLabel { limit }).inc();
        let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("{words}; try again in {seconds} s"))
            .retry_after(seconds)
    }
}

/// A feed is opened: by WebSocket or as server-sent events, with a token in the path or without, by HTTP/1 or 2.
fn is_join(method: &Method, path: &str) -> bool {
    [Method::GET, Method::CONNECT].contains(method)
        && path.contains("/api/v1/rooms/")
        && path.ends_with("/events")
}

/// Whatever else is asked about a room, which opens it, whoever made up its name. POST has its own, lower limit.
fn asks_about_room(method: &Method, path: &str) -> bool {
    ![Method::POST, Method::OPTIONS].contains(method) && path.contains("/api/v1/rooms/")
}

async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(peer) = Peer::from_request_parts(&mut parts, &()).await;
    if gate.exempt.contains(peer.0) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let Ok(presented) = Presented::from_request_parts(&mut parts, &()).await;
    // Simple WHIP tools have no other place for it.
    let query = parts.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("key="));
    let presented = presented.or(query);
    if let Err(problem) =
        gate.check(peer, presented.as_str(), (&parts.method, parts.uri.path()), Instant::now())
    {
        return problem.into_response();
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_guess = response.status() == StatusCode::UNAUTHORIZED
        && !presented.as_str().is_empty()
        && response.extensions().get::<Genuine>().is_none();
    if is_guess {
        gate.patience.failed(peer.0, Instant::now());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        body::Body,
        extract::ConnectInfo,
        routing::{get, post},
    };
    use std::net::SocketAddr;
    use tower::ServiceExt;
    use unisono_auth::{NewKey, Role};

    fn router(rules: &Limits) -> Router {
        router_of(rules, Arc::default())
    }

    fn router_of(rules: &Limits, keyring: Arc<Keyring>) -> Router {
        let answer = |presented: Presented| async move {
            match presented.as_str() {
                "good" | "" => StatusCode::CREATED.into_response(),
                "old" => Problem::unauthorized("over").genuine().into_response(),
                _ => Problem::unauthorized("unknown").into_response(),
            }
        };
        let router = Router::new()
            .route("/x", post(answer).get(answer))
            .route("/api/v1/rooms/{room}", get(StatusCode::OK))
            .route("/api/v1/rooms/{room}/snapshot", get(StatusCode::OK).options(StatusCode::OK))
            .route("/api/v1/rooms/{room}/events", post(answer).get(answer))
            .route("/t/{token}/api/v1/rooms/{room}/events", post(answer).get(answer));
        Gate::new(rules, keyring, Patience::new(rules.exempt()), &mut Registry::default()).before(router)
    }

    async fn ask(router: &Router, method: &str, peer: &str, key: &str) -> (u16, Option<String>) {
        ask_for(router, (method, "/x"), peer, key).await
    }

    async fn ask_for(
        router: &Router,
        (method, path): (&str, &str),
        peer: &str,
        key: &str,
    ) -> (u16, Option<String>) {
        let peer = SocketAddr::new(peer.parse().expect("an address"), 5);
        let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo(peer));
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::empty()).expect("valid");
        let response = router.clone().oneshot(request).await.expect("infallible");
        let after = response.headers().get("retry-after").map(|v| v.to_str().expect("text").to_owned());
        (response.status().as_u16(), after)
    }

    #[tokio::test]
    async fn one_address_posts_its_burst_and_others_are_not_concerned() {
        let router = router(&Limits { posts_per_second: 1, posts_burst: 3, ..Limits::default() });
        for _ in 0..3 {
            assert_eq!(ask(&router, "POST", "192.0.2.1", "").await.0, 201);
        }
        let (status, after) = ask(&router, "POST", "192.0.2.1", "").await;
        assert!(status == 429 && after.as_deref() == Some("1"), "{status} {after:?}");
        assert_eq!(ask(&router, "GET", "192.0.2.1", "").await.0, 201, "reading is not limited");
        assert_eq!(ask(&router, "POST", "192.0.2.2", "").await.0, 201);
        for _ in 0..10 {
            assert_eq!(ask(&router, "POST", "127.0.0.1", "").await.0, 201, "this machine is exempt");
        }
    }

    #[tokio::test]
    async fn one_address_joins_its_burst_and_what_it_does_in_rooms_is_not_concerned() {
        let router = router(&Limits { joins_per_second: 1, joins_burst: 2, ..Limits::default() });
        let (feed, by_token) = ("/api/v1/rooms/live:x/events", "/t/a.b/api/v1/rooms/live:x/events");
        assert_eq!(ask_for(&router, ("GET", feed), "192.0.2.1", "").await.0, 201);
        assert_eq!(ask_for(&router, ("GET", by_token), "192.0.2.1", "").await.0, 201);
        for path in [feed, by_token] {
            let (status, after) = ask_for(&router, ("GET", path), "192.0.2.1", "").await;
            assert!(status == 429 && after.as_deref() == Some("1"), "{status} {after:?}");
        }
        assert_eq!(ask_for(&router, ("POST", feed), "192.0.2.1", "").await.0, 201);
        assert_eq!(ask_for(&router, ("GET", feed), "192.0.2.2", "").await.0, 201);
    }

    #[tokio::test]
    async fn made_up_rooms_are_asked_about_no_faster_than_rooms_are_joined() {
        let key = NewKey::generate(Role::Admin, "a").expect("randomness");
        let keyring = Arc::new(Keyring::new());
        keyring.add(&key).expect("room");
        let router =
            router_of(&Limits { joins_per_second: 1, joins_burst: 3, ..Limits::default() }, keyring.clone());
        let ask = |method, path, key| ask_for(&router, (method, path), "192.0.2.1", key);
        for path in
            ["/api/v1/rooms/live:a", "/api/v1/rooms/live:b/snapshot", "/t/a.b/api/v1/rooms/live:c/events"]
        {
            assert_ne!(ask("GET", path, "").await.0, 429, "{path}");
        }
        for path in ["/api/v1/rooms/live:d", "/api/v1/rooms/live:e/snapshot", "/api/v1/rooms/live:f/events"] {
            let (status, after) = ask("GET", path, "").await;
            assert!(status == 429 && after.as_deref() == Some("1"), "{path}: {status} {after:?}");
        }
        assert_eq!(ask("GET", "/api/v1/rooms/live:d", "good").await.0, 429, "a token is no admin key");
        assert_eq!(ask("GET", "/api/v1/rooms/live:d", key.reveal()).await.0, 200);
        assert_eq!(ask("OPTIONS", "/api/v1/rooms/live:d/snapshot", "").await.0, 200, "opens no room");
        assert_eq!(ask("POST", "/api/v1/rooms/live:d/events", "").await.0, 201, "has its own limit");
    }

    #[tokio::test]
    async fn one_key_posts_its_burst_from_wherever() {
        let router =
            router(&Limits { posts_per_key_per_second: 1, posts_per_key_burst: 2, ..Limits::default() });
        let mut statuses = Vec::new();
        for peer in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            statuses.push(ask(&router, "POST", peer, "good").await.0);
        }
        assert_eq!(statuses, [201, 201, 429]);
        assert_eq!(ask(&router, "POST", "192.0.2.3", "").await.0, 201);
    }

    #[tokio::test]
    async fn who_guesses_waits_and_who_is_late_does_not() {
        let router = router(&Limits::default());
        for _ in 0..50 {
            assert_eq!(ask(&router, "GET", "192.0.2.1", "old").await.0, 401);
        }
        let mut guesses = 0;
        while ask(&router, "GET", "192.0.2.1", "guess").await.0 == 401 {
            guesses += 1;
            assert!(guesses < 20);
        }
        let (status, after) = ask(&router, "GET", "192.0.2.1", "good").await;
        assert!(status == 429 && after.is_some());
        assert_eq!(ask(&router, "GET", "192.0.2.1", "").await.0, 201, "without a key nothing is guessed");
        assert_eq!(ask(&router, "GET", "192.0.2.2", "good").await.0, 201);
    }
}
