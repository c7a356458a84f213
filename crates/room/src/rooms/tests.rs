use super::*;
use crate::FeedItem;
use bytes::Bytes;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use unisono_base::{Doorbell, Epoch, KeyId, MediaTime, Span, Tenant};
use unisono_hub::{Limits, Publication, Read, Source};
use unisono_media::{CodecConfig, OpusConfig};
use unisono_store::{BoxFuture, Erase, LogRoom, MemoryLog, Page, Retention};
use unisono_timeline::{
    At, Lane, Uuid,
    audit::{Checkpoint, Sealed},
};

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
    Rooms::with_limits(hub(), Arc::new(log), clock(), limits)
}

fn unhurried() -> RoomsLimits {
    RoomsLimits { events_per_second: 1_000_000, burst: 1_000_000, ..RoomsLimits::default() }
}

fn room(name: &str) -> RoomId {
    RoomId::parse(Tenant::default(), &format!("live:{name}")).expect("valid")
}

fn goal() -> NewEvent {
    NewEvent::new("goal", json!({"by": "Alice"}))
}

async fn post_many(rooms: &Arc<Rooms>, count: u64) {
    for _ in 0..count {
        rooms.post(room("alice"), goal()).await.expect("posted");
    }
}

async fn next_seq(feed: &mut Feed) -> u64 {
    match feed.next().await {
        Some(FeedItem::Event(event)) => event.event().seq,
        other => panic!("an event, not {other:?}"),
    }
}

#[tokio::test]
async fn posts_from_many_sides_have_one_gapless_order_for_every_reader() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feeds = [
        rooms.subscribe(room("alice"), None).await.expect("feed"),
        rooms.subscribe(room("alice"), Some(1)).await.expect("feed"),
    ];
    let posts: Vec<_> = (0..100)
        .map(|_| {
            let rooms = rooms.clone();
            tokio::spawn(async move { rooms.post(room("alice"), goal()).await.expect("posted").seq })
        })
        .collect();
    let mut acked = Vec::new();
    for post in posts {
        acked.push(post.await.expect("not panicked"));
    }
    acked.sort_unstable();
    assert_eq!(acked, (1..=100).collect::<Vec<_>>());
    for feed in &mut feeds {
        for seq in 1..=100 {
            assert_eq!(next_seq(feed).await, seq);
        }
    }
}

#[tokio::test]
async fn a_feed_resumes_where_it_was() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    post_many(&rooms, 700).await;
    let mut feed = rooms.subscribe(room("alice"), Some(98)).await.expect("feed");
    assert_eq!(feed.last_at_start(), 700);
    for seq in 98..=700 {
        assert_eq!(next_seq(&mut feed).await, seq);
    }
    post_many(&rooms, 1).await;
    assert_eq!(next_seq(&mut feed).await, 701);
}

#[tokio::test]
async fn a_number_from_before_a_restart_goes_on_from_now() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    post_many(&rooms, 2).await;
    let mut feed = rooms.subscribe(room("alice"), Some(5_000)).await.expect("feed");
    post_many(&rooms, 1).await;
    assert_eq!(next_seq(&mut feed).await, 3);
}

#[tokio::test]
async fn a_slow_feed_is_told_and_goes_on_from_the_log() {
    let rooms = rooms(MemoryLog::default(), RoomsLimits { buffer: 8, ..unhurried() });
    let mut feed = rooms.subscribe(room("alice"), None).await.expect("feed");
    post_many(&rooms, 100).await;
    let Some(FeedItem::Lagged { from_seq, lost }) = feed.next().await else { panic!("told") };
    assert_eq!((from_seq, lost), (1, 0));
    for seq in 1..=100 {
        assert_eq!(next_seq(&mut feed).await, seq);
    }
    post_many(&rooms, 1).await;
    assert_eq!(next_seq(&mut feed).await, 101, "live again");
}

#[tokio::test]
async fn what_the_log_no_longer_has_is_said_to_be_lost() {
    let rooms = rooms(MemoryLog::new(10, 20), RoomsLimits { buffer: 8, ..unhurried() });
    post_many(&rooms, 100).await;
    let mut feed = rooms.subscribe(room("alice"), Some(1)).await.expect("feed");
    let Some(FeedItem::Lagged { from_seq, lost }) = feed.next().await else { panic!("told") };
    assert_eq!((from_seq, lost), (81, 80));
    assert_eq!(next_seq(&mut feed).await, 81);
}

