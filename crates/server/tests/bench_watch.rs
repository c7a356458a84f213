//! `unisono bench watch` against a real server: counted viewers beside full ones, on a good network and on a bad one.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A running server in a folder of its own; both are gone with it.
struct Server {
    child: Child,
    folder: PathBuf,
    url: String,
    key: String,
}

impl Server {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("unisono-bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("a fresh folder");
        let mut command = program();
        command.current_dir(&folder).args(["serve", "--data-dir", "data"]);
        for door in ["--http", "--rtmp", "--webrtc"] {
            command.args([door, "127.0.0.1:0"]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut url, mut key) = (None, None);
        while url.is_none() || key.is_none() {
            let line = lines.next().expect("it says where it is, and its key").expect("text");
            let after = |start: &str, is_part: fn(&char) -> bool| {
                let rest = line.split_once(start)?.1;
                Some(rest.chars().take_while(is_part).collect::<String>())
            };
            let port = after("http://localhost:", char::is_ascii_digit);
            url = url.or_else(|| port.map(|port| format!("http://127.0.0.1:{port}")));
            let part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let found = after("pk_", part).filter(|part| part.len() > 8).map(|part| format!("pk_{part}"));
            key = key.or(found);
        }
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, folder, url: url.expect("said"), key: key.expect("said") }
    }

    /// The report of a run with these arguments beside a publisher of its own.
    fn bench(&self, args: &[&str]) -> Value {
        let mut command = program();
        command.args(["bench", "watch", "--url", &format!("{}/live/bench", self.url)]);
        command.args(["--publish", "--key", &self.key, "--pid", &self.child.id().to_string()]).args(args);
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unisono"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn number(report: &Value, path: &str) -> u64 {
    let value = report.pointer(path).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("{path} is missing in {report}")) as u64
}

#[test]
fn counted_viewers_play_beside_a_full_one_and_lose_nothing() {
    let server = Server::start();
    let report = server.bench(&[
        "--viewers",
        "21",
        "--full",
        "1",
        "--seconds",
        "3",
        "--joins-at-once",
        "5",
        "--baseline",
    ]);
    assert_eq!((number(&report, "/joined"), number(&report, "/failed")), (21, 0), "{report}");
    assert_eq!((number(&report, "/lost"), number(&report, "/full/lost")), (0, 0), "{report}");
    // Whatever the machine does beside: some frames came to each, and their times were known.
    assert!(number(&report, "/frames") > 20 * 5, "{report}");
    assert!(number(&report, "/frame_latency_ms/samples") > 20 * 5, "{report}");
    assert_eq!(report["broken_off"], serde_json::json!({}), "{report}");
    assert_eq!(number(&report, "/joins_at_once/joins/joined"), 5, "{report}");
    assert!(number(&report, "/joins_at_once/playing/frames") > 0, "{report}");
    for means in ["gso", "sendto"] {
        assert!(number(&report, &format!("/baseline/{means}/packets")) > 0, "{report}");
        assert_eq!(number(&report, &format!("/baseline/{means}/refused")), 0, "{report}");
    }
}

#[test]
fn on_a_bad_network_the_server_takes_the_requests_and_repairs() {
    let server = Server::start();
    let report = server.bench(&["--viewers", "6", "--full", "1", "--seconds", "4", "--loss", "0.05"]);
    assert_eq!(number(&report, "/failed"), 0, "{report}");
    assert!(number(&report, "/dropped_on_purpose") > 0, "{report}");
    assert!(number(&report, "/asked_again") > 0, "{report}");
    // Sealed as the server opens it, and resent packets opened as it seals them.
    assert!(number(&report, "/server_dwell/asked_again") > 0, "{report}");
    assert!(number(&report, "/repaired") > 0, "{report}");
}

#[test]
fn viewers_that_come_and_go_leave_nothing_behind() {
    let server = Server::start();
    let churn = ["--viewers", "6", "--full", "1", "--seconds", "6", "--churn", "1..2s", "--vanish", "0"];
    let report = server.bench(&churn);
    assert!(number(&report, "/churn/left") > 0, "{report}");
    assert!(number(&report, "/churn/joins/joined") > 0, "{report}");
    assert_eq!(number(&report, "/churn/joins/failed"), 0, "{report}");
    assert_eq!(number(&report, "/churn/server_sessions_left"), 0, "{report}");
}
