//! What keeps an erased person from taking part twice is gone from every file of the log once it is over.

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use unisono_base::{MediaTime, NodeClock, RoomId, Span, Tenant};
use unisono_hub::{Hub, Limits};
use unisono_room::{Erase, Keeper, Rooms, RoomsLimits, View, Visitor};
use unisono_store::{MemoryKv, RoomLog, SqliteLog};
use unisono_timeline::{
    Ack, At, Body, Command, Person, Role, Rule, Status, Uuid, Verb,
    audit::{Sealed, Signer},
};

const PATIENCE: Duration = Duration::from_secs(60);

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hold(folder: &Path, words: &str) -> bool {
    let files = std::fs::read_dir(folder).expect("a folder");
    let bytes = files.map(|file| std::fs::read(file.expect("a file").path()).expect("readable"));
    bytes.into_iter().any(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
}

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

async fn ask(rooms: &Rooms, who: &str, verb: Verb, subject: Option<Uuid>, data: Value) -> Ack {
    let command = Command {
        cmd_id: Uuid::now_v7(),
        ty: "poll".to_owned(),
        verb,
        lane: None,
        at: At::Now,
        dur: (verb == Verb::Open).then_some(Span::from_secs(60)),
        ttl: None,
        late: None,
        subject,
        data,
    };
    let role = if who == "host" { Role::Host } else { Role::Member };
    let visitor = Visitor { person: Person { id: who.into(), name: None }, role };
    rooms.command(room(), command, &visitor, View::default()).await.expect("answered").0
}

/// The salt as it stands in the log, while it does.
async fn salt(log: &SqliteLog) -> Option<String> {
    let entries = log.read(&room(), 1, 1_000).await.expect("readable").entries;
    entries.iter().find_map(|Sealed { entry, .. }| match &entry.body {
        Body::Hidden(hidden) if matches!(hidden.rule, Rule::Remembered(_)) => {
            hidden.data.get("salt").and_then(Value::as_str).map(str::to_owned)
        }
        Body::Hidden(_) | Body::Event(_) => None,
    })
}

#[tokio::test]
async fn the_salt_lasts_over_a_restart_and_goes_with_the_decision() {
    let folder = Folder(std::env::temp_dir().join(format!("unisono-salt-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let clock = NodeClock::new(Instant::now(), MediaTime::from_micros(1_700_000_000_000_000));
    let open = || async {
        let log = Arc::new(SqliteLog::open(&folder.0.join("log.sqlite")).await.expect("opens"));
        let signer = Arc::new(Signer::from_seed(&[5; 32]).expect("32 bytes"));
        let keeper = (Keeper::new(Arc::new(MemoryKv::default())), signer);
        let hub = Hub::new(Limits::default());
        let rooms = Rooms::open(hub, log.clone(), clock.clone(), keeper, RoomsLimits::default()).await;
        (log, rooms.expect("opens"))
    };
    let (log, rooms) = open().await;
    let terms = json!({"l_max": 200_000, "l_min": 100_000, "uplink": 100_000});
    let data = json!({"question": "Tea?", "choices": ["yes", "no"], "terms": terms});
    let poll = ask(&rooms, "host", Verb::Open, None, data).await.id.expect("an event");
    assert_eq!(
        ask(&rooms, "ann-the-voter", Verb::Enter, Some(poll), json!({"choice": 0})).await.status,
        Status::Accepted
    );
    assert_eq!(rooms.erase(&room(), Erase::Person { id: "ann-the-voter".into() }).await, Ok(1));
    let secret = salt(&log).await.expect("kept while it is open");
    assert!(!hold(&folder.0, "ann-the-voter"), "who it was is gone at once");
    rooms.close().await;
    log.close().await;

    let (log, rooms) = open().await;
    let entries = log.read(&room(), 1, 1_000).await.expect("readable").entries;
    let again = ask(&rooms, "ann-the-voter", Verb::Enter, Some(poll), json!({"choice": 1})).await;
    assert_eq!(again.status, Status::Invalid, "{again:?}");
    let n = entries.iter().find(|Sealed { entry, .. }| match &entry.body {
        Body::Hidden(hidden) => matches!(hidden.rule, Rule::Remembered(_)),
        Body::Event(_) => false,
    });
    let n = n.expect("written").entry.n;
    assert_eq!(rooms.erase(&room(), Erase::Payload { n }).await, Ok(0), "not while it is needed");
    assert_eq!(salt(&log).await.as_ref(), Some(&secret));

    ask(&rooms, "host", Verb::Close, Some(poll), json!(null)).await;
    let gone = async {
        while salt(&log).await.is_some() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it goes");
    rooms.close().await;
    log.close().await;
    assert!(!hold(&folder.0, &secret), "from every file");
}
