//! Order, repetition and what a restart keeps.

use crate::support::{Receiver, Reply, SECRET, client, clock, stream};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use unisono_base::KeyId;
use unisono_hub::{Source, Watcher};
use unisono_store::{Kv, MemoryKv, SqliteKv};
use unisono_webhook::{Endpoint, EventKind, Metrics, Secret, Sender};

const RTMP: Source = Source { protocol: "rtmp", accepts_pli: false };

fn endpoint(url: &str, events: Vec<EventKind>, streams: Option<&str>) -> Endpoint {
    let secret = Secret::parse(SECRET).expect("a secret");
    let streams = streams.map(|pattern| pattern.parse().expect("a pattern"));
    Endpoint::new(url, vec![secret], events, streams).expect("a good endpoint")
}

fn start(endpoint: Endpoint, store: &Arc<dyn Kv>) -> Arc<Sender> {
    Sender::start(vec![endpoint], store, &client(), clock(), Arc::new(Metrics::default()))
}

fn memory() -> Arc<dyn Kv> {
    Arc::new(MemoryKv::default())
}

fn what(got: &crate::support::Got) -> (String, String) {
    let json = got.json();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    (text(&json["type"]), text(&json["data"]["stream"]))
}

#[tokio::test]
async fn a_failed_message_comes_again_with_its_id_and_holds_up_its_own_stream_only() {
    let refusals = Arc::new(AtomicU32::new(2));
    let left = refusals.clone();
    let mut receiver = Receiver::open(move |got| {
        let is_first = got.json()["data"]["stream"] == "live/a";
        let refuses =
            is_first && left.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        Reply::Status(if refuses { 500 } else { 204 })
    })
    .await;
    let store = memory();
    let sender = start(endpoint(&receiver.url, Vec::new(), None), &store);
    sender.stream_up(&stream("live/a"), &RTMP, &KeyId::new("k1"));
    sender.stream_down(&stream("live/a"), "unpublished");
    sender.stream_up(&stream("live/b"), &RTMP, &KeyId::new("k1"));

    let mut got = Vec::new();
    for _ in 0..5 {
        got.push(receiver.next().await);
    }
    let of_a: Vec<_> = got.iter().filter(|got| what(got).1 == "live/a").collect();
    let kinds: Vec<_> = of_a.iter().map(|got| what(got).0).collect();
    assert_eq!(kinds, ["stream.up", "stream.up", "stream.up", "stream.down"], "twice refused, then in order");
    assert!(of_a[..3].windows(2).all(|w| w[0].header("webhook-id") == w[1].header("webhook-id")));
    assert!(of_a[2].header("webhook-id") < of_a[3].header("webhook-id"));
    let place_of_b = got.iter().position(|got| what(got).1 == "live/b").expect("it came");
    assert!(place_of_b < 2, "b did not wait for a");
    sender.close().await;
    assert!(store.list("webhook/").await.expect("memory").is_empty(), "what was taken is forgotten");
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_and_asked_again() {
    let hangs = Arc::new(AtomicU32::new(1));
    let left = hangs.clone();
    let mut receiver = Receiver::open(move |_| {
        let is_hanging = left.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if is_hanging { Reply::Hang } else { Reply::Status(200) }
    })
    .await;
    let sender = start(endpoint(&receiver.url, Vec::new(), None), &memory());
    sender.stream_up(&stream("live/a"), &RTMP, &KeyId::new("k1"));
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    sender.close().await;
}

#[tokio::test]
async fn an_endpoint_gets_the_events_and_streams_it_names() {
    let mut receiver = Receiver::open(|_| Reply::Status(200)).await;
    let only = endpoint(&receiver.url, vec![EventKind::StreamDown], Some("live/*"));
    let sender = start(only, &memory());
    sender.stream_up(&stream("live/a"), &RTMP, &KeyId::new("k1"));
    sender.stream_down(&stream("other/a"), "lost");
    sender.stream_down(&stream("live/a"), "lost");
    let got = receiver.next().await;
    assert_eq!(what(&got), ("stream.down".to_owned(), "live/a".to_owned()));
    assert_eq!(got.json()["data"]["reason"], "lost");
    sender.close().await;
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut receiver = Receiver::open(|_| Reply::Status(307)).await;
    let store = memory();
    let sender = start(endpoint(&receiver.url, Vec::new(), None), &store);
    sender.stream_up(&stream("live/a"), &RTMP, &KeyId::new("k1"));
    receiver.next().await;
    receiver.next().await;
    assert_eq!(store.list("webhook/").await.expect("memory").len(), 1, "it is kept");
    sender.close().await;
}

/// The first life ends as a crash ends it: its runtime is gone between two instructions.
#[test]
fn what_was_stored_goes_out_after_a_crash_in_order_and_with_its_ids() {
    let folder = Folder::new();
    let file = folder.0.join("kv.db");
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let (first, second) = (runtime(), runtime());
    let mut receiver = second.block_on(Receiver::open(|_| Reply::Status(503)));
    let url = receiver.url.clone();
    let id = first.block_on(async {
        let store: Arc<dyn Kv> = Arc::new(SqliteKv::open(&file).await.expect("a new file"));
        let sender = start(endpoint(&url, Vec::new(), None), &store);
        sender.stream_up(&stream("live/a"), &RTMP, &KeyId::new("k1"));
        sender.stream_down(&stream("live/a"), "lost");
        while store.list("webhook/").await.expect("readable").len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        receiver.next().await.header("webhook-id").to_owned()
    });
    first.shutdown_background();

    second.block_on(async {
        receiver.now_answers(|_| Reply::Status(200));
        while !receiver.is_quiet() {}
        let store: Arc<dyn Kv> = Arc::new(SqliteKv::open(&file).await.expect("the same file"));
        let sender = start(endpoint(&url, Vec::new(), None), &store);
        let (up, down) = (receiver.next().await, receiver.next().await);
        assert_eq!(up.header("webhook-id"), id);
        assert_eq!((what(&up).0.as_str(), what(&down).0.as_str()), ("stream.up", "stream.down"));
        sender.close().await;
        assert!(store.list("webhook/").await.expect("readable").is_empty());
    });
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("unisono-webhook-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a fresh folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
