//! Nothing that a room acknowledged is lost, doubled or moved: ten clients, twenty thousand commands, five times kill -9
//! at moments that a seed chooses; then the proof of it, bent in five ways, and an erasure.
//!
//! `DURABLE_COMMANDS` and `DURABLE_SEED` set how many and which; a failure says the seed.

mod clients;
mod evidence;
mod forgery;
mod server;

use clients::{Client, Door};
use evidence::Evidence;
use forgery::Forgery;
use serde_json::json;
use server::{Folder, Node};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::timeout};
use unisono_api::{CheckpointList, FairnessView};

const ROOM: &str = "live:durable";
const CLIENTS: usize = 10;
const KILLS: usize = 5;
const COMMANDS: usize = 20_000;
/// Only against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(900);

/// A small generator with a seed (xorshift): the same choices every time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_stands_after_kill_9_and_can_be_proven() {
    let seed = number("DURABLE_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let commands = number("DURABLE_COMMANDS").map_or(COMMANDS, |count| count as usize) / CLIENTS * CLIENTS;
    println!("seed {seed}, {commands} commands: DURABLE_SEED={seed} DURABLE_COMMANDS={commands} repeats it");
    let folder = Folder::new();
    let node = Arc::new(Node::start(&folder).await);
    let (poll, key) = (open_poll(&node).await, public_key(&node).await);
    let early = node.export(ROOM).await;

    let mut running = JoinSet::new();
    for number in 0..CLIENTS {
        let door = if number % 2 == 0 { Door::WebSocket } else { Door::Http };
        let token = node.token(&format!("c{number}")).await;
        let client = Client::new(number, door, token, (poll.clone(), commands / CLIENTS), seed);
        running.spawn(client.run(node.clone()));
    }
    let all = async {
        kill_now_and_then(&node, commands, seed).await;
        node.progress.subscribe().wait_for(|acked| *acked >= commands).await.expect("clients go on");
        close(&node, &poll).await;
        running.join_all().await
    };
    let clients = timeout(PATIENCE, all).await.expect("the clients come to their end");

    let export = node.export(ROOM).await;
    let evidence = Evidence::read(&export);
    evidence.holds_all(&clients, commands);
    evidence.counts_votes(&clients, &poll);
    let whole = folder.verify(&export, &key, Some(&early));
    assert!(whole.is_green, "{}", whole.words);

    reports(&node, &evidence, &key).await;
    for forgery in Forgery::ALL {
        let (bent, n) = forgery.of(&export);
        let told = folder.verify(&bent, &key, None);
        assert!(!told.is_green, "{forgery:?} passes: {}", told.words);
        assert!(told.words.contains(&format!("entry {n}:")), "{forgery:?} at {n}: {}", told.words);
    }

    erase(&node, &evidence, &folder, &key).await;
}

/// At five counts of acknowledgements, wherever everybody is by then.
async fn kill_now_and_then(node: &Node, commands: usize, seed: u64) {
    let mut chance = Chance::new(seed);
    let mut moments: Vec<_> = (0..KILLS).map(|_| 1 + chance.below(commands * 9 / 10)).collect();
    moments.sort_unstable();
    for moment in moments {
        let mut progress = node.progress.subscribe();
        let acked = *progress.wait_for(|acked| *acked >= moment).await.expect("clients go on");
        node.kill_and_restart().await;
        println!("killed after {acked} acknowledgements, wanted {moment}");
    }
}

/// A sealed poll that stays open throughout: its votes have no events, only entries.
async fn open_poll(node: &Node) -> String {
    let data =
        json!({"question": "Durable?", "choices": ["yes", "no", "perhaps"], "terms": {"l_max": 500_000}});
    let ack = node
        .command(ROOM, json!({"type": "poll", "do": "open", "dur": 3_600_000_000_u64, "data": data}))
        .await;
    ack["id"].as_str().expect("an id").to_owned()
}

async fn close(node: &Node, poll: &str) {
    let ack = node.command(ROOM, json!({"type": "poll", "do": "close", "subject": poll})).await;
    assert_eq!(ack["status"], "accepted", "{ack}");
}

/// Before anybody was killed, as somebody would keep it who does not trust the server.
async fn public_key(node: &Node) -> String {
    let list: CheckpointList = node.get(&format!("/api/v1/rooms/{ROOM}/checkpoints")).await;
    list.key
}

/// What the node says about its log by itself.
async fn reports(node: &Node, evidence: &Evidence, key: &str) {
    let report: FairnessView = node.get(&format!("/api/v1/rooms/{ROOM}/fairness")).await;
    assert_eq!((report.bad, report.last_n, report.withheld), (None, evidence.len(), 0));
    assert_eq!((report.results.len(), report.room.entries.len()), (1, 10));
    let list: CheckpointList = node.get(&format!("/api/v1/rooms/{ROOM}/checkpoints?from_n=1")).await;
    assert!(list.key == key && !list.checkpoints.is_empty(), "the same key after five restarts");
}

async fn erase(node: &Node, evidence: &Evidence, folder: &Folder, key: &str) {
    let theirs = evidence.entries_of("~c3");
    assert!(theirs > 0, "somebody wrote as ~c3");
    let answer = node.post(&format!("/api/v1/rooms/{ROOM}/erase"), json!({"person": "~c3"})).await;
    assert_eq!(answer["entries"], theirs);
    let export = node.export(ROOM).await;
    assert!(!export.contains("~c3") && !export.contains("I am c3,"), "nothing of theirs is left");
    assert!(export.contains("~c4") && export.contains("I am c4,"), "nobody else's is gone");
    let told = folder.verify(&export, key, None);
    assert!(told.is_green && told.words.contains(&format!("erased   {theirs} entries")), "{}", told.words);
}
