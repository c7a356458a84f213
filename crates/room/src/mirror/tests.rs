use super::{wire::read, *};
use crate::{
    BlockedWords, Feed, FeedItem, Latency, Measure, Rooms, RoomsLimits, Start, Verdict, View, Visitor,
    rooms::Submitted,
};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;
use unisono_base::{MediaTime, NodeClock, Span, Tenant};
use unisono_hub::Limits;
use unisono_store::MemoryLog;
use unisono_timeline::{At, Command, Event, Person, Role, Status, Uuid, Verb, Witness};

const GENEROUS: Duration = Duration::from_secs(60);
const GENEROUS_SPAN: Span = Span::from_secs(60);

/// The link between two nodes in one process: it can be cut, and made to lose what the origin answers.
struct Cable {
    origin: Mutex<Arc<Rooms>>,
    is_up: AtomicBool,
    loses_answers: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    ways: Mutex<CancellationToken>,
    attached: AtomicUsize,
}

impl Cable {
    fn new(origin: &Arc<Rooms>) -> Arc<Self> {
        Arc::new(Self {
            origin: Mutex::new(origin.clone()),
            is_up: AtomicBool::new(true),
            loses_answers: Arc::default(),
            lost: Arc::default(),
            ways: Mutex::default(),
            attached: AtomicUsize::new(0),
        })
    }

    fn cut(&self) {
        self.is_up.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.ways.lock()).cancel();
    }

    fn mend(&self) {
        self.loses_answers.store(false, Ordering::SeqCst);
        self.is_up.store(true, Ordering::SeqCst);
    }

    fn lay(&self, room: &RoomId, path: &[u64]) -> Way {
        let (to_host, from_mirror) = mpsc::channel(WAY_PLACES);
        let (to_mirror, from_host) = mpsc::channel(WAY_PLACES);
        let (up, mut going_up) = mpsc::channel(WAY_PLACES);
        let (down, mut going_down) = mpsc::channel::<Packet>(WAY_PLACES);
        let ends = self.ways.lock().clone();
        tokio::spawn(ends.clone().run_until_cancelled_owned(async move {
            while let Some(packet) = going_up.recv().await {
                let _ = to_host.send(packet).await;
            }
        }));
        let (loses, lost) = (self.loses_answers.clone(), self.lost.clone());
        tokio::spawn(ends.run_until_cancelled_owned(async move {
            while let Some(packet) = going_down.recv().await {
                if loses.load(Ordering::SeqCst) && packet.head.starts_with(b"{\"Answer\"") {
                    lost.fetch_add(1, Ordering::SeqCst);
                } else {
                    let _ = to_mirror.send(packet).await;
                }
            }
        }));
        let way = Way { send: down, receive: from_mirror };
        let origin = self.origin.lock().clone();
        tokio::spawn(origin.host(room.clone(), path.to_vec(), way));
        self.attached.fetch_add(1, Ordering::SeqCst);
        Way { send: up, receive: from_host }
    }
}

impl Upstream for Cable {
    fn attach<'a>(&'a self, room: &'a RoomId, path: &'a [u64]) -> BoxFuture<'a, Result<Way, String>> {
        Box::pin(async move {
            if !self.is_up.load(Ordering::SeqCst) {
                return Err("the link is down".to_owned());
            }
            Ok(self.lay(room, path))
        })
    }
}

fn node() -> Arc<Rooms> {
    let clock = NodeClock::new(Instant::now(), MediaTime::from_micros(1_700_000_000_000_000));
    let limits = RoomsLimits { person_per_second: 1_000, person_burst: 10_000, ..RoomsLimits::default() };
    Rooms::new(Hub::new(Limits::default()), Arc::new(MemoryLog::default()), clock, limits)
}

/// An origin, an edge, and what is between them.
fn two() -> (Arc<Rooms>, Arc<Rooms>, Arc<Cable>) {
    let (origin, edge) = (node(), node());
    let cable = Cable::new(&origin);
    edge.set_upstream(cable.clone(), []);
    (origin, edge, cable)
}

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

fn ann() -> Visitor {
    Visitor { person: Person { id: "~ann".into(), name: Some("Ann".into()) }, role: Role::Member }
}

