use super::*;
use crate::{Event, Seen};
use uuid::{NoContext, Timestamp};

fn free(room: &mut Room, lane: Lane, at: At) -> Ack {
    let command = room.command(Verb::Send, "free", None, json!({}));
    room.handle(Command { lane: Some(lane), at, ..command }, &host())
}

fn at_of(room: &Room, ack: &Ack) -> MediaTime {
    ack_event(room, ack).at
}

fn words(ack: &Ack) -> &str {
    ack.words.as_deref().unwrap_or_default()
}

#[test]
fn now_is_the_newest_frame_unless_the_publisher_is_away() {
    let at = |newest: Option<Span>| {
        let mut room = Room::new();
        let moment = Moment { newest: newest.map(|ago| NOW - ago), ..room.moment() };
        let command = room.command(Verb::Send, "free", None, json!({}));
        room.sequencer.handle_command(command, &host(), moment);
        match &room.sequencer.take_entries()[0].body {
            Body::Event(event) => event.at,
            Body::Hidden(hidden) => panic!("{hidden:?}"),
        }
    };
    assert_eq!(at(Some(Span::from_millis(200))), NOW - Span::from_millis(200));
    assert_eq!(at(Some(Span::from_secs(31))), NOW);
    assert_eq!(at(None), NOW);
}

#[test]
fn at_is_limited_both_ways() {
    let mut room = Room::new();
    let far = free(&mut room, Lane::Poll, At::T(NOW - Span::from_secs(30)));
    assert_eq!(at_of(&room, &far), NOW - Span::from_secs(30));
    let far = free(&mut room, Lane::Poll, At::T(NOW + Span::from_secs(3_600)));
    assert_eq!(at_of(&room, &far), NOW + Span::from_secs(3_600));
    for (at, said) in [
        (NOW - Span::from_secs(31), "31 s in the past"),
        (NOW + Span::from_secs(3_601), "3601 s ahead"),
        (MediaTime::from_micros(i64::MAX), "ahead"),
        (MediaTime::from_micros(i64::MIN), "past"),
    ] {
        let ack = free(&mut room, Lane::Ad, At::T(at));
        assert!(ack.status == Status::Invalid && words(&ack).contains(said), "{ack:?}");
    }
}

#[test]
fn a_lane_moves_an_event_up_a_little_and_refuses_the_rest() {
    let mut room = Room::new();
    let later = NOW + Span::from_secs(4);
    free(&mut room, Lane::Poll, At::T(later));
    let moved = free(&mut room, Lane::Poll, At::Now);
    assert_eq!(at_of(&room, &moved), later);
    let own = free(&mut room, Lane::Ad, At::Now);
    assert_eq!(at_of(&room, &own), NOW);
    free(&mut room, Lane::Poll, At::T(NOW + Span::from_secs(3_600)));
    let refused = free(&mut room, Lane::Poll, At::Now);
    assert!(words(&refused).contains("lane poll has an event at"), "{refused:?}");
}

#[test]
fn a_repeated_command_does_nothing_also_after_a_restart() {
    let mut room = Room::new();
    let command = room.command(Verb::Send, "chat", None, json!({"text": "hi"}));
    let first = room.handle(command.clone(), &member("ann"));
    let again = room.handle(command.clone(), &member("ann"));
    assert_eq!(again, Ack { status: Status::Duplicate, ..first.clone() });
    room.restart();
    assert_eq!(room.handle(command, &member("ann")), again);
    assert_eq!((room.log.len(), room.sequencer.term()), (1, 1), "nothing new, a new incarnation");
    assert_eq!(Ack::of(&room.log[0]), Some(first));
    assert_eq!(Ack::again(&room.log[0]), Some(again));
}

#[test]
fn the_memory_of_commands_is_bounded() {
    let mut room = Room::new();
    for _ in 0..70_000 {
        free(&mut room, Lane::Poll, At::Now);
        room.log.clear();
    }
    assert_eq!(room.sequencer.state.commands.len(), 65_536);
}

#[test]
fn whatever_an_id_claims_of_its_time_a_forgotten_command_is_looked_up() {
    let mut room = Room::new();
    let id = |seconds: u64| Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0));
    let now = NOW.as_micros() as u64 / 1_000_000;
    let (future, mine, nameless) = (id(now + 3_600), id(now), Uuid::from_u128(7));
    assert!(!room.sequencer.may_have_forgotten(nameless), "nothing has been forgotten yet");
    let mut say = |cmd_id| {
        let command = Command { cmd_id, ..room.command(Verb::Send, "chat", None, json!({"text": "hi"})) };
        assert_eq!(room.handle(command, &member("ann")).status, Status::Accepted);
        room.log.clear();
    };
    say(future);
    (0..65_536u128).for_each(|n| say(Uuid::from_u128(1 << 100 | n)));
    for unknown in [future, mine, id(now + 3_599), nameless] {
        assert!(room.sequencer.may_have_forgotten(unknown), "{unknown}");
    }
    assert!(
        !room.sequencer.may_have_forgotten(id(now + 3_601)),
        "claims to be newer than all that were forgotten"
    );
    assert!(!room.sequencer.may_have_forgotten(Uuid::from_u128(1 << 100 | 9)), "remembered");
}

