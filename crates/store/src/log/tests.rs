//! What every log does, checked on each.

use super::*;
use serde_json::json;
use unisono_base::{Epoch, Span, Tenant};
use unisono_timeline::{Body, Entry, Event, Lane, Late, Person, audit::Chain};

pub(super) fn room(name: &str) -> RoomId {
    RoomId::parse(Tenant::default(), &format!("live:{name}")).expect("valid")
}

/// An event of an odd person where `n` is odd.
pub(super) fn entry(room: &RoomId, n: u64) -> Entry {
    let id = if n % 2 == 1 { "person-odd" } else { "person-even" };
    let event = Event {
        room: room.clone(),
        epoch: Epoch(1),
        seq: n,
        id: Uuid::from_u128(u128::from(n)),
        lane: Lane::Chat,
        ty: "chat".into(),
        at: MediaTime::from_micros(n as i64),
        dur: None,
        ttl: None,
        late: Late::Show,
        actor: Some(Person { id: id.into(), name: None }),
        cause: Some(Uuid::from_u128(1_000 + u128::from(n))),
        subject: None,
        supersedes: None,
        cancels: None,
        rule: None,
        data: json!({"text": format!("secret-{n}-of-{id}")}),
    };
    let t = MediaTime::from_micros(n as i64 * 1_000_000);
    Entry { n, term: 1, t, body: Body::Event(Arc::new(event)) }
}

/// Appends `count` entries in batches of up to 7 and gives the chain over them.
pub(super) async fn fill(log: &dyn RoomLog, room: &RoomId, count: u64) -> Chain {
    let mut chain = Chain::new(room.clone());
    let entries: Vec<_> = (1..=count).map(|n| entry(room, n)).collect();
    for batch in entries.chunks(7) {
        let expected = batch[0].n - 1;
        let sealed = chain.seal(batch.to_vec(), [expected as u8; 32]);
        log.append(room, expected, sealed).await.expect("appended");
    }
    chain
}

/// Reads a whole log and proves its chain.
pub(super) async fn read_all(log: &dyn RoomLog, room: &RoomId) -> (Chain, Vec<Sealed>) {
    let page = log.read(room, 1, 1_000_000).await.expect("read");
    let mut chain = match page.base {
        Some(base) => Chain::from_base(room.clone(), base),
        None => Chain::new(room.clone()),
    };
    page.entries.iter().for_each(|sealed| chain.apply(sealed).expect("follows"));
    assert_eq!(chain.head().0, page.last_n);
    (chain, page.entries)
}

pub(super) async fn check_append_and_read(log: &dyn RoomLog) {
    let alice = room("alice");
    let chain = fill(log, &alice, 20).await;
    let (read, entries) = read_all(log, &alice).await;
    assert_eq!((read.head(), entries.len()), (chain.head(), 20));
    assert_eq!(entries[4].entry, entry(&alice, 5));

    let page = log.read(&alice, 19, 10).await.expect("read");
    assert_eq!((page.entries.len(), page.last_n, page.base), (2, 20, None));
    let page = log.read_events(&alice, 5, 3).await.expect("read");
    assert_eq!(page.entries.iter().filter_map(Sealed::seq).collect::<Vec<_>>(), [5, 6, 7]);
    let found = log.find_command(&alice, Uuid::from_u128(1_009)).await.expect("read").expect("there");
    assert_eq!(found, entries[8]);
    assert_eq!(log.find_command(&alice, Uuid::from_u128(1)).await, Ok(None));
    assert_eq!(log.read(&room("nobody"), 1, 10).await, Ok(Page::default()));
}

pub(super) async fn check_refusals(log: &dyn RoomLog) {
    let alice = room("alice");
    let mut chain = fill(log, &alice, 3).await;
    let next = chain.seal(vec![entry(&alice, 4), entry(&alice, 5)], [9; 32]);
    let refused = log.append(&alice, 2, next.clone()).await;
    assert!(matches!(refused, Err(LogError::Conflict { expected: 2, last: 3, .. })), "{refused:?}");
    let refused = log.append(&alice, 3, vec![next[0].clone(), next[0].clone()]).await;
    assert!(matches!(refused, Err(LogError::Unfit { .. })), "{refused:?}");
    let refused = log.append(&alice, 3, vec![next[1].clone()]).await;
    assert!(matches!(refused, Err(LogError::Unfit { .. })), "{refused:?}");
    assert_eq!(log.read(&alice, 1, 10).await.expect("read").last_n, 3, "nothing of it was written");
    assert_eq!(log.append(&alice, 3, next).await, Ok(5));
}

