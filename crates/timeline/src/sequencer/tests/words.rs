use super::*;

fn refused(
    room: &mut Room,
    who: &Sender,
    verb: Verb,
    ty: &str,
    subject: Option<Uuid>,
    data: Value,
) -> (Status, String) {
    let before = room.log.len();
    let ack = room.ask(who, verb, ty, subject, data);
    assert_eq!(room.log.len(), before, "a refusal writes nothing: {ack:?}");
    (ack.status, ack.words.unwrap_or_default())
}

#[test]
fn only_an_author_or_a_moderator_changes_a_message_and_only_the_standing_one() {
    let mut room = Room::new();
    let text = |text: &str| json!({"text": text});
    let first = room.ask(&member("ann"), Verb::Send, "chat", None, text("helo"));
    let (status, _) = refused(&mut room, &member("bob"), Verb::Amend, "chat", first.id, text("no"));
    assert_eq!(status, Status::Forbidden);
    let second = room.ask(&member("ann"), Verb::Amend, "chat", first.id, text("hello"));
    assert_eq!(ack_event(&room, &second).supersedes, first.id);
    let (_, words) = refused(&mut room, &member("ann"), Verb::Amend, "chat", first.id, text("x"));
    assert!(words.contains("was replaced by"), "{words}");
    let gone = room.ask(
        &Sender { role: Role::Moderator, ..member("mod") },
        Verb::Cancel,
        "chat",
        second.id,
        json!(null),
    );
    let event = ack_event(&room, &gone);
    assert_eq!((event.ty.as_str(), event.cancels), ("chat.cancelled", second.id));
    let (_, words) = refused(&mut room, &member("ann"), Verb::Cancel, "chat", second.id, json!(null));
    assert!(words.contains("taken back"), "{words}");
    assert_eq!(room.sequencer.snapshot().cancelled, [second.id.expect("an id")]);
    let (_, words) = refused(&mut room, &host(), Verb::Cancel, "question", first.id, json!(null));
    assert!(words.contains("is a chat"), "{words}");
    room.restart();
}

#[test]
fn data_that_does_not_fit_is_refused_with_the_place() {
    let mut room = Room::new();
    let (status, words) = refused(&mut room, &member("ann"), Verb::Send, "chat", None, json!({"text": 5}));
    assert_eq!(status, Status::Invalid);
    assert!(words.starts_with("data/text: "), "{words}");
    let long = json!({"text": "x".repeat(1_100)});
    let (_, words) = refused(&mut room, &member("ann"), Verb::Send, "chat", None, long);
    assert!(words.contains("1024"), "{words}");
}

#[test]
fn roles_and_classes_are_kept() {
    let mut room = Room::new();
    let guest = Sender { role: Role::Guest, ..member("gus") };
    let is = |room: &mut Room, who: &Sender, verb, ty: &str, data| refused(room, who, verb, ty, None, data);
    let (status, words) = is(&mut room, &guest, Verb::Send, "chat", json!({"text": "hi"}));
    assert!(status == Status::Forbidden && words.contains("member"), "{words}");
    assert_eq!(is(&mut room, &host(), Verb::Send, "purchase", json!({})).0, Status::Forbidden);
    assert_eq!(is(&mut room, &member("ann"), Verb::Send, "free", json!({})).0, Status::Forbidden);
    assert_eq!(
        is(&mut room, &member("ann"), Verb::Open, "poll", json!({"choices": ["a", "b"]})).0,
        Status::Forbidden
    );
    let (_, words) = is(&mut room, &host(), Verb::Open, "chat", json!({"text": "hi"}));
    assert!(words.contains("class log") && words.contains("send, amend, cancel"), "{words}");
    let (_, words) = is(&mut room, &guest, Verb::Send, "reaction", json!({"emoji": "+"}));
    assert!(words.contains("counted"), "{words}");
    let (_, words) = is(&mut room, &host(), Verb::Open, "free", json!({}));
    assert!(words.contains("not registered"), "{words}");
    let (_, words) = is(&mut room, &host(), Verb::Send, "Free", json!({}));
    assert!(words.contains("a-z"), "{words}");
}

#[test]
fn the_last_value_of_each_key_stands() {
    let mut room = Room::new();
    let goals = |team: &str, goals: u32| json!({"team": team, "goals": goals});
    room.ask(&host(), Verb::Send, "goals", None, goals("red", 1));
    let second = room.ask(&host(), Verb::Send, "goals", None, goals("red", 2));
    room.ask(&host(), Verb::Send, "goals", None, goals("blue", 1));
    let standing = |room: &Room| -> Vec<Value> {
        room.sequencer.snapshot().latest.iter().map(|event| event.data.clone()).collect()
    };
    assert_eq!(standing(&room), [goals("blue", 1), goals("red", 2)]);
    room.ask(&host(), Verb::Amend, "goals", second.id, goals("red", 3));
    assert_eq!(standing(&room), [goals("blue", 1), goals("red", 3)]);
    let third = room.last();
    room.ask(&host(), Verb::Cancel, "goals", Some(third.id), json!({"team": "red"}));
    assert_eq!(standing(&room), [goals("blue", 1)]);
    let (_, words) = refused(&mut room, &host(), Verb::Send, "goals", None, json!({}));
    assert!(words.contains("data/team"), "{words}");
    for i in 0..1_023 {
        assert_eq!(
            room.ask(&host(), Verb::Send, "goals", None, goals(&i.to_string(), 0)).status,
            Status::Accepted
        );
    }
    let (_, words) = refused(&mut room, &host(), Verb::Send, "goals", None, goals("one more", 0));
    assert!(words.contains("1024"), "{words}");
    room.restart();
}