#[test]
fn an_id_is_a_uuid_of_version_7_and_no_two_of_a_batch_are_equal() {
    let mut room = Room::new();
    let ids: Vec<Uuid> = (0..3).filter_map(|_| free(&mut room, Lane::Poll, At::Now).id).collect();
    assert!(ids.iter().all(|id| id.get_version_num() == 7 && id.as_u128() >> 80 == 1_700_000_000_000));
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "one moment's seed serves a batch");
}

#[test]
fn chat_stands_at_the_frame_its_sender_saw_within_what_can_have_been_seen() {
    let at = |claim: Span, said: At| {
        let mut room = Room::new();
        let mut who = member("ann");
        who.witness.claimed = Some(Seen { t: NOW + claim, seq: None });
        let command = room.command(Verb::Send, "chat", None, json!({"text": "hi"}));
        let ack = room.handle(Command { at: said, ..command }, &who);
        at_of(&room, &ack) - NOW
    };
    assert_eq!(at(secs(-0.3), At::Now), secs(-0.3));
    assert_eq!(at(secs(-60.0), At::Now), secs(-0.5), "half a second may wait in a player");
    assert_eq!(at(secs(60.0), At::Now), Span::ZERO);
    assert_eq!(at(secs(-0.3), At::T(NOW + secs(9.0))), secs(-0.3), "a member does not say when");
}

#[test]
fn a_slow_viewer_is_not_refused_for_what_fast_ones_said() {
    let mut room = Room::new();
    let send = |room: &mut Room, behind: f64| {
        let mut who = member("ann");
        who.witness.buffer = secs(20.0);
        who.witness.claimed = Some(Seen { t: NOW - secs(behind), seq: None });
        let command = room.command(Verb::Send, "chat", None, json!({"text": "hi"}));
        let ack = room.handle(command, &who);
        at_of(room, &ack)
    };
    assert_eq!(send(&mut room, 0.0), NOW);
    assert_eq!(send(&mut room, 15.0), NOW, "moved up to what the lane has");
}

#[test]
fn a_reply_is_never_before_its_message() {
    let mut room = Room::new();
    let first = free(&mut room, Lane::Alert, At::T(NOW + secs(4.0)));
    let reply = room.ask(&member("ann"), Verb::Send, "chat", first.id, json!({"text": "wow"}));
    assert_eq!(at_of(&room, &reply), NOW + secs(4.0));
    let far = free(&mut room, Lane::Ad, At::T(NOW + secs(600.0)));
    let early = room.ask(&member("ann"), Verb::Send, "chat", far.id, json!({"text": "wow"}));
    assert!(words(&early).contains("not taken place"), "chat would stand still: {early:?}");
    let unknown = room.ask(&member("ann"), Verb::Send, "chat", Some(Uuid::nil()), json!({"text": "wow"}));
    assert!(words(&unknown).contains("16384"), "{unknown:?}");
}

#[test]
fn what_is_open_is_not_held_up_by_what_is_scheduled() {
    let mut room = Room::new();
    let poll = room.open("poll", json!({"question": "?", "choices": ["a", "b"]}));
    let far = free(&mut room, Lane::Poll, At::T(NOW + Span::from_secs(3_600)));
    assert!(words(&far).contains("open window"), "{far:?}");
    free(&mut room, Lane::Poll, At::T(NOW + secs(4.0)));
    room.pass(Span::from_secs(60));
    let decided: Arc<Event> = room.last();
    assert_eq!((decided.ty.as_str(), decided.subject), ("poll.decided", Some(poll)));
    assert_eq!(
        decided.at,
        NOW + secs(37.3),
        "a second after the last vote has arrived, so that it is told ahead"
    );
    let far = free(&mut room, Lane::Poll, At::T(NOW + Span::from_secs(3_600)));
    assert_eq!(far.status, Status::Accepted, "nothing is open any more");
}

#[test]
fn a_payment_is_never_refused_by_a_lane() {
    let mut room = Room::new();
    free(&mut room, Lane::Auction, At::T(NOW + secs(4.0)));
    let mugs = room.open("drop", json!({"quantity": 1}));
    let mut slow = member("ann");
    slow.witness.buffer = secs(20.0);
    slow.witness.claimed = Some(Seen { t: NOW - secs(20.0), seq: None });
    let taken = room.ask(&slow, Verb::Enter, "drop", Some(mugs), json!({}));
    assert_eq!(at_of(&room, &taken), NOW + secs(4.0));
    let paid = room.ask(&host(), Verb::Confirm, "drop", taken.id, json!({}));
    assert_eq!(at_of(&room, &paid), NOW + secs(4.0));
}
