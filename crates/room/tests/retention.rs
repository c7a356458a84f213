//! A log whose beginning goes: what is open holds it, the rest verifies, and the room is as it will be when it is read again.

use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, time::Instant};
use unisono_base::{MediaTime, NodeClock, RoomId, Span, Tenant};
use unisono_hub::{Hub, Limits};
use unisono_room::{KeepFor, Keeper, Rooms, RoomsLimits, View, Visitor};
use unisono_store::{MemoryKv, RoomLog, SqliteLog};
use unisono_timeline::{
    Ack, At, Command, Person, Role, Status, Uuid, Verb,
    audit::{Report, Signer, Verifier},
};

const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);
const DAY: Span = Span::from_secs(86_400);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("unisono-retention-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn hold(&self, words: &str) -> bool {
        let files = std::fs::read_dir(&self.0).expect("a folder");
        let mut bytes = files.map(|file| std::fs::read(file.expect("a file").path()).expect("readable"));
        bytes.any(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
    }

    /// The rooms when the node's clock stands at `now`.
    async fn open(&self, now: MediaTime) -> (Arc<SqliteLog>, Arc<Rooms>) {
        let log = Arc::new(SqliteLog::open(&self.0.join("log.sqlite")).await.expect("opens"));
        let signer = Arc::new(Signer::from_seed(&[5; 32]).expect("32 bytes"));
        let keeper = (Keeper::new(Arc::new(MemoryKv::default())), signer);
        let clock = NodeClock::new(Instant::now(), now);
        let rooms =
            Rooms::open(Hub::new(Limits::default()), log.clone(), clock, keeper, RoomsLimits::default());
        (log, rooms.await.expect("opens"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

async fn ask(rooms: &Rooms, verb: Verb, ty: &str, subject: Option<Uuid>, data: Value) -> Ack {
    let command = Command {
        cmd_id: Uuid::now_v7(),
        ty: ty.to_owned(),
        verb,
        lane: None,
        at: At::Now,
        dur: (verb == Verb::Open).then_some(Span::from_secs(3_600)),
        ttl: None,
        late: None,
        subject,
        data,
    };
    let visitor = Visitor { person: Person { id: "host".into(), name: None }, role: Role::Host };
    let (ack, _) = rooms.command(room(), command, &visitor, View::default()).await.expect("answered");
    assert_eq!(ack.status, Status::Accepted, "{ack:?}");
    ack
}

async fn chat(rooms: &Rooms, words: &str, count: usize) {
    for _ in 0..count {
        ask(rooms, Verb::Send, "chat", None, json!({"text": words})).await;
    }
}

async fn export(rooms: &Rooms) -> String {
    let mut export = rooms.export(&room()).await.expect("readable").expect("signed");
    let mut text = String::new();
    while let Some(lines) = export.next().await {
        text.push_str(&lines.expect("readable"));
    }
    text
}

fn verify<'a>(lines: impl IntoIterator<Item = &'a str>) -> Report {
    let signer = Signer::from_seed(&[5; 32]).expect("32 bytes");
    let mut verifier = Verifier::new(Some(signer.public()));
    lines.into_iter().for_each(|line| verifier.line(line));
    verifier.finish()
}

async fn standing(rooms: &Rooms) -> String {
    String::from_utf8_lossy(&rooms.look(room()).await.expect("open").standing).into_owned()
}

#[tokio::test]
async fn a_long_log_is_cut_up_to_what_is_open_and_still_verifies() {
    let folder = Folder::new("entries");
    let (log, rooms) = folder.open(NOW).await;
    ask(&rooms, Verb::Send, "score", None, json!({"home": "old-score"})).await;
    chat(&rooms, "old-words", 40).await;
    let poll =
        ask(&rooms, Verb::Open, "poll", None, json!({"question": "Tea?", "choices": ["yes", "no"]})).await;
    chat(&rooms, "new-words", 150).await;
    assert_eq!(rooms.trim().await, Ok(0), "unless it is asked for everything stays");
    rooms.set_retention(KeepFor { entries: Some(100), span: None });
    assert_eq!(rooms.trim().await, Ok(41), "the open poll holds the rest");
    assert_eq!(rooms.trim().await, Ok(0));
    assert!(!folder.hold("old-words") && !folder.hold("old-score"), "gone from every file");
    assert!(!standing(&rooms).await.contains("old-score"));
    ask(&rooms, Verb::Enter, "poll", poll.id, json!({"choice": 1})).await;

    let text = export(&rooms).await;
    let report = verify(text.lines());
    assert_eq!((report.bad.as_ref(), report.first_n), (None, 42), "{report}");
    assert!(!report.to_string().contains("did not sign"), "{report}");
    // Whoever cuts a log off without the node has no such signature.
    let forged = text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| line);
    let report = verify(forged);
    assert_eq!(report.bad, None);
    assert!(report.to_string().contains("did not sign that the log begins here"), "{report}");

    ask(&rooms, Verb::Cancel, "poll", poll.id, json!(null)).await;
    assert_eq!(rooms.trim().await, Ok(54), "the newest hundred of 195 stay");
    let before = standing(&rooms).await;
    rooms.close().await;
    log.close().await;
    let (log, rooms) = folder.open(NOW).await;
    assert_eq!(standing(&rooms).await, before, "as it was read from what is left");
    chat(&rooms, "later", 1).await;
    let report = verify(export(&rooms).await.lines());
    assert_eq!(report.bad, None, "{report}");
    assert!(!report.to_string().contains("did not sign"), "{report}");
    rooms.close().await;
    log.close().await;
}

#[tokio::test]
async fn an_old_log_goes_by_its_days() {
    let folder = Folder::new("days");
    let (log, rooms) = folder.open(NOW).await;
    chat(&rooms, "old-words", 5).await;
    rooms.close().await;
    log.close().await;
    let (log, rooms) = folder.open(NOW + Span::from_micros(20 * DAY.as_micros())).await;
    rooms.set_retention(KeepFor { span: Some(Span::from_micros(30 * DAY.as_micros())), entries: None });
    chat(&rooms, "new-words", 5).await;
    assert_eq!(rooms.trim().await, Ok(0), "not old enough");
    rooms.close().await;
    log.close().await;
    let (log, rooms) = folder.open(NOW + Span::from_micros(31 * DAY.as_micros())).await;
    rooms.set_retention(KeepFor { span: Some(Span::from_micros(30 * DAY.as_micros())), entries: None });
    assert_eq!(rooms.trim().await, Ok(5));
    assert!(!folder.hold("old-words") && folder.hold("new-words"));
    let page = log.read(&room(), 1, 100).await.expect("readable");
    assert_eq!((page.entries.len(), page.last_n, page.base.map(|base| base.n)), (5, 10, Some(5)));
    assert_eq!(verify(export(&rooms).await.lines()).bad, None);
    rooms.close().await;
    log.close().await;
}
