use super::*;
use crate::FeedItem;
use bytes::Bytes;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use unisono_base::{Doorbell, Epoch, KeyId, MediaTime, Span, Tenant};
use unisono_hub::{Limits, Publication, Read, Source};
use unisono_media::{CodecConfig, Frame, OpusConfig};
use unisono_store::{BoxFuture, Erase, LogError, LogRoom, MemoryLog, Page, Retention};
use unisono_timeline::{
    At, Lane, Status, Uuid,
    audit::{Checkpoint, Sealed},
};

/// The writer reads a log that failed no sooner than half a second later.
const RETRY: Duration = Duration::from_millis(600);

const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// A log that fails when told to: before, or after it wrote.
struct FailingLog {
    log: MemoryLog,
    before: AtomicBool,
    after: AtomicBool,
}

impl RoomLog for FailingLog {
    fn append<'a>(
        &'a self,
        room: &'a RoomId,
        expected_n: u64,
        entries: Vec<Sealed>,
    ) -> BoxFuture<'a, Result<u64, LogError>> {
        Box::pin(async move {
            let failed = || LogError::Backend { room: room.to_string(), reason: "disk full".into() };
            if self.before.swap(false, Ordering::Relaxed) {
                return Err(failed());
            }
            let written = self.log.append(room, expected_n, entries).await;
            if self.after.swap(false, Ordering::Relaxed) { Err(failed()) } else { written }
        })
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        self.log.read(room, from_n, max)
    }

    fn read_events<'a>(
        &'a self,
        room: &'a RoomId,
        from_seq: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        self.log.read_events(room, from_seq, max)
    }

    fn find_command<'a>(
        &'a self,
        room: &'a RoomId,
        cmd_id: Uuid,
    ) -> BoxFuture<'a, Result<Option<Sealed>, LogError>> {
        self.log.find_command(room, cmd_id)
    }

    fn checkpoint<'a>(
        &'a self,
        room: &'a RoomId,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        self.log.checkpoint(room, checkpoint)
    }

    fn checkpoints<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, LogError>> {
        self.log.checkpoints(room, from_n, max)
    }

    fn erase<'a>(&'a self, room: &'a RoomId, what: Erase) -> BoxFuture<'a, Result<u64, LogError>> {
        self.log.erase(room, what)
    }

    fn retain<'a>(&'a self, room: &'a RoomId, keep: Retention) -> BoxFuture<'a, Result<u64, LogError>> {
        self.log.retain(room, keep)
    }

    fn rooms<'a>(
        &'a self,
        after: Option<&'a RoomId>,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<LogRoom>, LogError>> {
        self.log.rooms(after, max)
    }
}

fn hub() -> Arc<Hub> {
    Hub::new(Limits::default())
}

fn clock() -> NodeClock {
    NodeClock::new(Instant::now(), NOW)
}

fn rooms(log: MemoryLog, limits: RoomsLimits) -> Arc<Rooms> {
    Rooms::new(hub(), Arc::new(log), clock(), limits)
}

fn unhurried() -> RoomsLimits {
    RoomsLimits { events_per_second: 1_000_000, burst: 1_000_000, ..RoomsLimits::default() }
}

fn room(name: &str) -> RoomId {
    RoomId::parse(Tenant::default(), &format!("live:{name}")).expect("valid")
}

fn goal() -> Command {
    Command {
        cmd_id: Uuid::now_v7(),
        ty: "goal".to_owned(),
        verb: Verb::Send,
        lane: None,
        at: At::Now,
        dur: None,
        ttl: None,
        late: None,
        subject: None,
        data: json!({"by": "Alice"}),
    }
}

fn visitor(id: &str, role: Role) -> Visitor {
    Visitor { person: Person { id: id.into(), name: None }, role }
}

fn host() -> Visitor {
    visitor("host", Role::Host)
}

async fn say(rooms: &Rooms, name: &str, command: Command) -> Result<(Ack, Option<Arc<Event>>), RoomError> {
    rooms.command(room(name), command, &host(), View::default()).await
}

async fn post(rooms: &Rooms, command: Command) -> Arc<Event> {
    let (ack, event) = say(rooms, "alice", command).await.expect("answered");
    event.unwrap_or_else(|| panic!("{ack:?}"))
}

