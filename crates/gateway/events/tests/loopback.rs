//! The gateway on loopback: a real server, real clients.
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use futures_util::{SinkExt, StreamExt};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;
use unisono_auth::{Access, Keyring, NewKey, Role, ViewPolicy};
use unisono_base::{MediaTime, NodeClock};
use unisono_gateway_events::{Context, Gateway, Metrics};
use unisono_hub::{Hub, Limits};
use unisono_room::{Rooms, RoomsLimits};
use unisono_store::MemoryLog;

/// Liveness only: far above what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);
const NOW: i64 = 1_700_000_000_000_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    registry: Registry,
    admin: NewKey,
    publish: NewKey,
    client: reqwest::Client,
}

impl Server {
    async fn start(limits: RoomsLimits) -> Self {
        let hub = Hub::new(Limits::default());
        let clock = NodeClock::new(std::time::Instant::now(), MediaTime::from_micros(NOW));
        let rooms = Rooms::with_limits(hub.clone(), Arc::new(MemoryLog::new(10, 1_000)), clock, limits);
        let keyring = Keyring::new();
        let (admin, publish) =
            (NewKey::generate(Role::Admin, "a").unwrap(), NewKey::generate(Role::Publish, "p").unwrap());
        keyring.add(&admin).unwrap();
        keyring.add(&publish).unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let stop = CancellationToken::new();
        let access = Arc::new(Access::new(Arc::new(keyring), Vec::new(), ViewPolicy::Open));
        let gateway = Gateway::new(Context { rooms, hub, access, metrics, stop: stop.clone() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = gateway.router().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(axum::serve(listener, service).into_future());
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { address, stop, registry, admin, publish, client: reqwest::Client::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1/{path}", self.address)
    }

    async fn post(&self, body: Value) -> (u16, Value) {
        let request = self.client.post(self.url("rooms/live:alice/events")).json(&body);
        answer(request).await
    }

    async fn feed(&self, query: &str) -> Socket {
        let url = format!("ws://{}/api/v1/rooms/live:alice/events{query}", self.address);
        connect_async(url).await.unwrap().0
    }

    /// A feed of a client whose system takes little before somebody reads.
    async fn narrow_feed(&self) -> Socket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = MaybeTlsStream::Plain(socket.connect(self.address).await.unwrap());
        let url = format!("ws://{}/api/v1/rooms/live:alice/events", self.address);
        client_async(url, stream).await.unwrap().0
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

fn unhurried() -> RoomsLimits {
    RoomsLimits { events_per_second: 1_000_000, burst: 1_000_000, ..RoomsLimits::default() }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(content_type == "application/problem+json", status >= 400, "{status} {content_type}");
    (status, response.json().await.unwrap())
}

/// The next JSON message; pings are answered by the library.
async fn next(socket: &mut Socket) -> Value {
    loop {
        let message = timeout(DEADLINE, socket.next()).await.expect("a message").expect("open").unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

async fn next_seq(socket: &mut Socket) -> u64 {
    let message = next(socket).await;
    assert_eq!(message["type"], "event", "{message}");
    message["event"]["seq"].as_u64().unwrap()
}

#[tokio::test]
async fn an_event_is_acknowledged_and_fed_as_the_same_json() {
    let server = Server::start(unhurried()).await;
    let mut feed = server.feed("").await;
    let hello = next(&mut feed).await;
    assert_eq!(
        (&hello["type"], &hello["room"], &hello["seq"]),
        (&json!("hello"), &json!("live:alice"), &json!(0))
    );
    assert!(hello["t"].as_i64().unwrap() >= NOW);

    let at = NOW + 5_000_000;
    let body =
        json!({"type": "poll.open", "lane": "poll", "at": at, "dur": 30_000_000, "data": {"question": "?"}});
    let (status, event) = server.post(body).await;
    assert_eq!(status, 201, "{event}");
    assert_eq!((&event["seq"], &event["at"], &event["late"]), (&json!(1), &json!(at), &json!("show")));
    assert_eq!((&event["actor"], &event["dur"]), (&json!({"id": "local"}), &json!(30_000_000)));
    assert_eq!(next(&mut feed).await, json!({"type": "event", "event": event}));

    let (status, room) = answer(server.client.get(server.url("rooms/live:alice"))).await;
    assert_eq!((status, room), (200, json!({"room": "live:alice", "seq": 1, "subscribers": 1})));
    let metrics = server.metrics();
    assert!(metrics.contains("unisono_events_posts_total{status=\"201\"} 1"), "{metrics}");
    assert!(metrics.contains("unisono_events_feeds{transport=\"WebSocket\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_feed_resumes_without_a_gap() {
    let server = Server::start(unhurried()).await;
    for i in 0..20 {
        assert_eq!(server.post(json!({"type": "goal", "data": i})).await.0, 201);
    }
    let mut feed = server.feed("?from_seq=15").await;
    assert_eq!(next(&mut feed).await["seq"], 20);
    for seq in 15..=20 {
        assert_eq!(next_seq(&mut feed).await, seq);
    }
    drop(feed);
    server.post(json!({"type": "goal"})).await;
    let mut feed = server.feed("?from_seq=21").await;
    next(&mut feed).await;
    assert_eq!(next_seq(&mut feed).await, 21);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_what_it_missed_and_slows_nobody() {
    let server = Server::start(RoomsLimits { buffer: 16, ..unhurried() }).await;
    let mut slow = server.narrow_feed().await;
    assert_eq!(next(&mut slow).await["type"], "hello");
    let mut quick = server.feed("").await;
    next(&mut quick).await;
    // More than the sockets between us hold, so that the server has to stop sending.
    let data = "x".repeat(1_000);
    let total = 6_000;
    for seq in 1..=total {
        assert_eq!(server.post(json!({"type": "goal", "data": data})).await.0, 201);
        assert_eq!(next_seq(&mut quick).await, seq);
    }
    let mut expected = 1;
    let mut was_told = false;
    while expected <= total {
        let message = next(&mut slow).await;
        if message["type"] == "lagged" {
            was_told = true;
            let from = message["from_seq"].as_u64().unwrap();
            assert_eq!(from - expected, message["lost"].as_u64().unwrap(), "{message}");
            expected = from;
        } else {
            assert_eq!(message["event"]["seq"], expected);
            expected += 1;
        }
    }
    assert!(was_told);
}

#[tokio::test]
async fn server_sent_events_carry_the_seq_as_id_and_resume_by_it() {
    let server = Server::start(unhurried()).await;
    for i in 0..3 {
        server.post(json!({"type": "goal", "data": i})).await;
    }
    let request = server.client.get(server.url("rooms/live:alice/events"));
    let request = request.header("accept", "text/event-stream").header("last-event-id", "1");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("id: 3") || !text.ends_with("\n\n") {
        let chunk = timeout(DEADLINE, response.chunk()).await.expect("more").unwrap().expect("open");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.starts_with("event: hello\n"), "{text}");
    assert!(!text.contains("id: 1\n") && text.contains("event: event\nid: 2\ndata: {"), "{text}");
    server.stop.cancel();
    while let Some(_more) = timeout(DEADLINE, response.chunk()).await.expect("the end").unwrap() {}
}

#[tokio::test]
async fn a_server_that_stops_says_good_bye() {
    let server = Server::start(unhurried()).await;
    let mut feed = server.feed("").await;
    next(&mut feed).await;
    server.stop.cancel();
    let message = timeout(DEADLINE, feed.next()).await.expect("a word").expect("open").unwrap();
    let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
    assert_eq!(u16::from(frame.code), 1001);
}

#[tokio::test]
async fn a_repeated_command_is_one_event() {
    let server = Server::start(unhurried()).await;
    let body = json!({"type": "goal", "cmd_id": "018f0000-0000-7000-8000-000000000001"});
    let (_, first) = server.post(body.clone()).await;
    let (status, again) = server.post(body).await;
    assert_eq!((status, &again), (201, &first));
    assert_eq!(server.post(json!({"type": "goal"})).await.1["seq"], 2);
}

#[tokio::test]
async fn whoever_is_not_here_needs_an_admin_key() {
    let server = Server::start(unhurried()).await;
    let post = |key: Option<&str>, origin: Option<&str>| {
        let mut request =
            server.client.post(server.url("rooms/live:alice/events")).json(&json!({"type": "goal"}));
        request = request.header("x-forwarded-for", "192.0.2.7");
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        answer(request)
    };
    let (status, problem) = post(None, None).await;
    assert_eq!(status, 401);
    assert!(problem["detail"].as_str().unwrap().contains("ak_"), "{problem}");
    assert_eq!(post(Some("nonsense"), None).await.0, 401);
    assert_eq!(post(Some(server.publish.reveal()), None).await.0, 403);
    let (status, event) = post(Some(server.admin.reveal()), Some("https://studio.example")).await;
    assert_eq!((status, &event["actor"]), (201, &json!({"id": server.admin.stored().id})));
}

#[tokio::test]
async fn every_refusal_is_a_problem_in_words() {
    let server =
        Server::start(RoomsLimits { events_per_second: 1, burst: 3, ..RoomsLimits::default() }).await;
    let events = server.url("rooms/live:alice/events");
    let raw = |body: &str| {
        let request = server.client.post(&events).header("content-type", "application/json");
        answer(request.body(body.to_owned()))
    };
    let says = |(status, problem): (u16, Value), expected: u16, word: &str| {
        assert_eq!(status, expected, "{problem}");
        assert_eq!(problem["status"], expected);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    };
    says(raw("{").await, 400, "not JSON");
    says(raw("{}").await, 422, "type");
    says(raw(r#"{"type":"goal","at":1.5}"#).await, 422, "integer");
    says(raw(r#"{"type":"goal","lane":"polls"}"#).await, 422, "known are");
    says(raw(r#"{"type":"goal","late":"never"}"#).await, 422, "show, skip, log");
    says(raw(r#"{"type":"goal","cmd_id":"7"}"#).await, 422, "UUID");
    says(raw(&" ".repeat(9_000)).await, 413, "8192");
    let form = server.client.post(&events).header("content-type", "text/plain").body(r#"{"type":"goal"}"#);
    says(answer(form).await, 415, "application/json");
    let elsewhere = server.client.post(server.url("rooms/alice/events")).json(&json!({"type": "goal"}));
    says(answer(elsewhere).await, 400, "app:name");
    says(answer(server.client.get(&events)).await, 426, "WebSocket");
    says(answer(server.client.get(format!("{events}?from_seq=x"))).await, 400, "from_seq");
    says(answer(server.client.get(server.url("streams/live/alice"))).await, 404, "nobody publishes");

    // These count against the room's rate.
    says(server.post(json!({"type": "Goal"})).await, 422, "a-z");
    says(server.post(json!({"type": "goal", "at": NOW + 4_000_000_000i64})).await, 422, "hour");
    says(server.post(json!({"type": "goal", "at": NOW - 60_000_000})).await, 422, "30 s");
    let mut refused = Vec::new();
    for _ in 0..3 {
        let response = server.client.post(&events).json(&json!({"type": "goal"})).send().await.unwrap();
        let retry = response.headers().get("retry-after").is_some_and(|after| after == "1");
        refused.push((response.status().as_u16(), retry));
    }
    assert!(refused.contains(&(429, true)), "{refused:?}");
    let (status, streams) = answer(server.client.get(server.url("streams"))).await;
    assert_eq!((status, streams), (200, json!({"streams": []})));
}

#[tokio::test]
async fn what_a_client_says_on_the_feed_is_bounded() {
    let server = Server::start(unhurried()).await;
    let mut feed = server.feed("").await;
    next(&mut feed).await;
    feed.send(Message::text("ignored")).await.unwrap();
    server.post(json!({"type": "goal"})).await;
    assert_eq!(next_seq(&mut feed).await, 1);
    feed.send(Message::text("x".repeat(64 * 1_024))).await.unwrap();
    let end = timeout(DEADLINE, feed.next()).await.expect("the end");
    assert!(matches!(end, None | Some(Err(_) | Ok(Message::Close(_)))), "{end:?}");
}
