//! The file that people's rooms are in: `fixtures/log-v1.sqlite` was written by a server of the first version
//! (`fixtures/log-v1.mjs` says how), and every later one must open it, prove it and go on with it.

use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use unisono_base::{Epoch, MediaTime, RoomId, Span, Tenant};
use unisono_store::{Export, LogError, RoomLog, SqliteLog};
use unisono_timeline::{
    At, Command, Decision, Moment, Person, Role, Sender, Sequencer, Types, Uuid, Verb, Witness,
    audit::{Chain, Digest, Report, Signer, Verifier},
};

/// Some days after the evening.
const NOW: MediaTime = MediaTime::from_micros(1_796_000_000_000_000);
/// `audit.key` of the server that wrote it, which was there for nothing else.
const KEY: &str = "632864729cae9069da2a9899ad2f1db245cccb6f98827a01c5d0f020c20e3656";
/// Where an SQLite file says its `user_version`, big endian (sqlite.org/fileformat2.html §1.3).
const USER_VERSION: std::ops::Range<usize> = 60..64;

fn fixture() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where"))
        .join("tests/fixtures/log-v1.sqlite")
}

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:fixture").expect("valid")
}

fn signer() -> Arc<Signer> {
    let seed: Digest = KEY.parse().expect("hexadecimal");
    Arc::new(Signer::from_seed(seed.as_bytes()).expect("32 bytes"))
}

/// A copy of the fixture that goes with the test.
struct Copied(PathBuf);

impl Copied {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("unisono-format-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(fixture(), folder.join("rooms.sqlite")).expect("the fixture is there");
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("rooms.sqlite")
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn chat() -> Command {
    Command {
        cmd_id: Uuid::from_u128(1),
        ty: "chat".to_owned(),
        verb: Verb::Send,
        lane: None,
        at: At::Now,
        dur: None,
        ttl: None,
        late: None,
        subject: None,
        data: json!({"text": "still here"}),
    }
}

fn host() -> Sender {
    let (rtt_min, buffer) = (Span::ZERO, Span::ZERO);
    let witness = Witness { received: NOW, rtt_min, delivered: Some(NOW), buffer, claimed: None };
    Sender { person: Person { id: "local".into(), name: None }, role: Role::Host, witness }
}

fn moment() -> Moment {
    Moment { now: NOW, newest: Some(NOW), epoch: Some(Epoch(3)), random: [9; 32] }
}

async fn verify(log: &Arc<SqliteLog>) -> Report {
    let export = Export::begin(log.clone(), room(), signer(), NOW).await;
    let (mut export, mut verifier) = (export.expect("readable"), Verifier::new(Some(signer().public())));
    while let Some(lines) = export.next().await {
        lines.expect("readable").lines().for_each(|line| verifier.line(line));
    }
    verifier.finish()
}

#[tokio::test]
async fn a_log_of_the_first_version_is_opened_proven_and_gone_on_with() {
    let copy = Copied::new("opens");
    let log = Arc::new(SqliteLog::open(&copy.file()).await.expect("opens"));
    let report = verify(&log).await;
    assert_eq!(report.bad, None, "{report}");
    assert_eq!((report.events, report.hidden, report.checkpoints), (17, 6, 5), "{report}");
    assert_eq!(report.erased_count, 3, "one of them bid, voted and spoke: {report}");
    let results: Vec<_> = report.windows.iter().filter_map(|window| window.result.clone()).collect();
    assert!(results.contains(&Decision::Tally { counts: vec![1, 2] }), "{report}");
    assert!(report.to_string().contains("won by eve (g~a2faa0910c543d0b) with 150"), "{report}");

    // A room goes on where it ended.
    let (mut chain, mut sequencer) = (Chain::new(room()), Sequencer::new(room(), Arc::new(Types::default())));
    for sealed in log.read(&room(), 1, 10_000).await.expect("readable").entries {
        chain.apply(&sealed).expect("follows");
        sequencer.apply(&sealed.counted());
    }
    sequencer.begin_term();
    let (n, seq) = (sequencer.last_n(), sequencer.last_seq());
    assert_eq!((n, seq), (report.last_n, report.events));
    let said = sequencer.handle_command(chat(), &host(), moment());
    assert_eq!((said.n, said.seq), (Some(n + 1), Some(seq + 1)));
    let sealed = chain.seal(sequencer.take_entries(), [1; 32]);
    log.append(&room(), n, sealed).await.expect("appended");
    log.close().await;
    let log = Arc::new(SqliteLog::open(&copy.file()).await.expect("opens again"));
    let report = verify(&log).await;
    assert_eq!((report.bad.as_ref(), report.last_n), (None, n + 1), "{report}");
    log.close().await;
}

#[tokio::test]
async fn a_log_of_a_later_version_is_refused_in_words_and_left_as_it_is() {
    let copy = Copied::new("later");
    let mut bytes = fs::read(copy.file()).expect("readable");
    assert_eq!(bytes[USER_VERSION], [0, 0, 0, 1], "the fixture's version");
    bytes[USER_VERSION].copy_from_slice(&[0, 0, 0, 2]);
    fs::write(copy.file(), &bytes).expect("written");
    let refused = SqliteLog::open(&copy.file()).await.expect_err("later");
    assert!(matches!(refused, LogError::TooNew { found: 2, known: 1, .. }), "{refused:?}");
    assert!(refused.to_string().contains("it was written by a newer version"), "{refused}");
    assert!(fs::read(copy.file()).expect("readable") == bytes, "not a byte was touched");
}