/// Feeds of a room as it stands begin with that; the tests that count events leave it out.
async fn from_now(rooms: &Rooms) -> Feed {
    let mut feed = subscribe(rooms, Start::Standing { tail: 0 }).await;
    assert!(matches!(feed.next().await, Some(FeedItem::Snapshot(_))));
    feed
}

async fn subscribe(rooms: &Rooms, start: Start) -> Feed {
    rooms.subscribe(room("alice"), start, None).await.expect("feed")
}

async fn post_many(rooms: &Arc<Rooms>, count: u64) {
    for _ in 0..count {
        post(rooms, goal()).await;
    }
}

/// The next events must be these, in whatever batches.
async fn expect(feed: &mut Feed, range: std::ops::RangeInclusive<u64>) {
    let mut expected = *range.start();
    while expected <= *range.end() {
        match feed.next().await {
            Some(FeedItem::Events(batch)) => {
                for (event, json) in batch.events() {
                    assert_eq!(event.seq, expected);
                    assert_eq!(serde_json::from_slice::<Event>(json).expect("JSON"), **event);
                    expected += 1;
                }
            }
            other => panic!("events from {expected} on, not {other:?}"),
        }
    }
    assert_eq!(expected, range.end() + 1, "no more than that");
}

#[tokio::test]
async fn posts_from_many_sides_have_one_gapless_order_for_every_reader() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feeds = [from_now(&rooms).await, subscribe(&rooms, Start::From(1)).await];
    let posts: Vec<_> = (0..100)
        .map(|_| {
            let rooms = rooms.clone();
            tokio::spawn(async move { post(&rooms, goal()).await.seq })
        })
        .collect();
    let mut acked = Vec::new();
    for post in posts {
        acked.push(post.await.expect("not panicked"));
    }
    acked.sort_unstable();
    assert_eq!(acked, (1..=100).collect::<Vec<_>>());
    for feed in &mut feeds {
        expect(feed, 1..=100).await;
    }
}

#[tokio::test]
async fn a_feed_resumes_where_it_was() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    post_many(&rooms, 700).await;
    let mut feed = subscribe(&rooms, Start::From(98)).await;
    assert_eq!(feed.last_at_start(), 700);
    expect(&mut feed, 98..=700).await;
    post_many(&rooms, 1).await;
    expect(&mut feed, 701..=701).await;
}

#[tokio::test]
async fn a_number_from_before_a_restart_goes_on_from_now() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    post_many(&rooms, 2).await;
    let mut feed = subscribe(&rooms, Start::From(5_000)).await;
    post_many(&rooms, 1).await;
    expect(&mut feed, 3..=3).await;
}

#[tokio::test]
async fn a_slow_feed_is_told_and_goes_on_from_the_log() {
    let rooms = rooms(MemoryLog::default(), RoomsLimits { buffer: 8, ..unhurried() });
    let mut feed = from_now(&rooms).await;
    for _ in 0..100 {
        post_many(&rooms, 1).await;
        // Whoever looks makes the room tell at once: a message for each event, instead of few for all.
        rooms.look(room("alice")).await.expect("open");
    }
    let Some(FeedItem::Lagged { from_seq, lost }) = feed.next().await else { panic!("told") };
    assert_eq!((from_seq, lost), (1, 0));
    expect(&mut feed, 1..=100).await;
    post_many(&rooms, 1).await;
    expect(&mut feed, 101..=101).await;
}

#[tokio::test]
async fn what_the_log_no_longer_has_is_said_to_be_lost() {
    let rooms = rooms(MemoryLog::new(10, 20), RoomsLimits { buffer: 8, ..unhurried() });
    post_many(&rooms, 100).await;
    let mut feed = subscribe(&rooms, Start::From(1)).await;
    let Some(FeedItem::Lagged { from_seq, lost }) = feed.next().await else { panic!("told") };
    assert_eq!((from_seq, lost), (81, 80));
    expect(&mut feed, 81..=100).await;
}

