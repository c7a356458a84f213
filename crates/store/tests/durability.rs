//! What was acknowledged is there: after kill -9 at any moment, after damage to the write-ahead file, on a full disk.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use unisono_base::{RoomId, Tenant};
use unisono_store::{Damage, RoomLog, SqliteLog};
use unisono_timeline::audit::{Chain, Digest};

const ROOMS: usize = 3;

/// The last acknowledged entry of each room, with its hash.
type Acked = HashMap<usize, (u64, Digest)>;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("unisono-durable-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("log.sqlite")
    }

    fn wal(&self) -> PathBuf {
        self.0.join("log.sqlite-wal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The example is built beside the tests.
fn writer() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a file");
    own.ancestors().nth(2).expect("target/debug/deps").join("examples/log-writer")
}

fn start(log: &Path) -> Child {
    let mut command = Command::new(writer());
    command.arg(log).arg(ROOMS.to_string()).stdout(Stdio::piped());
    command.spawn().expect("the writer starts")
}

/// Lets it acknowledge `count` batches, kills it, and takes in what it had said by then.
fn write_and_kill(log: &Path, count: usize, acked: &mut Acked) {
    let mut child = start(log);
    let said = BufReader::new(child.stdout.take().expect("piped"));
    for (number, line) in said.lines().enumerate() {
        let line = line.expect("text");
        let words: Vec<_> = line.split(' ').collect();
        let ["acked", room, n, hash] = words[..] else { panic!("{line}") };
        let (room, n) = (room.parse().expect("a number"), n.parse().expect("a number"));
        acked.insert(room, (n, hash.parse().expect("a digest")));
        if number == count {
            child.kill().expect("killed");
        }
    }
    child.wait().expect("ended");
}

fn room(number: usize) -> RoomId {
    RoomId::parse(Tenant::default(), &format!("live:r{number}")).expect("valid")
}

/// The hashes of a room's entries, in order, the chain proven.
async fn hashes(log: &SqliteLog, number: usize) -> Vec<Digest> {
    let room = room(number);
    let page = log.read(&room, 1, 10_000_000).await.expect("readable");
    let mut chain = Chain::new(room);
    page.entries.iter().for_each(|sealed| chain.apply(sealed).expect("gapless and chained"));
    assert_eq!(chain.head().0, page.last_n);
    page.entries.iter().map(|sealed| sealed.seal.hash).collect()
}

/// A small generator with a seed (xorshift): the same places every time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize
}

#[tokio::test]
async fn what_was_acknowledged_outlives_kill_9() {
    let folder = Folder::new("kill");
    let (mut acked, mut seed) = (Acked::new(), 0x5eed);
    for _ in 0..5 {
        write_and_kill(&folder.log(), 20 + next(&mut seed) % 200, &mut acked);
        let log = SqliteLog::open(&folder.log()).await.expect("opens");
        assert!(!matches!(log.damage(), Some(Damage::Broken { .. })), "{:?}", log.damage());
        for (number, (n, hash)) in &acked {
            let hashes = hashes(&log, *number).await;
            assert_eq!(hashes.get(*n as usize - 1), Some(hash), "room {number}, entry {n}");
        }
        log.close().await;
    }
    assert_eq!(acked.len(), ROOMS);
}

/// Copies of one log, its write-ahead file cut or bent at many places: it opens, is a beginning of what was written,
/// and a bent byte is told.
#[tokio::test]
async fn a_damaged_write_ahead_file_keeps_what_came_before() {
    let folder = Folder::new("whole");
    let mut acked = Acked::new();
    write_and_kill(&folder.log(), 60, &mut acked);
    let (database, wal) = (fs::read(folder.log()).expect("read"), fs::read(folder.wal()).expect("read"));
    let log = SqliteLog::open(&folder.log()).await.expect("opens");
    let mut whole = Vec::new();
    for number in 0..ROOMS {
        whole.push(hashes(&log, number).await);
    }
    log.close().await;
    let (mut seed, mut shorter) = (0xdead, 0);
    for round in 0..24 {
        let bent = Folder::new(&format!("bent-{round}"));
        let at = next(&mut seed) % wal.len();
        let mut bytes = wal.clone();
        if round % 2 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << (next(&mut seed) % 8);
        }
        fs::write(bent.log(), &database).expect("written");
        fs::write(bent.wal(), &bytes).expect("written");
        let log = match SqliteLog::open(&bent.log()).await {
            Ok(log) => log,
            Err(error) => panic!("round {round}, byte {at}: {error}"),
        };
        let is_told = log.damage().map(ToString::to_string);
        let mut is_shorter = false;
        for (number, whole) in whole.iter().enumerate() {
            let kept = hashes(&log, number).await;
            assert!(whole.starts_with(&kept), "round {round}: room {number} is another");
            is_shorter |= kept.len() < whole.len();
        }
        shorter += usize::from(is_shorter);
        // A file that ends just after a commit is like one that never went on: only a checkpoint elsewhere tells.
        if round % 2 == 1 && is_shorter {
            assert!(
                is_told.is_some_and(|words| words.contains("log.sqlite-wal")),
                "round {round}, byte {at}"
            );
        }
        log.close().await;
    }
    assert!(shorter > 12, "the damage reached the entries: {shorter}");
}

/// In a mount namespace of its own, on a file system of 1 MiB.
#[tokio::test]
async fn a_full_disk_is_told_and_what_was_written_stays() {
    let folder = Folder::new("full");
    let disk = folder.0.join("disk");
    fs::create_dir_all(&disk).expect("a folder");
    let copy = folder.0.join("copy.sqlite");
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && \"$2\" \"$1/log.sqlite\" 3 && cp \"$1/log.sqlite\" \"$3\" \
                  && { test ! -e \"$1/log.sqlite-wal\" || cp \"$1/log.sqlite-wal\" \"$3-wal\"; }";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([&disk, &writer(), &copy])
        .output();
    let Ok(output) = output else { return eprintln!("skipped: there is no unshare here") };
    let said = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    if said.is_empty() && (words.contains("unshare") || words.contains("mount")) {
        return eprintln!("skipped: no mount namespaces here: {words}");
    }
    let refused = said.lines().find(|line| line.starts_with("refused")).expect("it fills up");
    assert!(refused.contains("the disk is full"), "{refused}");
    let log = SqliteLog::open(&copy).await.expect("opens");
    for line in said.lines().filter(|line| line.starts_with("acked")) {
        let words: Vec<_> = line.split(' ').collect();
        let (room, n): (usize, usize) = (words[1].parse().expect("room"), words[2].parse().expect("n"));
        assert_eq!(hashes(&log, room).await[n - 1].to_string(), words[3], "{line}");
    }
}
