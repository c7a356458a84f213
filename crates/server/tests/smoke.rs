//! The program as a person starts it: a child process, real ports, and what it says.

use reqwest::{Client, StatusCode};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("unisono-smoke-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a fresh folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server; killed if a test fails before it stops it.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it said on standard output until all doors were open.
    welcome: String,
}

/// The provider of its cryptography is the program's own.
fn client() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::new()
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unisono"));
    command.env_clear().stdin(Stdio::null());
    command
}

impl Server {
    fn start(verb: &str, folder: &Folder) -> Self {
        let mut command = program();
        command.current_dir(&folder.0).args([verb, "--data-dir", "data"]);
        for door in ["--http", "--rtmp", "--webrtc"] {
            command.args([door, "127.0.0.1:0"]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut server = Self { child, stdout, welcome: String::new() };
        // Both parts of the greeting end with a line of their own; the file ends early if it fails to start.
        while !(server.welcome.contains("  HLS ") && server.welcome.contains("  OBS ")) {
            let read = server.stdout.read_line(&mut server.welcome).expect("text");
            assert_ne!(read, 0, "it ended after saying {:?}", server.welcome);
        }
        server
    }

    /// The word behind `label` in the welcome.
    fn said(&self, label: &str) -> Option<&str> {
        let line = self.welcome.lines().find_map(|line| line.trim_start().strip_prefix(label))?;
        line.split_whitespace().next()
    }

    fn url(&self, path: &str) -> String {
        let hls = self.said("HLS ").expect("an HLS line");
        let end = hls.find("/live/").expect("a stream's URL");
        format!("{}{path}", &hls[..end])
    }

    fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill(1)").success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn get(url: &str) -> (StatusCode, String) {
    let response = client().get(url).send().await.expect("an answer");
    (response.status(), response.text().await.expect("text"))
}

/// As if a proxy on this machine passed on a request from elsewhere.
async fn metrics_from_afar(server: &Server, key: Option<&str>) -> StatusCode {
    let mut request = client().get(server.url("/metrics")).header("x-forwarded-for", "203.0.113.9");
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    request.send().await.expect("an answer").status()
}

#[tokio::test]
async fn keys_are_shown_once_and_survive_a_restart() {
    let folder = Folder::new();
    let first = Server::start("serve", &folder);
    let admin = first.said("admin key").expect("an admin key").to_owned();
    let publish = first.said("publish key").expect("a publish key").to_owned();
    assert!(admin.starts_with("ak_") && publish.starts_with("pk_"));
    assert!(first.welcome.contains(&format!("/live/demo/publish#key={publish}")), "{}", first.welcome);
    assert_eq!(metrics_from_afar(&first, Some(&admin)).await, StatusCode::OK);
    let mode = fs::metadata(folder.0.join("data")).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "keys are nobody else's business");
    assert!(first.terminate().success(), "SIGTERM is an orderly end");

    let second = Server::start("serve", &folder);
    assert_eq!((second.said("admin key"), second.said("publish key")), (None, None));
    assert!(second.welcome.contains("Keys exist"), "{}", second.welcome);
    assert_eq!(metrics_from_afar(&second, Some(&admin)).await, StatusCode::OK);
    assert_eq!(metrics_from_afar(&second, Some(&publish)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(metrics_from_afar(&second, None).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn it_is_healthy_ready_and_measured() {
    let folder = Folder::new();
    let server = Server::start("serve", &folder);
    assert_eq!(get(&server.url("/healthz")).await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(get(&server.url("/readyz")).await, (StatusCode::OK, "ready\n".to_owned()));
    let (status, text) = get(&server.url("/metrics")).await;
    assert_eq!(status, StatusCode::OK, "loopback needs no key");
    for metric in
        ["unisono_build_info", "unisono_streams", "process_cpu_seconds", "unisono_rtmp_", "unisono_webrtc_"]
    {
        assert!(text.contains(metric), "{metric} in\n{text}");
    }
}

#[tokio::test]
async fn pages_answer_with_or_without_having_been_built() {
    let folder = Folder::new();
    let server = Server::start("serve", &folder);
    for (path, framing) in [("/", "'none'"), ("/live/demo", "*"), ("/live/demo/publish", "'none'")] {
        let response = client().get(server.url(path)).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert!(header("content-type").starts_with("text/html"), "{path}");
        assert!(header("content-security-policy").ends_with(&format!("frame-ancestors {framing}")), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
    let (status, words) = get(&server.url("/api/nonsense")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(words.contains("reserved"), "{words}");
}

#[tokio::test]
async fn the_demo_publishes_a_stream_of_its_own() {
    let folder = Folder::new();
    let server = Server::start("demo", &folder);
    // Live as soon as the doors are open: the first frame is there before the greeting ends, or comes at once.
    let (status, text) = get(&server.url("/metrics")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("unisono_streams{state=\"live\"} 1"), "{text}");
    assert!(server.terminate().success());
}

fn output(folder: &Folder, arguments: &[&str]) -> Output {
    program().current_dir(&folder.0).args(arguments).output().expect("it runs")
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    let folder = Folder::new();
    fs::write(folder.0.join("typo.toml"), "[rtmp]\nport = 1935\n").expect("a file");
    let refused = output(&folder, &["serve", "--config", "typo.toml"]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("port") && words.contains("listen"), "{words}");

    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("bound").to_string();
    let refused = output(&folder, &["serve", "--http", &taken, "--rtmp", "off", "--webrtc", "off"]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("taken by another program"), "{words}");
}

#[test]
fn another_key_is_printed_alone() {
    let folder = Folder::new();
    let made = output(&folder, &["keys", "new", "admin", "--data-dir", "data"]);
    assert!(made.status.success());
    let text = String::from_utf8(made.stdout).expect("text");
    assert!(text.starts_with("ak_") && text.lines().count() == 1, "{text}");
}

#[test]
fn the_test_source_writes_whole_frames() {
    let folder = Folder::new();
    let source = ["testsource", "--raw", "--size", "160x90", "--fps", "100", "--duration", "0.05"];
    let written = output(&folder, &source);
    assert!(written.status.success());
    assert_eq!(written.stdout.len(), 5 * 160 * 90 * 3 / 2);
}