#[tokio::test]
async fn a_failed_append_is_told_and_leaves_no_gap() {
    let log = Arc::new(FailingLog {
        log: MemoryLog::default(),
        before: AtomicBool::new(false),
        after: AtomicBool::new(false),
    });
    let rooms = Rooms::new(hub(), log.clone(), clock(), unhurried());
    let mut feed = from_now(&rooms).await;
    post_many(&rooms, 1).await;
    log.before.store(true, Ordering::Relaxed);
    assert!(matches!(say(&rooms, "alice", goal()).await, Err(RoomError::Log(_))));
    tokio::time::sleep(RETRY).await;
    post_many(&rooms, 1).await;
    // This one is written although the caller was told otherwise; readers get it, in order.
    log.after.store(true, Ordering::Relaxed);
    assert!(matches!(say(&rooms, "alice", goal()).await, Err(RoomError::Log(_))));
    tokio::time::sleep(RETRY).await;
    assert_eq!(post(&rooms, goal()).await.seq, 4);
    expect(&mut feed, 1..=4).await;
}

#[tokio::test]
async fn a_command_can_be_repeated() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let command = goal();
    let first = post(&rooms, command.clone()).await;
    let (again, _) = say(&rooms, "alice", command.clone()).await.expect("answered");
    assert_eq!((again.status, again.id, again.seq), (Status::Duplicate, Some(first.id), Some(first.seq)));
    settle(&rooms).await;
    rooms.sweep(Instant::now() + IDLE * 2);
    assert_eq!(rooms.counts(), Counts::default(), "closed, and read from the log again");
    let (again, _) = say(&rooms, "alice", command).await.expect("answered");
    assert_eq!((again.status, again.id, again.seq), (Status::Duplicate, Some(first.id), Some(first.seq)));
}

/// The writer says once a second whether something is open.
async fn settle(rooms: &Rooms) {
    let room = rooms.open.lock().get(&room("alice")).cloned().expect("open");
    while room.shared.is_busy() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_open_feed_keeps_its_room() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feed = from_now(&rooms).await;
    rooms.sweep(Instant::now() + IDLE * 2);
    assert_eq!(rooms.counts(), Counts { rooms: 1, feeds: 1 });
    post_many(&rooms, 1).await;
    expect(&mut feed, 1..=1).await;
    drop(feed);
    settle(&rooms).await;
    rooms.sweep(Instant::now() + IDLE * 2);
    assert_eq!(rooms.counts(), Counts::default());
}

#[tokio::test]
async fn every_limit_refuses_in_words() {
    let limits = RoomsLimits { rooms_max: 1, feeds_max: 1, events_per_second: 1, burst: 2, ..unhurried() };
    let rooms = rooms(MemoryLog::default(), limits);
    let _feed = from_now(&rooms).await;
    let start = Start::Standing { tail: 0 };
    let full = rooms.subscribe(room("alice"), start, None).await;
    assert!(matches!(full, Err(RoomError::TooManyFeeds(1))));
    assert!(matches!(rooms.subscribe(room("bob"), start, None).await, Err(RoomError::TooManyRooms(1))));
    assert!(matches!(say(&rooms, "bob", goal()).await, Err(RoomError::TooManyRooms(1))));
    post_many(&rooms, 2).await;
    let refused = say(&rooms, "alice", goal()).await.expect_err("too fast").to_string();
    assert!(refused.contains("1 commands per second"), "{refused}");
}

#[tokio::test]
async fn what_is_refused_to_one_takes_nothing_from_the_others() {
    let limits = RoomsLimits { events_per_second: 1, burst: 2, ..unhurried() };
    let rooms = rooms(MemoryLog::default(), limits);
    let chat = || Command { ty: "chat".to_owned(), data: json!({"text": "hello"}), ..goal() };
    let say = |who: Visitor| {
        let rooms = rooms.clone();
        async move { rooms.command(room("alice"), chat(), &who, View::default()).await }
    };
    let mute = Measure::Mute { person: "~bob".into(), dur: Span::from_secs(60) };
    rooms.measure(&room("alice"), &mute).await.expect("in range");
    for _ in 0..10 {
        assert!(matches!(say(visitor("~bob", Role::Member)).await, Err(RoomError::Silenced(_))));
    }
    for who in ["~ann", "~cid"] {
        say(visitor(who, Role::Member)).await.expect("the room has room for two");
    }
    assert!(matches!(say(visitor("~eve", Role::Member)).await, Err(RoomError::TooFast(1))));
    say(visitor("~mod", Role::Moderator)).await.expect("has a share of their own");
}

