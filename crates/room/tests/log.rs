//! A room's log in others' hands: what an export keeps back, what an erasure takes, where a trimmed log goes on.

use serde_json::{Value, json};
use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use unisono_base::{MediaTime, NodeClock, RoomId, Span, Tenant};
use unisono_hub::{Hub, Limits};
use unisono_room::{Erase, Keeper, Rooms, RoomsLimits, View, Visitor};
use unisono_store::{MemoryKv, MemoryLog, Retention, RoomLog};
use unisono_timeline::{
    Ack, At, Body, Command, Decision, Entry, Event, Person, Role, Rule, Status, Uuid, Verb,
    audit::{Report, Signer, Verifier},
};

const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);
/// One for all lives of a room.
static CLOCK: LazyLock<NodeClock> = LazyLock::new(|| NodeClock::new(Instant::now(), NOW));
const PATIENCE: Duration = Duration::from_secs(60);

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

/// Rooms over a log that outlives them.
async fn open(log: &Arc<MemoryLog>) -> Arc<Rooms> {
    let hub = Hub::new(Limits::default());
    let clock = CLOCK.clone();
    let signer = Arc::new(Signer::from_seed(&[5; 32]).expect("32 bytes"));
    let keeper = Keeper::new(Arc::new(MemoryKv::default()));
    Rooms::open(hub, log.clone(), clock, (keeper, signer), RoomsLimits::default()).await.expect("opens")
}

fn command(verb: Verb, ty: &str, subject: Option<Uuid>, data: Value) -> Command {
    Command {
        cmd_id: Uuid::now_v7(),
        ty: ty.to_owned(),
        verb,
        lane: None,
        at: At::Now,
        dur: (verb == Verb::Open).then_some(Span::from_secs(60)),
        ttl: None,
        late: None,
        subject,
        data,
    }
}

async fn carry_out(rooms: &Rooms, who: &str, command: Command) -> Ack {
    let role = if who == "host" { Role::Host } else { Role::Bidder };
    let visitor = Visitor { person: Person { id: who.into(), name: None }, role };
    rooms.command(room(), command, &visitor, View::default()).await.expect("answered").0
}

async fn ask(rooms: &Rooms, who: &str, command: Command) -> Ack {
    let ack = carry_out(rooms, who, command).await;
    assert_eq!(ack.status, Status::Accepted, "{ack:?}");
    ack
}

async fn poll(rooms: &Rooms) -> Uuid {
    let terms = json!({"l_max": 200_000, "l_min": 100_000, "uplink": 100_000});
    let data = json!({"question": "Tea?", "choices": ["yes", "no"], "terms": terms});
    ask(rooms, "host", command(Verb::Open, "poll", None, data)).await.id.expect("an event")
}

async fn vote(rooms: &Rooms, who: &str, poll: Uuid, choice: u32) -> u64 {
    let enter = command(Verb::Enter, "poll", Some(poll), json!({"choice": choice}));
    ask(rooms, who, enter).await.n.expect("written")
}

async fn chat(rooms: &Rooms, who: &str) {
    ask(rooms, who, command(Verb::Send, "chat", None, json!({"text": format!("{who} says so")}))).await;
}

async fn export(rooms: &Rooms) -> String {
    let mut export = rooms.export(&room()).await.expect("readable").expect("signed");
    let mut text = String::new();
    while let Some(lines) = export.next().await {
        text.push_str(&lines.expect("readable"));
    }
    text
}

fn verify(text: &str) -> Report {
    let signer = Signer::from_seed(&[5; 32]).expect("32 bytes");
    let mut verifier = Verifier::new(Some(signer.public()));
    text.lines().for_each(|line| verifier.line(line));
    verifier.finish()
}

async fn entries(log: &MemoryLog) -> Vec<Entry> {
    let page = log.read(&room(), 1, 10_000).await.expect("readable");
    page.entries.into_iter().map(|sealed| sealed.entry).collect()
}

/// The first event that `wanted` finds, whenever it comes.
async fn event<T>(log: &MemoryLog, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let found = entries(log).await.iter().find_map(|entry| match &entry.body {
                Body::Event(event) => wanted(event),
                Body::Hidden(_) => None,
            });
            match found {
                Some(found) => return found,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, found).await.expect("it comes")
}

