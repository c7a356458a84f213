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
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;
use unisono_auth::{Access, Keyring, NewKey, Role, Secret, ViewPolicy};
use unisono_base::{Doorbell, KeyId, MediaTime, NodeClock, RoomId, Span, Tenant};
use unisono_gateway_events::{Context, Gateway, Metrics, Rules, RulesInForce};
use unisono_hub::{Hub, Limits, Publication, ReleaseGate, Source};
use unisono_room::{Rooms, RoomsLimits};
use unisono_store::MemoryLog;
use unisono_timeline as timeline;

/// Liveness only: far above what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);
const INBOX: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_700_000_000_000_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Server {
    address: SocketAddr,
    hub: Arc<Hub>,
    stop: CancellationToken,
    registry: Registry,
    admin: NewKey,
    publish: NewKey,
    keyring: Arc<Keyring>,
    client: reqwest::Client,
}

impl Server {
    async fn start(limits: RoomsLimits) -> Self {
        let hub = Hub::new(Limits::default());
        let clock = NodeClock::new(std::time::Instant::now(), MediaTime::from_micros(NOW));
        let rooms = Rooms::new(hub.clone(), Arc::new(MemoryLog::new(10, 1_000)), clock, limits);
        let keyring = Arc::new(Keyring::new());
        let (admin, publish) =
            (NewKey::generate(Role::Admin, "a").unwrap(), NewKey::generate(Role::Publish, "p").unwrap());
        keyring.add(&admin).unwrap();
        keyring.add(&publish).unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let stop = CancellationToken::new();
        let access = Arc::new(Access::new(keyring.clone(), Vec::new(), ViewPolicy::Open));
        let gateway = Gateway::new(Context {
            rooms,
            hub: hub.clone(),
            access,
            rules: RulesInForce::new(Rules {
                guests: timeline::Role::Member,
                inbox_secrets: vec![Secret::parse(INBOX).unwrap()],
            }),
            metrics,
            elsewhere: None,
            stop: stop.clone(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = gateway.router().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(axum::serve(listener, service).into_future());
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { address, hub, stop, registry, admin, publish, keyring, client: reqwest::Client::new() }
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

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// Somebody publishes what the room is about; no frame comes.
fn publish(hub: &Arc<Hub>) -> Publication {
    let room = RoomId::parse(Tenant::default(), "live:alice").unwrap();
    let source = Source { protocol: "whip", accepts_pli: true };
    hub.publish(room.stream(), KeyId::new("k"), source, 42, Arc::new(Silent)).unwrap()
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

/// The next message that is no notice of the moment.
async fn next_told(socket: &mut Socket) -> Value {
    loop {
        let message = next(socket).await;
        if message["type"] != "presence" {
            return message;
        }
    }
}

/// The next events must be these, in whatever batches.
async fn expect(socket: &mut Socket, range: std::ops::RangeInclusive<u64>) {
    let mut expected = *range.start();
    while expected <= *range.end() {
        let message = next_told(socket).await;
        assert_eq!(message["type"], "events", "{message}");
        for event in message["events"].as_array().unwrap() {
            assert_eq!(event["seq"], expected);
            expected += 1;
        }
    }
    assert_eq!(expected, range.end() + 1);
}

/// The greeting, and the room as it stands.
async fn greeted(socket: &mut Socket) -> Value {
    let hello = next(socket).await;
    assert_eq!(hello["type"], "hello");
    assert_eq!(next_told(socket).await["type"], "snapshot");
    hello
}

async fn ask(socket: &mut Socket, command: Value) {
    let message = json!({"type": "command", "command": command}).to_string();
    socket.send(Message::text(message)).await.unwrap();
}

/// The next answer; what the room tells meanwhile is left out.
async fn ack(socket: &mut Socket) -> Value {
    loop {
        let message = next(socket).await;
        if message["type"] == "ack" {
            return message;
        }
    }
}

fn id() -> String {
    timeline::Uuid::now_v7().to_string()
}

#[tokio::test]
async fn an_event_is_acknowledged_and_fed_as_the_same_json() {
    let server = Server::start(unhurried()).await;
    let mut feed = server.feed("").await;
    let hello = greeted(&mut feed).await;
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
    assert_eq!(next_told(&mut feed).await, json!({"type": "events", "events": [event]}));

    let (status, room) = answer(server.client.get(server.url("rooms/live:alice"))).await;
    assert_eq!(
        (status, room),
        (200, json!({"room": "live:alice", "seq": 1, "subscribers": 1, "members": 1}))
    );
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
    expect(&mut feed, 15..=20).await;
    drop(feed);
    server.post(json!({"type": "goal"})).await;
    let mut feed = server.feed("?from_seq=21").await;
    next(&mut feed).await;
    expect(&mut feed, 21..=21).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_what_it_missed_and_slows_nobody() {
    let server = Server::start(RoomsLimits { buffer: 16, ..unhurried() }).await;
    let mut slow = server.narrow_feed().await;
    greeted(&mut slow).await;
    let mut quick = server.feed("").await;
    greeted(&mut quick).await;
    // More than the sockets between us hold, so that the server has to stop sending.
    let data = "x".repeat(1_000);
    let total = 6_000;
    let at_once = 50;
    for first in (1..=total).step_by(at_once) {
        let posts = (0..at_once).map(|_| server.post(json!({"type": "goal", "data": data})));
        for (status, event) in futures_util::future::join_all(posts).await {
            assert_eq!(status, 201, "{event}");
        }
        expect(&mut quick, first..=first + at_once as u64 - 1).await;
    }
    let mut expected = 1;
    let mut was_told = false;
    while expected <= total {
        let message = next_told(&mut slow).await;
        match message["type"].as_str().unwrap() {
            "lagged" => was_told = true,
            "snapshot" => expected = message["seq"].as_u64().unwrap() + 1,
            _ => {
                for event in message["events"].as_array().unwrap() {
                    let seq = event["seq"].as_u64().unwrap();
                    // After a snapshot come the last events before it, as history.
                    assert!(seq <= expected, "{seq} after {expected}");
                    expected = expected.max(seq + 1);
                }
            }
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
    greeted(&mut feed).await;
    server.stop.cancel();
    let frame = loop {
        match timeout(DEADLINE, feed.next()).await.expect("a word").expect("open").unwrap() {
            Message::Close(Some(frame)) => break frame,
            Message::Text(_) | Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    };
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
    greeted(&mut feed).await;
    feed.send(Message::text("nonsense")).await.unwrap();
    let told = next_told(&mut feed).await;
    assert!(told["type"] == "error" && told["words"].as_str().unwrap().contains("not understood"), "{told}");
    server.post(json!({"type": "goal"})).await;
    expect(&mut feed, 1..=1).await;
    feed.send(Message::text("x".repeat(64 * 1_024))).await.unwrap();
    let end = loop {
        match timeout(DEADLINE, feed.next()).await.expect("the end") {
            Some(Ok(Message::Text(_) | Message::Ping(_))) => {}
            end => break end,
        }
    };
    assert!(matches!(end, None | Some(Err(_) | Ok(Message::Close(_)))), "{end:?}");
    let mut feed = server.feed("").await;
    greeted(&mut feed).await;
    for _ in 0..16 {
        feed.send(Message::text("{}")).await.unwrap();
    }
    loop {
        match timeout(DEADLINE, feed.next()).await.expect("the end") {
            Some(Ok(Message::Close(Some(frame)))) => break assert_eq!(u16::from(frame.code), 1008),
            Some(Ok(_)) => {}
            end => panic!("a word of farewell, not {end:?}"),
        }
    }
}

#[tokio::test]
async fn a_guest_chats_on_the_feed_and_over_http_as_the_same_person() {
    let server = Server::start(unhurried()).await;
    let guest = "?guest=0123456789abcdef&name=Ann";
    let mut feed = server.feed(guest).await;
    let hello = greeted(&mut feed).await;
    assert_eq!((&hello["role"], &hello["person"]["name"]), (&json!("member"), &json!("Ann")));
    let cmd_id = id();
    let chat = json!({"cmd_id": cmd_id, "type": "chat", "data": {"text": "<script>alert(1)</script>"}});
    ask(&mut feed, chat.clone()).await;
    let first = ack(&mut feed).await;
    assert_eq!(
        (&first["status"], &first["cmd_id"], &first["seq"]),
        (&json!("accepted"), &json!(cmd_id), &json!(1))
    );
    let url = format!("{}{guest}", server.url("rooms/live:alice/commands"));
    let (status, again) = answer(server.client.post(&url).json(&chat)).await;
    assert_eq!((status, &again["status"], &again["id"]), (200, &json!("duplicate"), &first["id"]));
    let other = json!({"cmd_id": id(), "type": "chat", "data": {"text": "by HTTP"}});
    assert_eq!(answer(server.client.post(&url).json(&other)).await.0, 200);
    let mut late = server.feed("?from_seq=1").await;
    next(&mut late).await;
    let told = next_told(&mut late).await;
    for (event, text) in
        told["events"].as_array().unwrap().iter().zip(["<script>alert(1)</script>", "by HTTP"])
    {
        assert_eq!((&event["actor"], &event["data"]["text"]), (&hello["person"], &json!(text)));
    }
    // A guest of another secret is another person; what is not theirs to do is refused.
    ask(&mut feed, json!({"cmd_id": id(), "type": "poll", "do": "open", "data": {"question": "?", "choices": ["a", "b"]}})).await;
    let refused = ack(&mut feed).await;
    assert_eq!(refused["status"], "forbidden", "{refused}");
    let own = json!({"cmd_id": id(), "type": "no.such.type", "data": {}});
    let (status, refused) = answer_any(server.client.post(&url).json(&own)).await;
    assert!(matches!(status, 403 | 422), "{refused}");
}

/// Refused commands are answered with the acknowledgement, not with a problem.
async fn answer_any(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_poll_is_opened_voted_and_decided_and_votes_are_nobody_elses_business() {
    let server = Server::start(unhurried()).await;
    let mut ann = server.feed("?guest=aaaaaaaaaaaaaaaa").await;
    let mut bob = server.feed("?guest=bbbbbbbbbbbbbbbb").await;
    greeted(&mut ann).await;
    greeted(&mut bob).await;
    let commands = server.url("rooms/live:alice/commands");
    let open = json!({"cmd_id": id(), "type": "poll", "do": "open", "dur": 1_000_000,
        "data": {"question": "Tea?", "choices": ["yes", "no"]}});
    let (status, opened) = answer(server.client.post(&commands).json(&open)).await;
    assert_eq!((status, &opened["status"]), (200, &json!("accepted")), "{opened}");
    let window = opened["id"].clone();
    for (voter, choice) in [(&mut ann, 1), (&mut bob, 1)] {
        ask(voter, json!({"cmd_id": id(), "type": "poll", "do": "enter", "subject": window, "data": {"choice": choice}})).await;
        let vote = ack(voter).await;
        assert_eq!((&vote["status"], vote.get("seq")), (&json!("accepted"), None), "{vote}");
        assert!(vote["n"].as_u64().unwrap() > 1);
    }
    // Both learn the result, and nothing between the opening and the result.
    let mut types = Vec::new();
    let result = 'told: loop {
        let message = next(&mut bob).await;
        for event in message["events"].as_array().unwrap_or(&Vec::new()) {
            types.push(event["type"].as_str().unwrap().to_owned());
            if event["type"] == "poll.decided" {
                break 'told event.clone();
            }
        }
    };
    assert_eq!(result["rule"]["result"]["counts"], json!([0, 2]), "{result}");
    assert!(!types.contains(&"poll.entered".to_owned()), "{types:?}");
    let (_, decided) = answer(server.client.get(server.url("rooms/live:alice/windows"))).await;
    assert_eq!(decided["windows"][0]["event"]["data"]["question"], "Tea?", "{decided}");
    assert_eq!(decided["windows"][0]["result"], result);
}

#[tokio::test]
async fn who_comes_back_is_told_their_own_vote_and_unit_and_nobody_else_is() {
    let server = Server::start(unhurried()).await;
    let commands = server.url("rooms/live:alice/commands");
    let open = async |ty: &str, data: Value| {
        let open = json!({"cmd_id": id(), "type": ty, "do": "open", "dur": 60_000_000, "data": data});
        answer(server.client.post(&commands).json(&open)).await.1["id"].clone()
    };
    let poll = open("poll", json!({"question": "Tea?", "choices": ["yes", "no"]})).await;
    let mug = open("drop", json!({"title": "mug", "quantity": 3})).await;
    let as_ann = format!("{commands}?guest=aaaaaaaaaaaaaaaa");
    for (ty, subject, data) in [("poll", &poll, json!({"choice": 1})), ("drop", &mug, json!({}))] {
        let enter = json!({"cmd_id": id(), "type": ty, "do": "enter", "subject": subject, "data": data});
        let (status, ack) = answer_any(server.client.post(&as_ann).json(&enter)).await;
        // Taking a unit needs a bidder; the guests of this server are members.
        assert_eq!(status, if ty == "poll" { 200 } else { 403 }, "{ack}");
    }
    for query in ["?guest=aaaaaaaaaaaaaaaa", "?guest=aaaaaaaaaaaaaaaa&from_seq=1"] {
        let mut ann = server.feed(query).await;
        assert_eq!(next(&mut ann).await["type"], "hello");
        let mine = loop {
            let message = next(&mut ann).await;
            if message["type"] == "mine" {
                break message;
            }
        };
        let own = json!([{"window": poll, "data": {"choice": 1}}]);
        assert_eq!((&mine["windows"], &mine["units"]), (&own, &json!([])), "{mine}");
    }
    let mut bob = server.feed("?guest=bbbbbbbbbbbbbbbb&tail=8").await;
    greeted(&mut bob).await;
    expect(&mut bob, 1..=2).await;
}

#[tokio::test]
async fn moderators_read_who_is_muted_and_hosts_whether_anything_is_held() {
    let server = Server::start(unhurried()).await;
    let (moderation, gate) = (server.url("rooms/live:alice/moderation"), server.url("rooms/live:alice/gate"));
    let mute = json!({"action": "mute", "person": "g~1", "dur": 60_000_000});
    assert_eq!(answer(server.client.post(&moderation).json(&mute)).await.0, 200);
    let (status, standing) = answer(server.client.get(&moderation)).await;
    assert_eq!((status, standing["slow"].as_i64()), (200, Some(0)));
    assert!(
        standing["muted"]["g~1"].as_i64().unwrap() > NOW && standing["banned"] == json!({}),
        "{standing}"
    );
    assert_eq!(server.client.get(&gate).send().await.unwrap().status(), 204, "nothing is held");
    for url in [&moderation, &gate] {
        let from_elsewhere = server.client.get(url).header("origin", "https://evil.example");
        assert_eq!(answer(from_elsewhere).await.0, 401);
    }
}

#[tokio::test]
async fn a_second_gate_gives_away_nothing_that_the_first_holds() {
    let server = Server::start(unhurried()).await;
    let publication = publish(&server.hub);
    let url = server.url("rooms/live:alice/gate");
    let put = async |gate: Value| answer_any(server.client.put(&url).json(&gate)).await;
    let lift = async || server.client.delete(&url).send().await.unwrap().status().as_u16();
    const DELAY: i64 = 10_000_000;

    // One that has not begun: only the same made longer stands in its place, and lifted it leaves nothing.
    let from = NOW + 3_600_000_000;
    let first = json!({"from": from, "until": from + 5, "delay": 1_000_000});
    assert_eq!(put(first.clone()).await.0, 200);
    for other in [
        json!({"delay": 1}),
        json!({"from": from, "until": from + 4, "delay": 1_000_000}),
        json!({"from": from, "until": from + 5, "delay": 1}),
        json!({"from": from - 1, "until": from + 5, "delay": 1_000_000}),
    ] {
        let (status, problem) = put(other.clone()).await;
        assert_eq!(status, 409, "{other}");
        assert!(problem["detail"].as_str().unwrap().contains("has a gate already"), "{problem}");
    }
    assert_eq!(put(first).await.0, 200, "said twice");
    assert_eq!(put(json!({"from": from, "delay": 2_000_000})).await.0, 200, "longer, in both ways");
    assert_eq!(publication.stream().gate().unwrap().delay().as_micros(), 2_000_000);
    assert_eq!(lift().await, 204);
    assert!(publication.stream().gate().is_none());

    // One that holds: not before it is lifted, and then not before it is over.
    let (status, begun) = put(json!({"delay": DELAY})).await;
    assert_eq!(status, 200);
    let (status, problem) = put(json!({"delay": DELAY})).await;
    assert!(status == 409 && problem["detail"].as_str().unwrap().contains("lift it first"), "{problem}");
    assert_eq!(put(begun.clone()).await.0, 200, "its own span goes on");
    assert_eq!(lift().await, 204);
    let ended = publication.stream().gate().unwrap();
    assert_eq!(
        (ended.from().as_micros(), ended.delay().as_micros()),
        (begun["from"].as_i64().unwrap(), DELAY)
    );
    let (status, problem) = put(json!({"delay": 1})).await;
    assert!(status == 409 && problem["detail"].as_str().unwrap().contains("is over in"), "{problem}");
    assert_eq!(publication.stream().gate().unwrap(), ended, "what it holds stays held");

    // One that is over is in nobody's way.
    let span = (MediaTime::from_micros(NOW - 9), Some(MediaTime::from_micros(NOW - 8)));
    publication.stream().set_gate(ReleaseGate::new(span.0, span.1, Span::from_micros(1)).ok());
    assert_eq!(put(json!({"delay": 1})).await.0, 200);
}

#[tokio::test]
async fn a_signed_purchase_is_taken_once_and_a_forged_one_never() {
    let server = Server::start(unhurried()).await;
    let inbox = server.url("rooms/live:alice/inbox");
    let body =
        json!({"cmd_id": id(), "type": "purchase", "data": {"item": "mug", "amount": 1200}}).to_string();
    let send = |body: String, secret: &str, timestamp: i64| {
        let secret = Secret::parse(secret).unwrap();
        let timestamp = u64::try_from(timestamp / 1_000_000).unwrap();
        let signed = unisono_auth::signatures(&[secret], "msg_1", timestamp, &body);
        let request = server.client.post(&inbox).header("webhook-id", "msg_1");
        let request = request.header("webhook-timestamp", timestamp).header("webhook-signature", signed);
        answer_any(request.body(body))
    };
    let (status, taken) = send(body.clone(), INBOX, NOW).await;
    assert_eq!((status, &taken["status"]), (200, &json!("accepted")), "{taken}");
    let (status, again) = send(body.clone(), INBOX, NOW).await;
    assert_eq!((status, &again["status"]), (200, &json!("duplicate")), "{again}");
    let forged = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(send(body.clone(), forged, NOW).await.0, 401);
    let (status, old) = send(body.clone(), INBOX, NOW - 400_000_000).await;
    assert!(status == 401 && old["detail"].as_str().unwrap().contains("300 s"), "{old}");
    let unsigned = server.client.post(&inbox).body(body);
    let (status, missing) = answer(unsigned).await;
    assert!(status == 401 && missing["detail"].as_str().unwrap().contains("webhook-"), "{missing}");
    // What only they may say, nobody else does.
    let mut guest = server.feed("?guest=aaaaaaaaaaaaaaaa").await;
    ask(&mut guest, json!({"cmd_id": id(), "type": "purchase", "data": {"item": "mug", "amount": 1}})).await;
    assert_eq!(ack(&mut guest).await["status"], "forbidden");
}

#[tokio::test]
async fn a_banned_guest_is_sent_away() {
    let server = Server::start(unhurried()).await;
    let mut guest = server.feed("?guest=aaaaaaaaaaaaaaaa").await;
    let person = greeted(&mut guest).await["person"]["id"].clone();
    let moderation = server.url("rooms/live:alice/moderation");
    let ban = json!({"action": "ban", "person": person, "dur": 60_000_000});
    assert_eq!(answer(server.client.post(&moderation).json(&ban)).await.0, 200);
    loop {
        match timeout(DEADLINE, guest.next()).await.expect("the end") {
            Some(Ok(Message::Close(Some(frame)))) => break assert!(frame.reason.contains("banned")),
            Some(Ok(_)) => {}
            end => panic!("a word of farewell, not {end:?}"),
        }
    }
    let url = format!("ws://{}/api/v1/rooms/live:alice/events?guest=aaaaaaaaaaaaaaaa", server.address);
    assert!(connect_async(url).await.is_err(), "and does not come back");
    let mut other = server.feed("?guest=bbbbbbbbbbbbbbbb").await;
    greeted(&mut other).await;
}

#[tokio::test]
async fn a_type_of_ones_own_is_checked_by_its_schema() {
    let server = Server::start(unhurried()).await;
    let types = server.url("types/lap");
    let lap = json!({"name": "lap", "lane": "alert", "class": {"rule": "latest", "key": "/car"}, "send": "host",
        "schema": {"type": "object", "required": ["car", "lap"], "properties": {"lap": {"type": "integer", "minimum": 1}}}});
    assert_eq!(answer(server.client.put(&types).json(&lap)).await.0, 200);
    let say = |data: Value| {
        let command = json!({"cmd_id": id(), "type": "lap", "data": data});
        answer_any(server.client.post(server.url("rooms/live:alice/commands")).json(&command))
    };
    assert_eq!(say(json!({"car": "7", "lap": 3})).await.0, 200);
    let (status, refused) = say(json!({"car": "7", "lap": 0})).await;
    assert!(status == 422 && refused["words"].as_str().unwrap().contains("lap"), "{refused}");
    let (status, snapshot) = answer(server.client.get(server.url("rooms/live:alice/snapshot"))).await;
    assert!(status == 200 && snapshot.to_string().contains("\"lap\":3"), "{snapshot}");
    let bad = json!({"name": "lap", "lane": "alert", "class": {"rule": "window"}});
    assert_eq!(answer(server.client.put(&types).json(&bad)).await.0, 422);
    let deleted = server.client.delete(&types).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(answer(server.client.delete(&types)).await.0, 404);
}

#[tokio::test]
async fn a_feed_ends_with_the_admin_key_that_opened_it() {
    let server = Server::start(unhurried()).await;
    let bearer = format!("Bearer {}", server.admin.reveal());
    let url = format!("ws://{}/api/v1/rooms/live:alice/events", server.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let mut socket = connect_async(request).await.unwrap().0;
    assert_eq!(greeted(&mut socket).await["role"], "system");
    let sse = server.client.get(server.url("rooms/live:alice/events")).header("accept", "text/event-stream");
    let mut sse = sse.header("authorization", &bearer).send().await.unwrap();

    assert!(server.keyring.revoke(&server.admin.stored().key_id()));
    let ended = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => break frame.reason.to_string(),
                Some(Ok(_)) => {}
                end => panic!("a word of farewell, not {end:?}"),
            }
        }
    };
    let reason = timeout(DEADLINE, ended).await.expect("the end");
    assert!(reason.contains("revoked"), "{reason}");
    let ended = async { while sse.chunk().await.unwrap().is_some() {} };
    timeout(DEADLINE, ended).await.expect("the end of the other");
}

#[tokio::test]
async fn what_rooms_answer_is_what_the_description_says() {
    use unisono_api::{AckView, DisciplineView, ErasedView, EventView, SnapshotView, TypeList, TypeView};
    fn read<T: serde::de::DeserializeOwned>((status, json): (u16, Value)) -> T {
        assert!(status < 300, "{status} {json}");
        serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json}"))
    }
    let server = Server::start(unhurried()).await;
    let post = |path: &str, body: Value| answer(server.client.post(server.url(path)).json(&body));
    let say = |body: Value| answer(server.client.post(server.url("rooms/live:alice/commands")).json(&body));
    let event: EventView = read(server.post(json!({"type": "goal", "data": {"by": "Alice"}})).await);
    assert_eq!((event.seq, event.ty.as_str()), (1, "goal"));
    let poll = json!({"question": "Tea?", "choices": ["yes", "no"]});
    let opened: AckView = read(
        say(json!({"cmd_id": id(), "type": "poll", "do": "open", "dur": 60_000_000, "data": poll})).await,
    );
    assert_eq!(opened.status, "accepted");
    let score: AckView = read(say(json!({"cmd_id": id(), "type": "score", "data": {"home": 1}})).await);
    let lot = json!({"title": "a mug", "quantity": 3});
    read::<AckView>(say(json!({"cmd_id": id(), "type": "drop", "do": "open", "data": lot})).await);
    read::<AckView>(say(json!({"cmd_id": id(), "type": "alert", "data": {"text": "look"}})).await);
    let (status, refused) = say(json!({"cmd_id": id(), "type": "poll", "do": "shout"})).await;
    assert!(status == 422 && refused["detail"].as_str().unwrap().contains("shout"), "{refused}");
    let snapshot: SnapshotView =
        read(answer(server.client.get(server.url("rooms/live:alice/snapshot"))).await);
    let count = (snapshot.windows.len(), snapshot.latest.len(), snapshot.offers.len(), snapshot.queues.len());
    assert_eq!(count, (1, 1, 1, 1));
    let types: TypeList = read(answer(server.client.get(server.url("types"))).await);
    let chat = types.types.iter().find(|ty| ty.name == "chat").unwrap();
    let own = TypeView { name: "shout".into(), ..chat.clone() };
    read::<TypeView>(answer(server.client.put(server.url("types/shout")).json(&own)).await);
    let mute = json!({"action": "mute", "person": "~bob", "dur": 60_000_000});
    let discipline: DisciplineView = read(post("rooms/live:alice/moderation", mute).await);
    assert!(discipline.muted.contains_key("~bob"));
    let erased: ErasedView = read(post("rooms/live:alice/erase", json!({"n": score.n})).await);
    assert_eq!(erased.entries, 1);
}
