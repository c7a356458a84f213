//! A server that can be killed: a child process on a data directory that outlives it.

use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tokio::sync::{Mutex, watch};
use unisono_timeline::Uuid;

/// Gone with the test.
pub(crate) struct Folder(PathBuf);

/// What `unisono verify` found.
pub(crate) struct Verdict {
    pub(crate) is_green: bool,
    pub(crate) words: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("unisono-durable-server-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// `early`: an older export, whose end is a checkpoint that the log must contain.
    pub(crate) fn verify(&self, export: &str, key: &str, early: Option<&str>) -> Verdict {
        let file = self.0.join("export.log");
        fs::write(&file, export).expect("written");
        let mut command = program();
        command.arg("verify").arg(&file).args(["--key", key]);
        if let Some(early) = early {
            let checkpoint = self.0.join("checkpoint.json");
            fs::write(&checkpoint, early.lines().next_back().expect("an end")).expect("written");
            command.arg("--checkpoint").arg(checkpoint);
        }
        let output = command.output().expect("it runs");
        let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
        words.push_str(&String::from_utf8_lossy(&output.stderr));
        Verdict { is_green: output.status.success() && words.starts_with("GREEN"), words }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where the server answers now: its port differs from life to life.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Life {
    /// How many lives it has had.
    pub(crate) number: u64,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
}

/// See the module.
pub(crate) struct Node {
    data: PathBuf,
    child: Mutex<Option<Child>>,
    life: watch::Sender<Life>,
    admin_key: String,
    pub(crate) http: Client,
    /// Commands that clients have an answer to.
    pub(crate) progress: watch::Sender<usize>,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unisono"));
    command.env_clear().stdin(Stdio::null());
    command
}

impl Node {
    pub(crate) async fn start(folder: &Folder) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = folder.0.join("data");
        let (child, address, key) = tokio::task::block_in_place(|| spawn(&data));
        let admin_key = key.expect("the first start prints its keys");
        let life = watch::Sender::new(Life { number: 1, address });
        let progress = watch::Sender::new(0);
        Self { data, child: Mutex::new(Some(child)), life, admin_key, http: Client::new(), progress }
    }

    /// The life after number `past`, once it has begun.
    pub(crate) async fn life_after(&self, past: u64) -> Life {
        let mut lives = self.life.subscribe();
        let life = lives.wait_for(|life| life.number > past).await;
        life.expect("the node is there").clone()
    }

    /// SIGKILL, which nobody can prepare for, and the next life on the same data directory.
    pub(crate) async fn kill_and_restart(&self) {
        let mut held = self.child.lock().await;
        if let Some(mut child) = held.take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
        let (child, address, _) = tokio::task::block_in_place(|| spawn(&self.data));
        *held = Some(child);
        self.life.send_modify(|life| *life = Life { number: life.number + 1, address });
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.life.borrow().address)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(self.url(path)).bearer_auth(&self.admin_key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("text"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Read by the type that the API's description has for it.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = self.http.get(self.url(path)).bearer_auth(&self.admin_key);
        let answer = request.send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("text"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text:.300}"))
    }

    /// A host's command; the answer.
    pub(crate) async fn command(&self, room: &str, mut command: Value) -> Value {
        command["cmd_id"] = Uuid::now_v7().to_string().into();
        self.post(&format!("/api/v1/rooms/{room}/commands"), command).await
    }

    /// A token of somebody whom no rate per person holds back.
    pub(crate) async fn token(&self, subject: &str) -> String {
        let grants = json!([{"stream": "live/*", "actions": ["view", "host"]}]);
        let request = json!({"subject": subject, "grants": grants, "lifetime_seconds": 86_400});
        self.post("/api/v1/tokens", request).await["token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn export(&self, room: &str) -> String {
        let request = self.http.get(self.url(&format!("/api/v1/rooms/{room}/log")));
        let answer = request.bearer_auth(&self.admin_key).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.text().await.expect("all of it")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.get_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts it; its address, and its admin key where it says one.
fn spawn(data: &std::path::Path) -> (Child, String, Option<String>) {
    let mut command = program();
    command.args(["serve", "--http", "127.0.0.1:0", "--rtmp", "off", "--webrtc", "off", "--log", "error"]);
    command.arg("--data-dir").arg(data).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut key = None;
    let address = lines.by_ref().map(|line| line.expect("text")).find_map(|line| {
        key = key
            .take()
            .or_else(|| line.split_whitespace().find(|word| word.starts_with("ak_")).map(str::to_owned));
        let (_, rest) = line.split_once("http://localhost:")?;
        Some(format!("127.0.0.1:{}", rest.split('/').next()?))
    });
    // Nobody reads on: what it says later is little, and fits into the pipe.
    let address = address.expect("it says where it is");
    std::mem::forget(lines);
    (child, address, key)
}