#[tokio::test]
async fn a_failed_append_is_told_and_leaves_no_gap() {
    let log = Arc::new(FailingLog {
        log: MemoryLog::default(),
        before: AtomicBool::new(false),
        after: AtomicBool::new(false),
    });
    let rooms = Rooms::with_limits(hub(), log.clone(), clock(), unhurried());
    let mut feed = rooms.subscribe(room("alice"), None).await.expect("feed");
    post_many(&rooms, 1).await;
    log.before.store(true, Ordering::Relaxed);
    assert!(matches!(rooms.post(room("alice"), goal()).await, Err(PostError::Log(_))));
    post_many(&rooms, 1).await;
    // This one is written although the caller was told otherwise; readers get it, in order.
    log.after.store(true, Ordering::Relaxed);
    assert!(matches!(rooms.post(room("alice"), goal()).await, Err(PostError::Log(_))));
    assert_eq!(rooms.post(room("alice"), goal()).await.expect("posted").seq, 4);
    for seq in 1..=4 {
        assert_eq!(next_seq(&mut feed).await, seq);
    }
}

#[tokio::test]
async fn a_command_can_be_repeated() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let command = NewEvent { cmd_id: Some(Uuid::from_u128(1)), ..goal() };
    let first = rooms.post(room("alice"), command.clone()).await.expect("posted");
    rooms.sweep(Instant::now() + IDLE * 2);
    assert_eq!(rooms.counts(), Counts::default(), "closed, and read from the log again");
    let again = rooms.post(room("alice"), command).await.expect("known");
    assert_eq!((again.id, again.seq), (first.id, first.seq));
}

#[tokio::test]
async fn an_open_feed_keeps_its_room() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feed = rooms.subscribe(room("alice"), None).await.expect("feed");
    rooms.sweep(Instant::now() + IDLE * 2);
    assert_eq!(rooms.counts(), Counts { rooms: 1, feeds: 1 });
    post_many(&rooms, 1).await;
    assert_eq!(next_seq(&mut feed).await, 1);
    drop(feed);
    rooms.sweep(Instant::now() + IDLE * 2);
    assert_eq!(rooms.counts(), Counts::default());
}

#[tokio::test]
async fn every_limit_refuses_in_words() {
    let limits = RoomsLimits { rooms_max: 1, feeds_max: 1, events_per_second: 1, burst: 2, ..unhurried() };
    let rooms = rooms(MemoryLog::default(), limits);
    let _feed = rooms.subscribe(room("alice"), None).await.expect("feed");
    assert!(matches!(rooms.subscribe(room("alice"), None).await, Err(SubscribeError::TooManyFeeds(1))));
    assert!(matches!(rooms.subscribe(room("bob"), None).await, Err(SubscribeError::TooManyRooms(1))));
    assert!(matches!(rooms.post(room("bob"), goal()).await, Err(PostError::TooManyRooms(1))));
    post_many(&rooms, 2).await;
    let refused = rooms.post(room("alice"), goal()).await.expect_err("too fast").to_string();
    assert!(refused.contains("1 events per second"), "{refused}");
}

fn publish(hub: &Hub) -> Publication {
    let source = Source { protocol: "whip", accepts_pli: true };
    hub.publish(room("alice").stream(), KeyId::new("k"), source, 42, Arc::new(Silent)).expect("free")
}

#[tokio::test]
async fn an_event_is_bound_to_the_newest_frame_and_goes_into_the_data_track() {
    let hub = hub();
    let rooms = Rooms::with_limits(hub.clone(), Arc::new(MemoryLog::default()), clock(), unhurried());
    let publication = publish(&hub);
    let mut sound = publication.open_track(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
    let newest = NOW - Span::from_millis(123);
    sound.append(publication.epoch(), Frame::new(newest, NOW, Bytes::from_static(b"x")));

    let event = rooms.post(room("alice"), goal()).await.expect("posted");
    assert_eq!((event.at, event.epoch), (newest, Epoch(42)));
    let ahead = NewEvent { at: At::T(NOW + Span::from_secs(3_000)), lane: Lane::Poll, ..goal() };
    rooms.post(room("alice"), ahead).await.expect("posted");
    rooms.post(room("alice"), NewEvent { lane: Lane::Chat, ..goal() }).await.expect("posted");

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
async fn the_message_is_the_event_in_its_wrapping() {
    let rooms = rooms(MemoryLog::default(), unhurried());
    let mut feed = rooms.subscribe(room("alice"), None).await.expect("feed");
    let posted = rooms.post(room("alice"), goal()).await.expect("posted");
    let Some(FeedItem::Event(event)) = feed.next().await else { panic!("an event") };
    let message: serde_json::Value = serde_json::from_slice(&event.message()).expect("JSON");
    assert_eq!(message, json!({"type": "event", "event": &*posted}));
    assert_eq!(serde_json::from_slice::<Event>(&event.json()).expect("JSON"), *posted);
}
