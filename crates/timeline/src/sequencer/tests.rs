use super::*;
use proptest::prelude::*;
use serde_json::json;
use unisono_base::{Span, Tenant};

const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

fn moment(now: MediaTime) -> Moment {
    Moment { now, newest: Some(now), epoch: Some(Epoch(7)), random: [9; 10] }
}

fn event(lane: Lane, at: At) -> NewEvent {
    NewEvent { lane, at, ..NewEvent::new("goal", json!({})) }
}

/// Prepares and commits, as the room does with a log that never fails.
fn post(sequencer: &mut Sequencer, new: NewEvent, now: MediaTime) -> Result<Arc<Event>, Refused> {
    match sequencer.prepare(new, moment(now))? {
        Prepared::Known(event) => Ok(event),
        Prepared::New(entry) => {
            sequencer.commit(&entry);
            let Body::Event(event) = entry.body else { panic!("an event") };
            Ok(event)
        }
    }
}

#[test]
fn what_was_not_committed_never_was() {
    let mut sequencer = Sequencer::resume(room(), []);
    let first = sequencer.prepare(event(Lane::Poll, At::Now), moment(NOW));
    let again = sequencer.prepare(event(Lane::Poll, At::Now), moment(NOW));
    assert_eq!(first, again, "the log refused the first one");
    assert_eq!(post(&mut sequencer, event(Lane::Poll, At::Now), NOW).expect("valid").seq, 1);
}

#[test]
fn now_is_the_newest_frame_unless_the_publisher_is_away() {
    let sequencer = Sequencer::resume(room(), []);
    let at = |newest: Option<Span>| {
        let moment = Moment { newest: newest.map(|ago| NOW - ago), ..moment(NOW) };
        match sequencer.prepare(event(Lane::Poll, At::Now), moment) {
            Ok(Prepared::New(Entry { body: Body::Event(event), .. })) => event.at,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(at(Some(Span::from_millis(200))), NOW - Span::from_millis(200));
    assert_eq!(at(Some(Span::from_secs(31))), NOW);
    assert_eq!(at(None), NOW);
}

#[test]
fn at_is_limited_both_ways() {
    let mut sequencer = Sequencer::resume(room(), []);
    let mut at = |t| post(&mut sequencer, event(Lane::Poll, At::T(t)), NOW).map(|event| event.at);
    assert_eq!(at(NOW - Span::from_secs(30)), Ok(NOW - Span::from_secs(30)));
    assert_eq!(at(NOW + Span::from_secs(3_600)), Ok(NOW + Span::from_secs(3_600)));
    assert_eq!(at(NOW - Span::from_secs(31)), Err(Refused::TooOld(31)));
    assert_eq!(at(NOW + Span::from_secs(3_601)), Err(Refused::TooFarAhead(3_601)));
    assert!(matches!(at(MediaTime::from_micros(i64::MAX)), Err(Refused::TooFarAhead(_))));
    assert!(matches!(at(MediaTime::from_micros(i64::MIN)), Err(Refused::TooOld(_))));
}

#[test]
fn a_lane_moves_an_event_up_a_little_and_refuses_the_rest() {
    let mut sequencer = Sequencer::resume(room(), []);
    let later = NOW + Span::from_secs(4);
    post(&mut sequencer, event(Lane::Poll, At::T(later)), NOW).expect("valid");
    assert_eq!(post(&mut sequencer, event(Lane::Poll, At::Now), NOW).expect("moved").at, later);
    assert_eq!(post(&mut sequencer, event(Lane::Ad, At::Now), NOW).expect("own lane").at, NOW);
    let hour = NOW + Span::from_secs(3_600);
    post(&mut sequencer, event(Lane::Poll, At::T(hour)), NOW).expect("valid");
    let refused = post(&mut sequencer, event(Lane::Poll, At::Now), NOW).expect_err("an hour away");
    assert!(refused.to_string().contains("lane poll has an event at"), "{refused}");
}

#[test]
fn a_repeated_command_makes_one_event_also_after_a_restart() {
    let mut sequencer = Sequencer::resume(room(), []);
    let command = NewEvent { cmd_id: Some(Uuid::from_u128(1)), ..event(Lane::Poll, At::Now) };
    let Ok(Prepared::New(entry)) = sequencer.prepare(command.clone(), moment(NOW)) else { panic!("new") };
    sequencer.commit(&entry);
    let later = NOW + Span::from_secs(60);
    let again = post(&mut sequencer, command.clone(), later).expect("known");
    assert_eq!(Body::Event(again), entry.body);
    let mut restarted = Sequencer::resume(room(), [&entry]);
    assert_eq!(post(&mut restarted, command, later).expect("known").seq, 1);
    assert_eq!((restarted.last_n(), restarted.term()), (1, 2), "nothing new, a new incarnation");
}

#[test]
fn the_memory_of_commands_is_bounded() {
    let mut sequencer = Sequencer::resume(room(), []);
    for i in 0..2_000u128 {
        let command = NewEvent { cmd_id: Some(Uuid::from_u128(i)), ..event(Lane::Poll, At::Now) };
        post(&mut sequencer, command, NOW).expect("valid");
    }
    assert_eq!((sequencer.commands.len(), sequencer.command_order.len()), (COMMANDS_MAX, COMMANDS_MAX));
}

#[test]
fn an_id_is_a_uuid_of_version_7_with_the_time_in_front() {
    let mut sequencer = Sequencer::resume(room(), []);
    let id = post(&mut sequencer, event(Lane::Poll, At::Now), NOW).expect("valid").id;
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.as_u128() >> 80, 1_700_000_000_000);
}

proptest! {
    #[test]
    fn seq_is_gapless_and_at_never_decreases_in_a_lane(
        posts in proptest::collection::vec((0usize..Lane::ALL.len(), -40i64..4_000, 0i64..2_000), 1..200),
        restart_every in 1usize..50,
    ) {
        let mut log: Vec<Entry> = Vec::new();
        let mut sequencer = Sequencer::resume(room(), []);
        let mut now = NOW;
        for (i, (lane, at_s, passed_ms)) in posts.into_iter().enumerate() {
            now += Span::from_millis(passed_ms);
            let at = if at_s % 3 == 0 { At::Now } else { At::T(now + Span::from_secs(at_s)) };
            if let Ok(Prepared::New(entry)) = sequencer.prepare(event(Lane::ALL[lane], at), moment(now)) {
                sequencer.commit(&entry);
                log.push(entry);
            }
            if i % restart_every == 0 {
                sequencer = Sequencer::resume(room(), &log);
            }
        }
        let mut lanes = HashMap::new();
        for (i, entry) in log.iter().enumerate() {
            let Body::Event(event) = &entry.body else { panic!("an event") };
            prop_assert_eq!((entry.n, event.seq), (i as u64 + 1, i as u64 + 1));
            let last = lanes.insert(event.lane, event.at);
            prop_assert!(last <= Some(event.at), "lane {} went back", event.lane);
        }
    }
}
