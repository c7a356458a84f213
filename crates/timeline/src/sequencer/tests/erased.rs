//! Erased while something is open: nobody takes part twice, and what is gone does not come back.

use super::*;
use crate::Rule;

/// As the room does it: remembered first, then gone from the log, then from memory.
fn erase(room: &mut Room, id: &str) {
    let moment = room.moment();
    room.sequencer.remember_person(id, moment);
    room.log.extend(room.sequencer.take_entries());
    for entry in &mut room.log {
        match &mut entry.body {
            Body::Event(event) if event.actor.as_ref().is_some_and(|actor| &*actor.id == id) => {
                let event = Arc::make_mut(event);
                // What is counted is known by a digest; any id that nobody has stands for it here.
                event.actor =
                    event.rule.is_some().then(|| Person { id: format!("erased {id}").into(), name: None });
                event.data = Value::Null;
            }
            Body::Hidden(hidden) if hidden.person.as_ref().is_some_and(|person| &*person.id == id) => {
                let hidden = Arc::make_mut(hidden);
                hidden.person = Some(Person { id: format!("erased {id}").into(), name: None });
                hidden.data = Value::Null;
            }
            Body::Event(_) | Body::Hidden(_) => {}
        }
    }
    room.sequencer.forget_person(id, Some(&format!("erased {id}").into()), moment);
    room.log.extend(room.sequencer.take_entries());
}

fn resumed(room: &Room) -> Sequencer {
    let mut resumed = ask::new_sequencer();
    room.log.iter().for_each(|entry| resumed.apply(entry));
    resumed.begin_term();
    resumed
}

fn remembered(room: &Room) -> Vec<(u64, Value)> {
    let entries = room.log.iter().filter_map(|entry| match &entry.body {
        Body::Hidden(hidden) if matches!(hidden.rule, Rule::Remembered(_)) => {
            Some((entry.n, hidden.data.clone()))
        }
        Body::Hidden(_) | Body::Event(_) => None,
    });
    entries.collect()
}

#[test]
fn whoever_was_erased_does_not_vote_again_across_a_restart_until_it_is_over() {
    for restarts in [false, true] {
        let mut room = Room::new();
        let poll = room.open("poll", json!({"question": "Tea?", "choices": ["yes", "no"]}));
        for who in ["ann", "bob"] {
            let ack = room.ask(&member(who), Verb::Enter, "poll", Some(poll), json!({"choice": 0}));
            assert_eq!(ack.status, Status::Accepted);
        }
        erase(&mut room, "ann");
        erase(&mut room, "nobody");
        let kept = remembered(&room);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(!format!("{:?}", room.log).contains("\"ann\""), "only by digest");
        if restarts {
            room.sequencer = resumed(&room);
        }
        let again = room.ask(&member("ann"), Verb::Enter, "poll", Some(poll), json!({"choice": 1}));
        assert_eq!(again.status, Status::Invalid, "{again:?}");
        assert!(again.words.is_some_and(|words| words.contains("taken part")));
        let changed = room.ask(&member("bob"), Verb::Enter, "poll", Some(poll), json!({"choice": 1}));
        assert_eq!(changed.status, Status::Accepted, "nobody else is concerned");
        assert!(room.sequencer.needs_salt(kept[0].0) && room.sequencer.outdated_salts().is_empty());
        assert!(room.sequencer.undecided().0.contains_key(&poll));

        room.pass(secs(60.0));
        let Some(Rule::Decided(outcome)) = room.last().rule.clone() else { panic!("decided") };
        assert_eq!((outcome.entries, outcome.result), (2, crate::Decision::Tally { counts: vec![1, 1] }));
        assert_eq!(room.sequencer.outdated_salts(), [kept[0].0], "its salt is to go");
        room.sequencer.forget_salt(kept[0].0);
        assert!(room.sequencer.outdated_salts().is_empty() && !room.sequencer.needs_salt(kept[0].0));
    }
}

#[test]
fn whoever_was_erased_takes_no_second_unit_and_one_salt_serves_all() {
    let mut room = Room::new();
    let drop = room.open("drop", json!({"title": "shirt", "quantity": 5}));
    for who in ["ann", "bob"] {
        assert_eq!(
            room.ask(&member(who), Verb::Enter, "drop", Some(drop), json!({})).status,
            Status::Accepted
        );
        erase(&mut room, who);
    }
    let kept = remembered(&room);
    assert_eq!((kept.len(), &kept[0].1), (2, &kept[1].1), "one salt");
    room.sequencer = resumed(&room);
    for (who, status) in [("ann", Status::Invalid), ("bob", Status::Invalid), ("eve", Status::Accepted)] {
        assert_eq!(
            room.ask(&member(who), Verb::Enter, "drop", Some(drop), json!({})).status,
            status,
            "{who}"
        );
    }
    assert_eq!(room.ask(&host(), Verb::Close, "drop", Some(drop), json!(null)).status, Status::Accepted);
    assert!(room.sequencer.outdated_salts().is_empty(), "units are held still");
    room.pass(secs(600.0));
    assert_eq!(room.sequencer.outdated_salts(), [kept[0].0, kept[1].0]);
}

#[test]
fn an_erased_value_does_not_let_its_predecessor_stand_after_a_restart() {
    let mut room = Room::new();
    let score = |room: &mut Room, team: &str, goals: u32| {
        let ack = room.ask(&host(), Verb::Send, "goals", None, json!({"team": team, "goals": goals}));
        ack_event(room, &ack).id
    };
    score(&mut room, "home", 1);
    score(&mut room, "away", 3);
    let middle = score(&mut room, "home", 2);
    let newest = score(&mut room, "home", 4);
    // The middle one first, so that two of a chain are gone.
    for id in [middle, newest] {
        for entry in &mut room.log {
            if let Body::Event(event) = &mut entry.body
                && event.id == id
            {
                Arc::make_mut(event).data = Value::Null;
            }
        }
        let moment = room.moment();
        room.sequencer.forget_payload(id, moment);
    }
    let standing = |sequencer: &Sequencer| -> Vec<Value> {
        sequencer.snapshot().latest.iter().map(|event| event.data.clone()).collect()
    };
    let left = [json!({"team": "away", "goals": 3})];
    assert_eq!(standing(&room.sequencer), left);
    assert_eq!(standing(&resumed(&room)), left, "as in memory");
}