fn publish(hub: &Hub) -> Publication {
    let source = Source { protocol: "whip", accepts_pli: true };
    hub.publish(room("alice").stream(), KeyId::new("k"), source, 42, Arc::new(Silent)).expect("free")
}

#[tokio::test]
async fn an_event_is_bound_to_the_newest_frame_and_goes_into_the_data_track() {
    let hub = hub();
    let rooms = Rooms::new(hub.clone(), Arc::new(MemoryLog::default()), clock(), unhurried());
    let publication = publish(&hub);
    let mut sound = publication.open_track(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
    let newest = NOW - Span::from_millis(123);
    sound.append(publication.epoch(), Frame::new(newest, NOW, Bytes::from_static(b"x")));

    let event = post(&rooms, goal()).await;
    assert_eq!((event.at, event.epoch), (newest, Epoch(42)));
    let ahead = Command { at: At::T(NOW + Span::from_secs(3_000)), lane: Some(Lane::Poll), ..goal() };
    post(&rooms, ahead).await;
    post(&rooms, Command { lane: Some(Lane::Chat), ..goal() }).await;

    let ring = publication.stream().events();
    let mut cursor = ring.oldest_group().expect("events");
    let mut in_track = Vec::new();
    while let Read::Frame { frame, group, .. } = ring.read(&mut cursor) {
        let event: Event = serde_json::from_slice(&frame.payload).expect("an event");
        assert_eq!((event.at, event.epoch), (frame.t, group.epoch));
        in_track.push((event.seq, event.lane));
    }
    assert_eq!(in_track, [(1, Lane::Alert), (2, Lane::Poll)], "chat travels on feeds only");
}

#[tokio::test]
async fn what_is_erased_leaves_the_data_track() {
    let hub = hub();
    let rooms = Rooms::new(hub.clone(), Arc::new(MemoryLog::default()), clock(), unhurried());
    let publication = publish(&hub);
    let said = |words: &str| Command { data: json!({"by": words}), ..goal() };
    let first = say(&rooms, "alice", said("erased alone")).await.expect("answered").0;
    post(&rooms, said("kept")).await;
    let eve = visitor("eve", Role::Host);
    rooms.command(room("alice"), said("with its author"), &eve, View::default()).await.expect("answered");
    rooms.erase(&room("alice"), Erase::Payload { n: first.n.expect("written") }).await.expect("erased");
    rooms.erase(&room("alice"), Erase::Person { id: "eve".into() }).await.expect("erased");

    let ring = publication.stream().events();
    let mut cursor = ring.oldest_group().expect("events");
    let mut left = Vec::new();
    while let Read::Frame { frame, .. } = ring.read(&mut cursor) {
        let event: Event = serde_json::from_slice(&frame.payload).expect("an event");
        left.push((event.seq, event.data.clone(), event.actor.map(|actor| actor.id.to_string())));
    }
    let host = Some("host".to_owned());
    let expected = [(1, json!(null), host.clone()), (2, json!({"by": "kept"}), host), (3, json!(null), None)];
    assert_eq!(left, expected, "each stays in its place");
}

#[tokio::test]
async fn the_message_is_the_events_in_their_wrapping() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feed = from_now(&rooms).await;
    let posted = post(&rooms, goal()).await;
    let Some(FeedItem::Events(batch)) = feed.next().await else { panic!("events") };
    let message: serde_json::Value = serde_json::from_slice(batch.message()).expect("JSON");
    assert_eq!(message, json!({"type": "events", "events": [&*posted]}));
}

#[tokio::test]
async fn a_flood_is_told_in_few_messages() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feed = from_now(&rooms).await;
    let submitted: Vec<_> = (0..1_000)
        .map(|_| rooms.submit(&room("alice"), goal(), &host(), View::default()).expect("room for it"))
        .collect();
    for submitted in submitted {
        let Submitted::Waiting(answer) = submitted else { panic!("it goes into the log") };
        answer.come().await.expect("written");
    }
    let (mut seen, mut messages) = (0, 0);
    while seen < 1_000 {
        let Some(FeedItem::Events(batch)) = feed.next().await else { panic!("events") };
        seen += batch.events().len();
        messages += 1;
    }
    assert!(messages <= 100, "{messages} messages");
}

