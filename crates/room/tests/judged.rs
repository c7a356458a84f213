//! Messages judged by somebody else: in their order, masked or refused, and nobody waits who has said nothing.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};
use unisono_base::{MediaTime, NodeClock, RoomId, Span, Tenant};
use unisono_hub::{Hub, Limits};
use unisono_room::{Judge, Rooms, RoomsLimits, Submitted, Verdict, View, Visitor, Waiting};
use unisono_store::{BoxFuture, MemoryLog};
use unisono_timeline::{At, Command, Person, Role, Status, Uuid, Verb};

const PATIENCE: Duration = Duration::from_secs(60);

/// Answers one question per permit; those asked first wait longest if `rude` is not among them.
struct Moderator(Semaphore);

impl Judge for Moderator {
    fn judge<'a>(&'a self, _: &'a RoomId, _: &'a str, _: &'a str, data: &'a Value) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            match data["text"].as_str() {
                Some("rude") => Verdict::Mask(json!({"text": "****"})),
                Some("vile") => Verdict::Refuse("not here".into()),
                _ => {
                    self.0.acquire().await.expect("open").forget();
                    Verdict::Allow
                }
            }
        })
    }
}

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
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

fn submit(rooms: &Rooms, who: &str, role: Role, command: Command) -> Waiting {
    let visitor = Visitor { person: Person { id: who.into(), name: None }, role };
    match rooms.submit(&room(), command, &visitor, View::default()).expect("taken") {
        Submitted::Waiting(waiting) => waiting,
        Submitted::Done(ack) => panic!("at once: {ack:?}"),
    }
}

fn say(rooms: &Rooms, who: &str, text: &str) -> Waiting {
    submit(rooms, who, Role::Member, command(Verb::Send, "chat", None, json!({"text": text})))
}

async fn come(waiting: Waiting) -> (Status, Option<u64>, Value) {
    let (ack, event) = timeout(PATIENCE, waiting.come()).await.expect("an answer").expect("carried out");
    (ack.status, ack.seq, event.map_or(Value::Null, |event| event.data.clone()))
}

#[tokio::test]
async fn messages_are_judged_in_their_order_and_votes_do_not_wait_for_them() {
    let clock = NodeClock::new(std::time::Instant::now(), MediaTime::from_micros(1_700_000_000_000_000));
    let rooms = Rooms::new(
        Hub::new(Limits::default()),
        Arc::new(MemoryLog::default()),
        clock,
        RoomsLimits::default(),
    );
    let judge = Arc::new(Moderator(Semaphore::new(0)));
    rooms.set_judge(Some(judge.clone()));
    let poll = json!({"question": "Tea?", "choices": ["yes", "no"]});
    let open = submit(&rooms, "host", Role::Host, command(Verb::Open, "poll", None, poll));
    let (opened, _) =
        timeout(PATIENCE, open.come()).await.expect("hosts are not judged").expect("carried out");

    let said = [say(&rooms, "ann", "first"), say(&rooms, "bob", "rude"), say(&rooms, "eve", "vile")];
    let vote = command(Verb::Enter, "poll", opened.id, json!({"choice": 1}));
    let vote = submit(&rooms, "ann", Role::Member, vote);
    assert_eq!(come(vote).await.0, Status::Accepted, "while the first message waits for its judge");
    assert_eq!(rooms.look(room()).await.expect("open").seq, 1, "nothing is said yet");

    judge.0.add_permits(1);
    let mut answers = Vec::new();
    for waiting in said {
        answers.push(come(waiting).await);
    }
    let expected = [
        (Status::Accepted, Some(2), json!({"text": "first"})),
        (Status::Accepted, Some(3), json!({"text": "****"})),
        (Status::Forbidden, None, json!(null)),
    ];
    assert_eq!(answers, expected, "in the order they were said, though the first was judged last");
    // A room closes with nobody left in it, whatever was asked.
    timeout(PATIENCE, rooms.close()).await.expect("it closes");
}
