use super::*;

fn alert(room: &mut Room, who: &Sender, text: &str) -> Ack {
    room.ask(who, Verb::Send, "alert", None, json!({"text": text}))
}

#[test]
fn alerts_are_shown_one_after_the_other() {
    let mut room = Room::new();
    let first = alert(&mut room, &host(), "one");
    let second = alert(&mut room, &host(), "two");
    let third = alert(&mut room, &host(), "three");
    assert_eq!((first.seq, second.seq, second.n), (Some(1), None, Some(2)), "what waits has no seq");
    room.restart();
    room.pass(secs(7.9));
    assert_eq!(room.types_told(), ["alert"]);
    room.pass(secs(0.2));
    let shown = room.last();
    assert_eq!(
        (Some(shown.id), &shown.data, shown.at),
        (second.id, &json!({"text": "two"}), NOW + secs(8.0))
    );
    room.restart();
    room.pass(secs(60.0));
    assert_eq!(Some(room.last().id), third.id);
    assert_eq!(room.sequencer.poll_timeout(), None, "nothing waits");
    let fresh = alert(&mut room, &host(), "four");
    assert_eq!(fresh.seq, Some(4), "the last one's time is over");
}

#[test]
fn what_waits_can_be_taken_back_and_what_is_shown_ended() {
    let mut room = Room::new();
    let first = alert(&mut room, &host(), "one");
    let second = alert(&mut room, &host(), "two");
    let third = alert(&mut room, &host(), "three");
    let no = room.ask(&member("ann"), Verb::Cancel, "alert", second.id, json!(null));
    assert_eq!(no.status, Status::Forbidden);
    let gone = room.ask(&host(), Verb::Cancel, "alert", second.id, json!(null));
    assert_eq!((gone.status, gone.seq), (Status::Accepted, None), "nobody saw it, nobody hears of it");
    let ended = room.ask(&host(), Verb::Cancel, "alert", first.id, json!(null));
    assert_eq!(ack_event(&room, &ended).cancels, first.id);
    room.restart();
    room.pass(Span::ZERO);
    assert_eq!(Some(room.last().id), third.id, "its turn has come at once");
}

#[test]
fn a_queue_has_an_end() {
    let mut room = Room::new();
    for i in 0..101 {
        assert_eq!(alert(&mut room, &host(), &i.to_string()).status, Status::Accepted);
    }
    let full = alert(&mut room, &host(), "one more");
    assert!(full.status == Status::Invalid && full.words.expect("words").contains("100"));
    assert_eq!(room.sequencer.snapshot().queues[0].waiting, 100);
}