fn boss() -> Visitor {
    Visitor { person: Person { id: "boss".into(), name: None }, role: Role::Host }
}

fn command(ty: &str, data: serde_json::Value) -> Command {
    Command {
        cmd_id: Uuid::now_v7(),
        ty: ty.to_owned(),
        verb: Verb::Send,
        lane: None,
        at: At::Now,
        dur: None,
        ttl: None,
        late: None,
        subject: None,
        data,
    }
}

fn chat(text: &str) -> Command {
    command("chat", json!({ "text": text }))
}

async fn say(rooms: &Rooms, text: &str) -> Arc<Event> {
    let (ack, event) = rooms.command(room(), chat(text), &ann(), View::default()).await.expect("answered");
    event.unwrap_or_else(|| panic!("{ack:?}"))
}

/// The JSON of the next events up to `last`, each once and in order.
async fn lines(feed: &mut Feed, last: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let read = async {
        loop {
            match feed.next().await {
                Some(FeedItem::Events(batch)) => {
                    for (event, json) in batch.events() {
                        lines.push(String::from_utf8(json.to_vec()).expect("UTF-8"));
                        if event.seq == last {
                            return;
                        }
                    }
                }
                Some(_) => {}
                None => panic!("the feed ended after {lines:?}"),
            }
        }
    };
    tokio::time::timeout(GENEROUS, read).await.expect("all of them in time");
    lines
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GENEROUS, so).await.expect(what);
}

#[tokio::test]
async fn both_nodes_have_one_order_byte_for_byte_and_one_way_between_them() {
    let (origin, edge, cable) = two();
    let mut there = origin.subscribe(room(), Start::From(1), None).await.expect("a feed");
    let mut here = Vec::new();
    for _ in 0..3 {
        here.push(edge.subscribe(room(), Start::From(1), None).await.expect("a feed"));
    }
    for number in 0..20 {
        let event = say(if number % 2 == 0 { &origin } else { &edge }, &format!("{number}: 0.1")).await;
        assert_eq!(event.seq, number + 1);
    }
    let told = lines(&mut there, 20).await;
    assert_eq!(told.len(), 20);
    for feed in &mut here {
        assert_eq!(lines(feed, 20).await, told);
    }
    // Somebody who comes back to the other node than before.
    let mut resumed = edge.subscribe(room(), Start::From(12), None).await.expect("a feed");
    assert_eq!(lines(&mut resumed, 20).await, told[11..]);
    assert_eq!(cable.attached.load(Ordering::SeqCst), 1);
    assert_eq!(origin.counts().feeds, 2, "its own, and one for the edge");
    assert_eq!(edge.event(&room(), 7).await.expect("asked").expect("there").seq, 7);
    let (a, b) = (origin.look(room()).await.expect("open"), edge.look(room()).await.expect("open"));
    assert_eq!((a.seq, a.standing), (b.seq, b.standing));
}

#[tokio::test]
async fn a_command_whose_answer_is_lost_between_the_nodes_is_carried_out_once() {
    let (origin, edge, cable) = two();
    say(&edge, "first").await;
    // Slow mode would refuse the same words said again, if they were taken for new ones.
    let slow = Measure::Slow { every: Span::from_secs(600) };
    origin.measure(&room(), &slow).await.expect("taken");
    cable.loses_answers.store(true, Ordering::SeqCst);
    let asked = chat("once");
    let Submitted::Waiting(answer) =
        edge.submit(&room(), asked.clone(), &ann(), View::default()).expect("taken")
    else {
        panic!("it goes into the log");
    };
    eventually("it is applied, and its answer lost", || cable.lost.load(Ordering::SeqCst) == 1).await;
    cable.cut();
    cable.mend();
    let (ack, _) = answer.come().await.expect("an answer on the next way");
    assert_eq!((ack.status, ack.seq), (Status::Duplicate, Some(2)));
    // And on the edge's own account, as any client repeats itself.
    let boss = Visitor { role: Role::Moderator, ..ann() };
    let (ack, _) = edge.command(room(), asked, &boss, View::default()).await.expect("answered");
    assert_eq!((ack.status, ack.seq), (Status::Duplicate, Some(2)));
    assert_eq!(origin.look(room()).await.expect("open").seq, 2);
}

