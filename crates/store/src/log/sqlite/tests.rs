use super::*;
use crate::log::tests::{
    check_append_and_read, check_checkpoints_and_rooms, check_erasure, check_refusals, check_retention,
    entry, fill, read_all, room,
};
use std::path::PathBuf;
use unisono_timeline::audit::Chain;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("unisono-log-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("log.sqlite")
    }

    /// Whether any file of the log has these bytes.
    fn holds(&self, words: &str) -> bool {
        let files = std::fs::read_dir(&self.0).expect("a folder");
        files
            .map(|file| std::fs::read(file.expect("a file").path()).expect("readable"))
            .any(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn open(folder: &Folder) -> SqliteLog {
    SqliteLog::open(&folder.file()).await.expect("opens")
}

#[tokio::test]
async fn a_log_in_a_file_does_what_a_log_does() {
    for name in ["append", "refuse", "erase", "retain", "rooms"] {
        let folder = Folder::new(name);
        let log = open(&folder).await;
        match name {
            "append" => check_append_and_read(&log).await,
            "refuse" => check_refusals(&log).await,
            "erase" => check_erasure(&log).await,
            "retain" => check_retention(&log).await,
            _ => check_checkpoints_and_rooms(&log).await,
        }
        log.close().await;
    }
}

#[tokio::test]
async fn every_commit_is_synced() {
    let folder = Folder::new("pragmas");
    let log = open(&folder).await;
    let ask = async |pragma: &'static str| -> String {
        let row = sqlx::query(pragma).fetch_one(&log.readers).await.expect("answered");
        sqlx::Row::try_get::<String, _>(&row, 0)
            .unwrap_or_else(|_| sqlx::Row::try_get::<i64, _>(&row, 0).expect("a number").to_string())
    };
    assert_eq!(ask("PRAGMA journal_mode").await, "wal");
    assert_eq!(ask("PRAGMA synchronous").await, "2", "FULL");
    assert_eq!(ask("PRAGMA secure_delete").await, "1");
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_and_a_closed_log_says_so() {
    let folder = Folder::new("restart");
    let log = open(&folder).await;
    let chain = fill(&log, &room("alice"), 30).await;
    log.close().await;
    let closed = log.append(&room("alice"), 30, Vec::new()).await;
    assert_eq!(closed, Err(LogError::Closed));
    let log = open(&folder).await;
    assert_eq!(log.damage(), None);
    assert_eq!(read_all(&log, &room("alice")).await.0.head(), chain.head());
}

#[tokio::test]
async fn a_command_is_written_once() {
    let folder = Folder::new("once");
    let log = open(&folder).await;
    let alice = room("alice");
    let mut chain = fill(&log, &alice, 3).await;
    let mut again = entry(&alice, 4);
    let unisono_timeline::Body::Event(event) = &mut again.body else { panic!("an event") };
    std::sync::Arc::make_mut(event).cause = Some(Uuid::from_u128(1_002));
    let refused = log.append(&alice, 3, chain.seal(vec![again], [0; 32])).await;
    assert!(matches!(refused, Err(LogError::Unfit { .. })), "{refused:?}");
    assert_eq!(read_all(&log, &alice).await.1.len(), 3);
}

#[tokio::test]
async fn rooms_that_write_at_once_do_not_disturb_each_other() {
    let folder = Folder::new("many");
    let log = std::sync::Arc::new(open(&folder).await);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let log = log.clone();
        writers.spawn(async move {
            let room = room(&format!("r{number}"));
            let chain = fill(&*log, &room, 50).await;
            // Somebody with a wrong idea of the room, in the same commits.
            let sealed = Chain::new(room.clone()).seal(vec![entry(&room, 1)], [0; 32]);
            assert!(log.append(&room, 0, sealed).await.is_err());
            assert_eq!(read_all(&*log, &room).await.0.head(), chain.head());
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("no writer fails");
    }
    assert_eq!(log.rooms(None, 100).await.expect("read").len(), 20);
}

#[tokio::test]
async fn erased_bytes_are_gone_from_every_file() {
    let folder = Folder::new("gone");
    let log = open(&folder).await;
    let alice = room("alice");
    fill(&log, &alice, 40).await;
    for words in ["secret-2-of", "person-odd", "person-even"] {
        assert!(folder.holds(words), "{words} was written");
    }
    log.erase(&alice, Erase::Payload { n: 2 }).await.expect("erased");
    assert!(!folder.holds("secret-2-of"));
    log.erase(&alice, Erase::Person { id: "person-odd".into() }).await.expect("erased");
    assert!(!folder.holds("person-odd"));
    assert!(folder.holds("person-even"), "nobody else");
}

#[tokio::test]
async fn an_erasure_reaches_the_copies_of_damaged_files_and_what_only_they_hold() {
    let (whole, folder) = (Folder::new("whole"), Folder::new("copies"));
    let log = open(&whole).await;
    fill(&log, &room("alice"), 40).await;
    let wal = |folder: &Folder| folder.0.join("log.sqlite-wal");
    std::fs::copy(whole.file(), folder.file()).expect("copied");
    let mut bytes = std::fs::read(wal(&whole)).expect("written");
    log.close().await;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(wal(&folder), bytes).expect("written");

    let log = open(&folder).await;
    let Some(Damage::Broken { copy, .. }) = log.damage() else { panic!("{:?}", log.damage()) };
    let copy = copy.clone();
    assert!(copy.exists() && folder.holds("person-odd"));
    log.erase(&room("alice"), Erase::Person { id: "person-odd".into() }).await.expect("erased");
    assert!(!copy.exists() && !folder.holds("person-odd"), "whatever the log itself had lost");
    log.close().await;
}

#[tokio::test]
async fn copies_of_damaged_files_are_kept_for_a_month() {
    let folder = Folder::new("month");
    let (old, new) = (folder.0.join("log.sqlite-wal.damaged.0"), folder.0.join("log.sqlite-wal.damaged.1"));
    for (copy, days) in [(&old, 31), (&new, 29)] {
        let written = std::time::SystemTime::now() - Duration::from_secs(days * 86_400);
        let file = std::fs::File::create(copy).expect("made");
        file.set_modified(written).expect("dated");
    }
    open(&folder).await.close().await;
    assert!(!old.exists() && new.exists());
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_untouched() {
    let folder = Folder::new("newer");
    let log = open(&folder).await;
    fill(&log, &room("alice"), 3).await;
    log.close().await;
    let options = SqliteConnectOptions::new().filename(folder.file());
    let mut connection = options.connect().await.expect("opens");
    sqlx::query("PRAGMA user_version = 99").execute(&mut connection).await.expect("set");
    sqlx::Connection::close(connection).await.expect("closed");
    let refused = SqliteLog::open(&folder.file()).await.expect_err("newer").to_string();
    assert!(refused.contains("schema 99") && refused.contains("newer version"), "{refused}");
}

#[tokio::test]
async fn a_full_file_is_told_and_what_was_written_stays() {
    let folder = Folder::new("full");
    let alice = room("alice");
    let log = open(&folder).await;
    let chain = fill(&log, &alice, 10).await;
    log.close().await;
    let options = SqliteConnectOptions::new().filename(folder.file()).journal_mode(SqliteJournalMode::Wal);
    let small = options.clone().pragma("max_page_count", "1");
    let connection = small.connect().await.expect("opens");
    let (orders, waiting) = mpsc::channel(8);
    let writer = tokio::spawn(Writer::new(connection, options).run(waiting));
    let readers = SqlitePoolOptions::new().connect_with(SqliteConnectOptions::new().filename(folder.file()));
    let readers = readers.await.expect("opens");
    let full = SqliteLog { orders, readers, writer: tokio::sync::Mutex::new(Some(writer)), damage: None };
    let mut longer = chain.clone();
    let entries: Vec<_> = (11..=400).map(|n| entry(&alice, n)).collect();
    let sealed = longer.seal(entries, [1; 32]);
    let refused = full.append(&alice, 10, sealed.clone()).await;
    assert!(
        matches!(&refused, Err(LogError::Full { limit, .. }) if limit.contains("disk is full")),
        "{refused:?}"
    );
    assert_eq!(read_all(&full, &alice).await.0.head(), chain.head());
    // There is room again, and the log goes on.
    assert_eq!(full.append(&alice, 10, sealed).await, Ok(400));
    assert_eq!(read_all(&full, &alice).await.0.head(), longer.head());
}