pub(super) async fn check_erasure(log: &dyn RoomLog) {
    let alice = room("alice");
    let chain = fill(log, &alice, 10).await;
    assert_eq!(log.erase(&alice, Erase::Payload { n: 2 }).await, Ok(1));
    assert_eq!(log.erase(&alice, Erase::Payload { n: 99 }).await, Ok(0));
    assert_eq!(log.erase(&alice, Erase::Person { id: "person-odd".into() }).await, Ok(5));
    let (read, entries) = read_all(log, &alice).await;
    assert_eq!(read.head(), chain.head(), "the chain holds");
    for sealed in &entries {
        let n = sealed.entry.n;
        assert_eq!(sealed.person().is_some(), n % 2 == 0, "entry {n}");
        assert_eq!(sealed.seal.data.is_some(), n % 2 == 0 && n != 2, "entry {n}");
    }
}

pub(super) async fn check_retention(log: &dyn RoomLog) {
    let alice = room("alice");
    let chain = fill(log, &alice, 20).await;
    let seconds = |s: i64| Some(MediaTime::default() + Span::from_secs(s));
    assert_eq!(log.retain(&alice, Retention::default()).await, Ok(0));
    let keep = Retention { older_than: seconds(6), ..Retention::default() };
    assert_eq!(log.retain(&alice, keep).await, Ok(5));
    let keep = Retention { entries_max: Some(3), keep_from: Some(11), ..Retention::default() };
    assert_eq!(log.retain(&alice, keep).await, Ok(5));
    let (read, entries) = read_all(log, &alice).await;
    assert_eq!((entries[0].entry.n, read.base().n, read.base().seq), (11, 10, 10));
    assert_eq!(read.head(), chain.head(), "the chain holds from there");
    let keep = Retention { entries_max: Some(0), ..Retention::default() };
    assert_eq!(log.retain(&alice, keep).await, Ok(10));
    let page = log.read(&alice, 1, 10).await.expect("read");
    assert_eq!((page.entries.len(), page.last_n), (0, 20), "it goes on where it was");
    let rooms = log.rooms(None, 10).await.expect("read");
    let expected = LogRoom { room: alice.clone(), last_n: 20, last_seq: 20, base_n: 20 };
    assert_eq!(rooms, [expected]);
}

pub(super) async fn check_checkpoints_and_rooms(log: &dyn RoomLog) {
    let signer = unisono_timeline::audit::Signer::from_seed(&[3; 32]).expect("32 bytes");
    for name in ["carol", "alice", "bob"] {
        let room = room(name);
        let mut chain = fill(log, &room, 4).await;
        log.checkpoint(&room, chain.checkpoint(&signer, MediaTime::default())).await.expect("kept");
    }
    let kept = log.checkpoints(&room("bob"), 1, 10).await.expect("read");
    assert_eq!((kept.len(), kept[0].n), (1, 4));
    assert_eq!(kept[0].check(&signer.public()), Ok(()));
    assert_eq!(log.checkpoints(&room("bob"), 5, 10).await, Ok(Vec::new()));
    let names = |rooms: Vec<LogRoom>| rooms.into_iter().map(|r| r.room.to_string()).collect::<Vec<_>>();
    assert_eq!(names(log.rooms(None, 2).await.expect("read")), ["live:alice", "live:bob"]);
    assert_eq!(names(log.rooms(Some(&room("bob")), 2).await.expect("read")), ["live:carol"]);
}

#[tokio::test]
async fn a_log_in_memory_does_what_a_log_does() {
    check_append_and_read(&MemoryLog::default()).await;
    check_refusals(&MemoryLog::default()).await;
    check_erasure(&MemoryLog::default()).await;
    check_retention(&MemoryLog::default()).await;
    check_checkpoints_and_rooms(&MemoryLog::default()).await;
}

#[tokio::test]
async fn a_log_in_memory_loses_its_start_and_says_where_it_begins() {
    let log = MemoryLog::new(1, 3);
    let alice = room("alice");
    let chain = fill(&log, &alice, 10).await;
    let (read, entries) = read_all(&log, &alice).await;
    assert_eq!(entries.iter().map(|sealed| sealed.entry.n).collect::<Vec<_>>(), [8, 9, 10]);
    assert_eq!((read.base().n, read.head()), (7, chain.head()));
    let bob = room("bob");
    let sealed = Chain::new(bob.clone()).seal(vec![entry(&bob, 1)], [0; 32]);
    let refused = log.append(&bob, 0, sealed).await.expect_err("one room too many").to_string();
    assert!(refused.contains("live:bob") && refused.contains("1 rooms"), "{refused}");
}