#[tokio::test]
async fn while_the_link_is_down_feeds_wait_and_get_all_of_it_later() {
    let (origin, edge, cable) = two();
    let mut feed = edge.subscribe(room(), Start::From(1), None).await.expect("a feed");
    say(&edge, "before").await;
    lines(&mut feed, 1).await;
    cable.cut();
    for number in 0..600 {
        say(&origin, &format!("meanwhile {number}")).await;
    }
    let waiting = tokio::spawn({
        let edge = edge.clone();
        async move { say(&edge, "from the edge").await }
    });
    cable.mend();
    assert_eq!(waiting.await.expect("no panic").seq, 602);
    let mut there = origin.subscribe(room(), Start::From(2), None).await.expect("a feed");
    assert_eq!(lines(&mut feed, 602).await, lines(&mut there, 602).await);
}

#[tokio::test]
async fn who_waits_longer_than_the_link_is_down_is_told_in_words() {
    let (_origin, edge, cable) = two();
    cable.cut();
    let boss = boss();
    let (said, fed) = tokio::join!(
        edge.command(room(), chat("nobody hears it"), &boss, View::default()),
        edge.subscribe(room(), Start::From(1), None),
    );
    let error = said.expect_err("away");
    let words = error.to_string();
    assert!(matches!(error, RoomError::Away(_)), "{words}");
    assert!(words.contains("the link is down") && words.contains("the same cmd_id again"), "{words}");
    let error = fed.map(drop).expect_err("away");
    assert!(error.to_string().contains("the link is down"), "{error}");
}

#[tokio::test]
async fn who_is_muted_at_one_node_is_muted_at_the_other() {
    let (origin, edge, _cable) = two();
    let mut feed = edge.subscribe(room(), Start::From(1), Some(&ann())).await.expect("a feed");
    let mute = Measure::Mute { person: "~ann".into(), dur: Span::from_secs(60) };
    origin.measure(&room(), &mute).await.expect("taken");
    let refused = edge.command(room(), chat("hm"), &ann(), View::default()).await.expect_err("muted");
    assert!(refused.to_string().contains("muted in this room"), "{refused}");
    origin
        .measure(&room(), &Measure::Ban { person: "~ann".into(), dur: Span::from_secs(60) })
        .await
        .expect("taken");
    eventually("the edge knows", || edge.is_banned(&feed, &ann().person)).await;
    // A list of words, and a judge, are the origin's as well.
    origin.block_words(BlockedWords::new(["heck"]));
    let bob = Visitor { person: Person { id: "~bob".into(), name: None }, role: Role::Member };
    let refused = edge.command(room(), chat("heck"), &bob, View::default()).await.expect_err("a word");
    assert!(matches!(refused, RoomError::Silenced(_)), "{refused}");
    origin.set_judge(Some(Arc::new(Mild)));
    let (ack, _) = edge.command(room(), chat("rude"), &bob, View::default()).await.expect("judged");
    assert_eq!(ack.status, Status::Accepted);
    assert!(lines(&mut feed, 1).await[0].contains("mild"));
}

#[tokio::test]
async fn who_is_muted_says_nothing_by_an_edge_that_has_not_heard_of_it_either() {
    let (origin, edge, cable) = two();
    let mute = Measure::Mute { person: "~ann".into(), dur: Span::from_secs(600) };
    origin.measure(&room(), &mute).await.expect("taken");
    origin.block_words(BlockedWords::new(["heck"]));
    let bob = Visitor { person: Person { id: "~bob".into(), name: None }, role: Role::Member };
    let silenced =
        |said: Result<(_, _), RoomError>| assert!(matches!(said, Err(RoomError::Silenced(_))), "{said:?}");
    // The first that this edge has to do with the room, and while its link is down.
    silenced(edge.command(room(), chat("hm"), &ann(), View::default()).await);
    cable.cut();
    let (ann, bobs) = (ann(), async {
        let said = edge.submit(&room(), chat("heck"), &bob, View::default());
        cable.mend();
        let Ok(Submitted::Waiting(answer)) = said else { panic!("it waits for the link") };
        answer.come().await
    });
    let (muted, word) = tokio::join!(edge.command(room(), chat("hm"), &ann, View::default()), bobs);
    silenced(muted);
    silenced(word);
    // Nor does it help that an answer was lost: a refusal may have been.
    cable.loses_answers.store(true, Ordering::SeqCst);
    let Ok(Submitted::Waiting(answer)) = edge.submit(&room(), chat("heck"), &bob, View::default()) else {
        panic!("it goes to the origin");
    };
    eventually("it is refused, and the answer lost", || cable.lost.load(Ordering::SeqCst) == 1).await;
    cable.cut();
    cable.mend();
    silenced(answer.come().await);
    assert_eq!(origin.look(room()).await.expect("open").seq, 0);
}