#[tokio::test]
async fn what_a_gate_holds_is_on_no_feed_and_in_no_snapshot() {
    let hub = hub();
    let rooms = Rooms::new(hub.clone(), Arc::new(MemoryLog::default()), clock(), unhurried());
    let publication = publish(&hub);
    post_many(&rooms, 3).await;
    let mut feed = from_now(&rooms).await;
    let from = rooms.now();
    let gate = unisono_hub::ReleaseGate::new(from, Some(from + Span::from_secs(60)), Span::from_secs(2));
    publication.stream().set_gate(Some(gate.expect("valid")));
    let posted = post(&rooms, goal()).await;
    assert_eq!(posted.seq, 4, "it is durable and acknowledged");
    let look = rooms.look(room("alice")).await.expect("open");
    let standing: serde_json::Value = serde_json::from_slice(&look.standing).expect("JSON");
    assert_eq!((look.seq, &standing["seq"]), (3, &json!(3)));
    let mut late = subscribe(&rooms, Start::From(1)).await;
    expect(&mut late, 1..=3).await;
    let told = tokio::time::timeout(Duration::from_millis(300), late.next()).await;
    assert!(told.is_err(), "nothing more: {told:?}");
    // Two seconds after its frame it comes to all.
    expect(&mut feed, 4..=4).await;
    expect(&mut late, 4..=4).await;
    assert!(rooms.now() >= posted.at + Span::from_secs(2));
}

#[tokio::test]
async fn reactions_are_counted_and_not_stored() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feed = from_now(&rooms).await;
    for i in 0..10 {
        let reaction = Command { ty: "reaction".to_owned(), data: json!({"emoji": "heart"}), ..goal() };
        let guest = visitor(&format!("g{i}"), Role::Guest);
        let (ack, event) =
            rooms.command(room("alice"), reaction, &guest, View::default()).await.expect("counted");
        assert_eq!((ack.status, ack.n, event), (Status::Accepted, None, None));
    }
    let mut hearts = 0;
    while hearts < 10 {
        let Some(FeedItem::Notice(notice)) = feed.next().await else { panic!("counts") };
        let message: serde_json::Value = serde_json::from_slice(&notice.message).expect("JSON");
        if notice.kind == "counts" {
            hearts += message["counts"]["heart"].as_u64().expect("a number");
        }
    }
    assert_eq!(rooms.look(room("alice")).await.expect("open").seq, 0);
}

#[tokio::test]
async fn who_is_muted_says_nothing_and_who_is_banned_is_out() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let bob = visitor("~bob", Role::Member);
    let chat = || Command { ty: "chat".to_owned(), data: json!({"text": "hello"}), ..goal() };
    let say = |who: &Visitor| {
        let (rooms, who) = (rooms.clone(), who.clone());
        async move { rooms.command(room("alice"), chat(), &who, View::default()).await }
    };
    say(&bob).await.expect("may speak");
    let mute = Measure::Mute { person: "~bob".into(), dur: Span::from_secs(60) };
    rooms.measure(&room("alice"), &mute).await.expect("in range");
    assert!(matches!(say(&bob).await, Err(RoomError::Silenced(words)) if words.contains("muted")));
    say(&visitor("~ann", Role::Member)).await.expect("somebody else may");
    let ban = Measure::Ban { person: "~bob".into(), dur: Span::from_secs(60) };
    rooms.measure(&room("alice"), &ban).await.expect("in range");
    let refused = rooms.subscribe(room("alice"), Start::Standing { tail: 0 }, Some(&bob)).await;
    assert!(matches!(refused, Err(RoomError::Banned)));
    rooms.measure(&room("alice"), &Measure::Slow { every: Span::from_secs(60) }).await.expect("in range");
    let ann = visitor("~ann", Role::Member);
    say(&ann).await.expect("the first is free");
    assert!(matches!(say(&ann).await, Err(RoomError::Silenced(words)) if words.contains("slow mode")));
}