async fn decided(log: &MemoryLog) -> Decision {
    event(log, |event| match &event.rule {
        Some(Rule::Decided(outcome)) => Some(outcome.result.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn secrets_of_an_open_window_are_in_no_export_until_it_is_decided() {
    let log = Arc::new(MemoryLog::default());
    let rooms = open(&log).await;
    chat(&rooms, "ann").await;
    let poll = poll(&rooms).await;
    for (who, choice) in [("ann", 1), ("bob", 0), ("eve", 1)] {
        vote(&rooms, who, poll, choice).await;
        chat(&rooms, who).await;
    }
    vote(&rooms, "eve", poll, 0).await;
    let committed = entries(&log).await.into_iter().find_map(|entry| match &entry.body {
        Body::Hidden(hidden) => match &hidden.rule {
            Rule::Committed(committed) => committed.seed.clone(),
            _ => None,
        },
        Body::Event(_) => None,
    });
    let seed = committed.expect("a seed");
    let running = export(&rooms).await;
    let report = verify(&running);
    assert_eq!((report.bad.as_ref(), report.withheld, report.hidden), (None, 5, 0), "{report}");
    assert!(!running.contains(&seed) && !running.contains("\"value\""), "neither seed nor votes");
    assert!(report.to_string().contains("withheld 5 entries"), "{report}");
    assert!(running.contains("eve says so"), "what is told is there");
    // Without the signatures around them anything could have been in their place.
    let lines: Vec<&str> = running.lines().collect();
    let marks = (0..lines.len()).filter(|at| lines[*at].starts_with("{\"checkpoint\""));
    for at in marks {
        let mut bent = lines.clone();
        bent.remove(at);
        // Between two withheld ones it says no more than the one behind both.
        let is_withheld = |at: usize| lines[at].starts_with("{\"withheld\"");
        let is_needed = is_withheld(at - 1) != is_withheld(at + 1);
        assert_eq!(verify(&bent.join("\n")).bad.is_some(), is_needed, "line {at}");
    }

    ask(&rooms, "host", command(Verb::Close, "poll", Some(poll), json!(null))).await;
    assert_eq!(decided(&log).await, Decision::Tally { counts: vec![2, 1] });
    let after = export(&rooms).await;
    let report = verify(&after);
    assert_eq!((report.bad.as_ref(), report.withheld, report.hidden), (None, 0, 5), "{report}");
    assert!(after.contains(&seed));
    // Nobody can go on withholding what a result rests on.
    let is_vote = |line: &&str| line.contains("\"choice\":1");
    let vote = after.lines().find(is_vote).expect("a vote");
    let n = &vote[..vote.find(",\"hash\"").expect("its hash")]["{\"entry\":{\"n\":".len()..];
    let withheld = format!("{{\"withheld\":{{\"n\":{n},\"window\":\"{poll}\"}}}}");
    assert!(verify(&after.replace(vote, &withheld)).bad.is_some());
}

#[tokio::test]
async fn whoever_is_erased_while_a_window_is_open_counts_alike_for_room_restarted_room_and_verifier() {
    for restarts in [false, true] {
        let log = Arc::new(MemoryLog::default());
        let mut rooms = open(&log).await;
        let poll = poll(&rooms).await;
        vote(&rooms, "ann", poll, 1).await;
        vote(&rooms, "ann", poll, 0).await;
        vote(&rooms, "bob", poll, 1).await;
        chat(&rooms, "ann").await;
        assert_eq!(rooms.erase(&room(), Erase::Person { id: "ann".into() }).await, Ok(3));
        if restarts {
            rooms.close().await;
            rooms = open(&log).await;
        }
        // Her last vote stays, whoever she was; coming back she is not let in again.
        let enter = command(Verb::Enter, "poll", Some(poll), json!({"choice": 1}));
        let again = carry_out(&rooms, "ann", enter).await;
        assert_eq!(again.status, Status::Invalid, "restarted: {restarts}: {again:?}");
        let running = export(&rooms).await;
        assert_eq!(verify(&running).bad, None);
        assert!(!running.contains("remembered"), "nobody can try who it was");
        ask(&rooms, "host", command(Verb::Close, "poll", Some(poll), json!(null))).await;
        assert_eq!(decided(&log).await, Decision::Tally { counts: vec![1, 1] }, "restarted: {restarts}");
        let text = export(&rooms).await;
        let report = verify(&text);
        // Three of hers, and the salt of what kept her out.
        assert_eq!((report.bad.as_ref(), report.erased_count), (None, 4), "restarted: {restarts}: {report}");
        assert!(!text.contains("ann says so") && text.contains("remembered"));
    }
}

#[tokio::test]
async fn an_erased_alert_is_gone_where_it_was_shown_and_is_not_shown_where_it_waits() {
    let log = Arc::new(MemoryLog::default());
    let rooms = open(&log).await;
    let alert = |text: &str| {
        let send = command(Verb::Send, "alert", None, json!({"text": text}));
        Command { dur: Some(Span::from_millis(100)), ..send }
    };
    ask(&rooms, "host", Command { dur: Some(Span::from_secs(2)), ..alert("first") }).await;
    let second = ask(&rooms, "host", alert("second")).await;
    let third = ask(&rooms, "host", alert("third")).await;
    ask(&rooms, "host", alert("fourth")).await;
    assert_eq!(rooms.erase(&room(), Erase::Payload { n: third.n.expect("waits") }).await, Ok(1));
    event(&log, |event| (event.data == json!({"text": "fourth"})).then_some(())).await;
    let events = entries(&log).await.into_iter().filter_map(|entry| match entry.body {
        Body::Event(event) => Some(event.data.clone()),
        Body::Hidden(_) => None,
    });
    let texts: Vec<_> = events.collect();
    assert_eq!(texts, [json!({"text": "first"}), json!({"text": "second"}), json!({"text": "fourth"})]);
    // Both entries that say it, and the room as newcomers see it.
    assert_eq!(rooms.erase(&room(), Erase::Payload { n: second.n.expect("waited") }).await, Ok(2));
    let standing = rooms.look(room()).await.expect("open").standing;
    let log = export(&rooms).await;
    assert_eq!(verify(&log).bad, None);
    let text = log + &String::from_utf8_lossy(&standing);
    assert!(!text.contains("second") && !text.contains("third") && text.contains("fourth"));
}

#[tokio::test]
async fn what_newcomers_are_shown_forgets_with_the_log() {
    let log = Arc::new(MemoryLog::default());
    let rooms = open(&log).await;
    poll(&rooms).await;
    let score =
        ask(&rooms, "host", command(Verb::Send, "score", None, json!({"home": "secret-score"}))).await;
    let standing = || async { rooms.look(room()).await.expect("open").standing };
    assert!(String::from_utf8_lossy(&standing().await).contains("secret-score"));
    rooms.erase(&room(), Erase::Payload { n: score.n.expect("written") }).await.expect("erased");
    assert!(!String::from_utf8_lossy(&standing().await).contains("secret-score"));
    rooms.erase(&room(), Erase::Person { id: "host".into() }).await.expect("erased");
    let after = standing().await;
    assert!(!String::from_utf8_lossy(&after).contains("Tea?"));
    rooms.close().await;
    let again = open(&log).await.look(room()).await.expect("open").standing;
    assert_eq!(again, after, "as if it had been read from what is left");
}

#[tokio::test]
async fn a_room_goes_on_behind_a_log_of_which_nothing_is_kept() {
    let log = Arc::new(MemoryLog::default());
    let rooms = open(&log).await;
    for _ in 0..5 {
        chat(&rooms, "ann").await;
    }
    rooms.close().await;
    let keep = Retention { entries_max: Some(0), ..Retention::default() };
    assert_eq!(log.retain(&room(), keep).await, Ok(5));
    let rooms = open(&log).await;
    let chat = command(Verb::Send, "chat", None, json!({"text": "still here"}));
    let ack = ask(&rooms, "ann", chat).await;
    assert_eq!((ack.n, ack.seq), (Some(6), Some(6)));
    let term = entries(&log).await[0].term;
    assert_eq!(term, 2, "a new incarnation, not the first again");
    assert_eq!(verify(&export(&rooms).await).bad, None);
}