/// Whatever is said is said mildly.
struct Mild;

impl crate::Judge for Mild {
    fn judge<'a>(
        &'a self,
        _: &'a RoomId,
        _: &'a str,
        _: &'a str,
        _: &'a serde_json::Value,
    ) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Mask(json!({"text": "mild"}))))
    }
}

/// The first notice of this kind for which `is_it`.
async fn notice(feed: &mut Feed, kind: &str, is_it: impl Fn(&serde_json::Value) -> bool) {
    let read = async {
        loop {
            let FeedItem::Notice(notice) = feed.next().await.expect("it goes on") else { continue };
            if notice.kind == kind && is_it(&serde_json::from_slice(&notice.message).expect("JSON")) {
                return;
            }
        }
    };
    tokio::time::timeout(GENEROUS, read).await.expect(kind);
}

#[tokio::test]
async fn people_reactions_and_latencies_of_both_nodes_are_counted_together() {
    let (origin, edge, cable) = two();
    let mut there = origin.subscribe(room(), Start::From(1), Some(&boss())).await.expect("a feed");
    let mut here = edge.subscribe(room(), Start::From(1), Some(&ann())).await.expect("a feed");
    for feed in [&mut there, &mut here] {
        notice(feed, "presence", |told| told["members"] == 2).await;
    }
    assert_eq!(edge.look(room()).await.expect("open").members, 2);
    for _ in 0..50 {
        let clap = command("reaction", json!({"emoji": "clap"}));
        edge.command(room(), clap, &ann(), View::default()).await.expect("counted");
    }
    let mut claps = 0;
    while claps < 50 {
        let counted = std::cell::Cell::new(0);
        notice(&mut there, "counts", |told| {
            counted.set(told["counts"]["clap"].as_u64().unwrap_or(0));
            true
        })
        .await;
        claps += counted.get();
    }
    assert_eq!(claps, 50);
    origin.set_lockstep(&room(), true).expect("taken");
    let latency = Latency { actual: Span::from_millis(500), earliest: Span::from_millis(300) };
    edge.report_latency(&here, 1, Some(latency));
    for feed in [&mut there, &mut here] {
        notice(feed, "lockstep", |told| told["target"] == 320_000).await;
    }
    // With the edge go its people and what they reported.
    cable.cut();
    notice(&mut there, "presence", |told| told["members"] == 1).await;
    notice(&mut there, "lockstep", |told| told["target"].is_null()).await;
}

#[tokio::test]
async fn a_chain_of_three_nodes_works_and_what_is_one_persons_own_comes_to_that_one() {
    let (origin, middle, _) = two();
    let edge = node();
    edge.set_upstream(Cable::new(&middle), []);
    let opened = Command { verb: Verb::Open, dur: Some(Span::from_secs(600)), ..command("poll", poll()) };
    let (ack, _) = edge.command(room(), opened, &boss(), View::default()).await.expect("answered");
    let window = ack.id.unwrap_or_else(|| panic!("{ack:?}"));
    let vote = Command { verb: Verb::Enter, subject: Some(window), ..command("poll", json!({"choice": 0})) };
    let (ack, _) = edge.command(room(), vote, &ann(), View::default()).await.expect("answered");
    assert_eq!(ack.status, Status::Accepted, "{ack:?}");
    let mut feed = edge.subscribe(room(), Start::From(2), Some(&ann())).await.expect("a feed");
    notice(&mut feed, "mine", |told| told["windows"].as_array().is_some_and(|windows| windows.len() == 1))
        .await;
    let mut other = edge.subscribe(room(), Start::From(2), Some(&boss())).await.expect("a feed");
    say(&origin, "next").await;
    loop {
        match other.next().await.expect("it goes on") {
            FeedItem::Notice(notice) => assert_ne!(notice.kind, "mine", "it is Ann's"),
            FeedItem::Events(_) => break,
            _ => {}
        }
    }
}

