//! The program with the operator's own services beside it: told what happens, asked who may watch.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use reqwest::Client;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

const DEADLINE: Duration = Duration::from_secs(120);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Both services: events, taken or not, and viewers, of whom "good" is one.
struct Services {
    base: String,
    events: mpsc::UnboundedReceiver<Value>,
    takes: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Shared {
    events: mpsc::UnboundedSender<Value>,
    takes: Arc<AtomicBool>,
}

impl Services {
    async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let (send, events) = mpsc::unbounded_channel();
        let takes = Arc::new(AtomicBool::new(true));
        let router = Router::new()
            .route("/events", post(event))
            .route("/viewers", post(viewer))
            .with_state(Shared { events: send, takes: takes.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { base, events, takes }
    }

    /// The next event of this type about a stream that was taken.
    async fn event(&mut self, kind: &str) -> Value {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("open");
                if event["type"] == kind {
                    return event;
                }
            }
        };
        timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("no {kind} within the deadline"))
    }
}

async fn event(State(shared): State<Shared>, body: Bytes) -> StatusCode {
    if !shared.takes.load(Ordering::SeqCst) {
        return std::future::pending().await;
    }
    let _ = shared.events.send(serde_json::from_slice(&body).expect("JSON"));
    StatusCode::NO_CONTENT
}

async fn viewer(body: Bytes) -> StatusCode {
    let json: Value = serde_json::from_slice(&body).expect("JSON");
    if json["data"]["token"] == "good" { StatusCode::OK } else { StatusCode::FORBIDDEN }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("unisono-webhooks-{}", std::process::id()));
        fs::create_dir(&path).expect("a fresh folder");
        Self(path)
    }

    fn configure(&self, base: &str) {
        let text = format!(
            "[access]\nwebhook = \"{base}/viewers\"\nwebhook_secrets = [\"{SECRET}\"]\n\n\
             [[webhook]]\nurl = \"{base}/events\"\nsecrets = [\"{SECRET}\"]\n"
        );
        fs::write(self.0.join("unisono.toml"), text).expect("writable");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `unisono demo` on free ports; killed without a word when dropped.
struct Server {
    child: Child,
    base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unisono"));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).current_dir(folder);
        command.args(["demo", "--no-open", "--data-dir", "data"]);
        for door in ["--http", "--rtmp", "--webrtc"] {
            command.args([door, "127.0.0.1:0"]);
        }
        let mut child = command.spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = String::new();
        while !said.contains("/live/demo/index.m3u8") {
            assert_ne!(stdout.read_line(&mut said).expect("text"), 0, "it ended after saying {said:?}");
        }
        let end = said.find("/live/demo/index.m3u8").expect("just seen");
        let start = said[..end].rfind("http").expect("a URL");
        Self { child, base: said[start..end].to_owned() }
    }

    async fn get(&self, client: &Client, path: &str, token: &str) -> u16 {
        let response = client.get(format!("{}{path}", self.base)).bearer_auth(token).send().await;
        response.expect("an answer").status().as_u16()
    }

    /// WHEP with an offer that is none: who is let in is told so with another status.
    async fn whep(&self, client: &Client, token: &str) -> u16 {
        let request = client.post(format!("{}/live/demo/whep", self.base)).bearer_auth(token);
        let response = request.header("content-type", "application/sdp").body("v=0").send().await;
        response.expect("an answer").status().as_u16()
    }
}

#[tokio::test]
async fn events_survive_a_crash_and_viewers_are_let_in_by_the_service() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (folder, mut services, client) = (Folder::new(), Services::open().await, Client::new());
    folder.configure(&services.base);
    services.takes.store(false, Ordering::SeqCst);
    let server = Server::start(&folder.0);

    // The receiver of events hangs meanwhile; the stream plays.
    let playlist = "/live/demo/index.m3u8";
    let plays = async {
        while server.get(&client, playlist, "good").await != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE, plays).await.expect("it plays within the deadline");
    assert_eq!(server.get(&client, playlist, "bad").await, 403);
    assert_eq!(server.get(&client, "/live/demo/hls/video.m3u8", "bad").await, 403);
    assert_eq!(server.get(&client, "/live/demo/hls/video.m3u8", "good").await, 200);
    assert_eq!(server.whep(&client, "bad").await, 403);
    assert_eq!(server.whep(&client, "good").await, 422, "let in; the offer is the next thing wrong");
    drop(server);

    services.takes.store(true, Ordering::SeqCst);
    let _server = Server::start(&folder.0);
    let (first, second) = (services.event("stream.up").await, services.event("stream.up").await);
    assert_eq!(first["data"]["stream"], "live/demo");
    assert!(first["at"].as_i64() < second["at"].as_i64(), "the one from before the crash comes first");
}