fn poll() -> serde_json::Value {
    json!({"question": "which?", "choices": ["a", "b"]})
}

fn witness(micros: i64) -> Witness {
    let (t, span) = (MediaTime::from_micros(micros), Span::from_micros(micros));
    Witness { received: t, rtt_min: span, delivered: Some(t), buffer: span, claimed: None }
}

#[tokio::test]
async fn a_stamp_is_taken_only_within_what_can_be() {
    let origin = node();
    let room = origin.open_for(&room(), Vec::new()).expect("open");
    let now = Instant::now();
    let [late, early] =
        [i64::MAX, i64::MIN].map(|micros| origin.plausible(&room, (witness(micros), None), now));
    let at = late.received;
    assert!(at <= origin.now() && at + GENEROUS_SPAN > origin.now(), "now, and no later");
    assert_eq!((late.rtt_min, late.delivered), (Span::from_secs(2), None));
    assert_eq!((early.received, early.rtt_min), (at - Span::from_secs(9), Span::ZERO));
    let fair = witness((at - Span::from_millis(80)).as_micros());
    assert_eq!(origin.plausible(&room, (fair, None), now).received, fair.received);
}

#[tokio::test]
async fn a_room_that_begins_anew_ends_the_feeds_of_the_old_one() {
    let (_origin, edge, cable) = two();
    say(&edge, "one").await;
    say(&edge, "two").await;
    let mut feed = edge.subscribe(room(), Start::From(3), None).await.expect("a feed");
    cable.cut();
    *cable.origin.lock() = node();
    cable.mend();
    let ended = async { while feed.next().await.is_some() {} };
    tokio::time::timeout(GENEROUS, ended).await.expect("it ends");
    assert_eq!(say(&edge, "one again").await.seq, 1);
    let mut feed = edge.subscribe(room(), Start::From(3), None).await.expect("a feed");
    say(&edge, "two again").await;
    assert_eq!(lines(&mut feed, 2).await.len(), 1, "a number of the old order goes on from now");
}

#[tokio::test]
async fn a_crowd_that_comes_at_once_is_told_the_room_once() {
    let (_origin, edge, _cable) = two();
    for number in 0..30 {
        say(&edge, &format!("{number}")).await;
    }
    let crowd: Vec<_> = (0..50)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move {
                let mut feed =
                    edge.subscribe(room(), Start::Standing { tail: 4 }, None).await.expect("a feed");
                assert!(
                    matches!(feed.next().await, Some(FeedItem::Snapshot(standing)) if standing.seq == 30)
                );
                lines(&mut feed, 31).await.len()
            })
        })
        .collect();
    eventually("all are in", || edge.counts().feeds == 50).await;
    say(&edge, "the last").await;
    for one in crowd {
        assert_eq!(one.await.expect("no panic"), 5, "its history, and what came since");
    }
}

/// The two ends of a way: a mirror's, and another node's.
fn ends() -> (Way, Way) {
    let (up, going_up) = mpsc::channel(WAY_PLACES);
    let (down, going_down) = mpsc::channel(WAY_PLACES);
    (Way { send: up, receive: going_down }, Way { send: down, receive: going_up })
}

fn head(json: &str) -> Packet {
    Packet { head: json.to_owned().into(), parts: Vec::new() }
}

#[tokio::test]
async fn whatever_a_mirror_says_breaks_nothing_and_counts_for_no_more_than_it_can() {
    let origin = node();
    let most = u64::MAX;
    let (mut mirror, there) = ends();
    tokio::spawn(origin.clone().host(room(), vec![1], there));
    for said in [
        format!(r#"{{"Attach":{{"from":{most}}}}}"#),
        format!(r#"{{"Crowd":{{"members":{most},"viewers":{most}}}}}"#),
        format!(r#"{{"React":{{"ty":"reaction","counts":{{"heart":{most}}}}}}}"#),
        r#"{"React":{"ty":"no such type","counts":{"heart":1}}}"#.to_owned(),
        format!(r#"{{"Latency":{{"session":{most},"latency":[{},{}]}}}}"#, i64::MIN, i64::MAX),
        format!(r#"{{"Ask":{{"id":1,"is_again":false,"ask":{{"Page":{{"from":{most}}}}}}}}}"#),
        format!(
            r#"{{"Ask":{{"id":2,"is_again":true,"ask":{{"Enter":{{"person":"{}","wants_standing":true}}}}}}}}"#,
            "x".repeat(10_000)
        ),
    ] {
        mirror.send.send(head(&said)).await.expect("it listens");
    }
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let said =
            tokio::time::timeout(GENEROUS, mirror.receive.recv()).await.expect("in time").expect("open");
        if let Some(Down::Answer { id, .. }) = read(&said) {
            answers.push(id);
        }
    }
    assert!(origin.look(room()).await.expect("open").members <= 10_000_000);
    mirror.send.send(head("{\"Attach\":7}")).await.expect("it listens");
    let closed = async { while mirror.receive.recv().await.is_some() {} };
    tokio::time::timeout(GENEROUS, closed).await.expect("nonsense ends it");
    eventually("its people are gone", || {
        origin.open_for(&room(), Vec::new()).is_ok_and(|room| room.shared.members() == 0)
    })
    .await;
}

/// Gives these ways, one after the other.
struct Ways(Mutex<Vec<Way>>);

impl Upstream for Ways {
    fn attach<'a>(&'a self, _: &'a RoomId, _: &'a [u64]) -> BoxFuture<'a, Result<Way, String>> {
        Box::pin(async move { self.0.lock().pop().ok_or_else(|| "there is no other".to_owned()) })
    }
}

#[tokio::test]
async fn whatever_an_origin_says_breaks_nothing() {
    let event = |seq: u64| {
        let mut event = serde_json::to_value(&*sample()).expect("JSON");
        event["seq"] = json!(seq);
        bytes::Bytes::from(event.to_string())
    };
    let odd = |kind: &str, parts: &[bytes::Bytes]| Packet { parts: parts.to_vec(), ..head(kind) };
    for said in [
        head("{"),
        head(&format!(r#"{{"Attached":{{"last":{}}}}}"#, u64::MAX)),
        head(r#"{"Refused":{"words":"not you"}}"#),
        odd(r#""Events""#, &[event(u64::MAX)]),
        odd(r#""Events""#, &[event(7), event(7)]),
        odd(r#""Events""#, &[event(9), event(8)]),
        odd(r#""Events""#, &[]),
        odd(r#""Events""#, &["null".into()]),
        odd(r#"{"Notice":{"kind":"presence"}}"#, &[]),
        odd(r#"{"Answer":{"id":1,"reply":"Page"}}"#, &[event(1)]),
        odd(
            r#"{"Answer":{"id":1,"reply":{"Entered":{"seq":18446744073709551615,"has_mine":true,"has_lockstep":true,"members":1}}}}"#,
            &[],
        ),
    ] {
        let ((here, mut there), (next, mut again)) = (ends(), ends());
        let edge = node();
        edge.set_upstream(Arc::new(Ways(Mutex::new(vec![next, here]))), []);
        let asked = tokio::spawn({
            let edge = edge.clone();
            async move { edge.subscribe(room(), Start::From(1), None).await.map(drop) }
        });
        tokio::time::timeout(GENEROUS, there.receive.recv()).await.expect("in time").expect("it attaches");
        there.send.send(head(r#"{"Attached":{"last":3}}"#)).await.expect("it listens");
        tokio::time::timeout(GENEROUS, there.receive.recv()).await.expect("in time").expect("it asks");
        // It may have gone already, at what was said before.
        let _ = there.send.send(said.clone()).await;
        drop(there);
        let attached = tokio::time::timeout(GENEROUS, again.receive.recv()).await.expect("in time");
        assert!(attached.is_some(), "it goes on by the next way after {said:?}");
        asked.abort();
    }
}

fn sample() -> Arc<Event> {
    let json = json!({"room": "live:alice", "epoch": 1, "seq": 1, "id": Uuid::now_v7(), "lane": "chat", "type": "chat", "at": 1, "late": "show", "data": null});
    Arc::new(serde_json::from_value(json).expect("an event"))
}
