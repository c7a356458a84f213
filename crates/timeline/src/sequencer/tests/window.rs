use super::*;
use crate::{Decision, Event, Outcome, Seen};

fn poll() -> Value {
    json!({"question": "?", "choices": ["a", "b", "c"]})
}

fn choose(room: &mut Room, who: &str, ty: &str, window: Uuid, choice: i64) -> Ack {
    room.ask(&member(who), Verb::Enter, ty, Some(window), json!({"choice": choice}))
}

fn bid(room: &mut Room, who: &str, ty: &str, window: Uuid, amount: i64) -> Ack {
    room.ask(&member(who), Verb::Enter, ty, Some(window), json!({"amount": amount}))
}

fn outcome(room: &Room) -> Outcome {
    let told = room.events();
    let decided = told.iter().rev().find_map(|event: &Arc<Event>| match &event.rule {
        Some(Rule::Decided(outcome)) => Some(outcome.clone()),
        _ => None,
    });
    decided.expect("decided")
}

fn seen(t: MediaTime) -> Seen {
    Seen { t, seq: None }
}

#[test]
fn a_poll_needs_no_more_than_its_length() {
    let mut room = Room::new();
    let window = room.open("poll", poll());
    for (who, choice) in [("ann", 0), ("bob", 1), ("cem", 1)] {
        let ack = choose(&mut room, who, "poll", window, choice);
        assert_eq!((ack.status, ack.seq), (Status::Accepted, None), "a vote is nobody else's business");
    }
    assert_eq!(choose(&mut room, "ann", "poll", window, 1).status, Status::Accepted, "minds change");
    let view = room.sequencer.snapshot().windows[0].clone();
    assert_eq!((view.standing.entries, view.standing.counts), (3, None));
    room.restart();
    let own = room.sequencer.own("ann");
    assert_eq!(own.windows.len(), 1, "known to their sender, and to nobody else");
    assert_eq!((own.windows[0].window, &own.windows[0].data), (window, &json!({"choice": 1})));
    assert!(room.sequencer.own("dee").is_empty());
    room.pass(secs(36.2));
    assert_eq!(room.types_told(), ["poll.opened"], "the slowest vote may still arrive");
    room.pass(secs(0.1));
    let result = outcome(&room);
    assert_eq!(result.result, Decision::Tally { counts: vec![0, 3, 0] });
    assert_eq!((result.entries, result.late), (3, 0));
    assert_eq!(
        crate::fairness::seed_digest(&crate::fairness::unhex(&result.seed).expect("hex")),
        seed_digest(&room)
    );
    let decided: Vec<_> = room.sequencer.decided().collect();
    assert_eq!((decided.len(), decided[0].event.id), (1, window));
    assert_eq!(decided[0].result.rule, Some(Rule::Decided(result.clone())));
    let late = choose(&mut room, "dee", "poll", window, 0);
    assert_eq!((late.status, late.n.is_some()), (Status::Late, true), "written down all the same");
    room.restart();
}

fn seed_digest(room: &Room) -> String {
    match &room.events()[0].rule {
        Some(Rule::Opened(terms)) => terms.seed_digest.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reveal_that_leaks_is_refused_with_what_is_missing() {
    let mut room = Room::new();
    let mut data = poll();
    data["terms"] = json!({"l_max": 4_000_000, "l_min": 200_000, "reveal_after": 1_000_000});
    let ack = room.ask(&host(), Verb::Open, "poll", None, data.clone());
    assert_eq!(ack.data, json!({"missing_us": 2_850_000}));
    assert!(ack.words.expect("words").contains("2850 ms are missing"));
    data["terms"]["reveal_after"] = json!(3_850_000);
    assert_eq!(room.ask(&host(), Verb::Open, "poll", None, data.clone()).status, Status::Accepted);
    data["terms"]["l_min"] = json!(5_000_000);
    assert_eq!(room.ask(&host(), Verb::Open, "poll", None, data).status, Status::Invalid);
}

/// Who has the least latency sees the frame of T_r before a result could reach them that was only told then.
#[test]
fn a_result_is_told_a_second_ahead_of_its_frame_and_never_before_the_last_entry() {
    let mut room = Room::new();
    let mut data = poll();
    data["terms"] = json!({"l_max": 4_000_000, "reveal_after": 8_000_000});
    let window = room.open("poll", data);
    let reveal = match &room.last().rule {
        Some(Rule::Opened(terms)) => terms.reveal,
        other => panic!("{other:?}"),
    };
    choose(&mut room, "ann", "poll", window, 0);
    let ahead = |room: &Room| reveal - room.moment().now;
    room.pass(ahead(&room) - secs(1.1));
    assert_eq!(room.types_told(), ["poll.opened"]);
    room.pass(secs(0.1));
    assert_eq!((room.last().at, ahead(&room)), (reveal, secs(1.0)));
    assert_eq!(outcome(&room).entries, 1);
}

#[test]
fn the_answer_of_a_quiz_survives_a_restart_and_shows_nowhere() {
    let mut room = Room::new();
    let window = room.open("quiz", json!({"question": "?", "choices": ["a", "b"], "outcome": 1}));
    assert!(!serde_json::to_string(&room.events()).expect("JSON").contains("outcome"));
    assert!(!serde_json::to_string(&room.sequencer.snapshot()).expect("JSON").contains("outcome"));
    room.restart();
    choose(&mut room, "ann", "quiz", window, 1);
    assert!(
        choose(&mut room, "ann", "quiz", window, 0).words.expect("refused").contains("cannot be changed")
    );
    room.restart();
    room.pass(secs(40.0));
    assert_eq!(outcome(&room).result, Decision::Match { outcome: 1, counts: vec![0, 1] });
}

#[test]
fn a_round_waits_for_its_host_to_say_what_happened() {
    let mut room = Room::new();
    let data = json!({"choices": ["red", "black"]});
    let window = room.open("round", data.clone());
    choose(&mut room, "ann", "round", window, 0);
    room.pass(secs(60.0));
    assert_eq!(room.types_told(), ["round.opened"]);
    let silent = room.ask(&host(), Verb::Close, "round", Some(window), json!({}));
    assert!(silent.words.expect("refused").contains("data.outcome"));
    let bad = room.ask(&host(), Verb::Close, "round", Some(window), json!({"outcome": 2}));
    assert!(bad.words.expect("refused").contains("0 to 1"));
    let told = room.ask(&host(), Verb::Close, "round", Some(window), json!({"outcome": 0}));
    assert_eq!((told.status, told.seq), (Status::Accepted, None));
    room.pass(Span::ZERO);
    assert_eq!(outcome(&room).result, Decision::Match { outcome: 0, counts: vec![1, 0] });
    let forgotten = room.open("round", data);
    room.pass(Span::from_secs(25 * 3_600));
    let last = room.last();
    assert_eq!((last.ty.as_str(), last.subject), ("round.withdrawn", Some(forgotten)));
    room.restart();
}

#[test]
fn a_host_ends_a_window_early_or_takes_it_back() {
    let mut room = Room::new();
    let window = room.open("poll", poll());
    choose(&mut room, "ann", "poll", window, 2);
    room.pass(secs(5.0));
    let ended = room.ask(&host(), Verb::Close, "poll", Some(window), json!({}));
    assert_eq!(ack_event(&room, &ended).ty, "poll.shortened");
    room.restart();
    room.pass(secs(1.0));
    assert_eq!(choose(&mut room, "bob", "poll", window, 2).status, Status::Late);
    room.pass(secs(6.0));
    assert_eq!((outcome(&room).entries, outcome(&room).late), (1, 1), "who had voted counts");
    let second = room.open("poll", poll());
    let gone = room.ask(&host(), Verb::Cancel, "poll", Some(second), json!({}));
    assert_eq!(ack_event(&room, &gone).ty, "poll.withdrawn");
    assert_eq!(choose(&mut room, "ann", "poll", second, 0).status, Status::Invalid);
    assert_eq!(room.sequencer.poll_timeout(), None);
}

#[test]
fn seeing_time_counts_and_not_speed() {
    let mut room = Room::new();
    let window = room.open("poll", poll());
    let closes = NOW + secs(30.0);
    room.pass(secs(34.0));
    let vote = |room: &mut Room, who: &str, t| {
        room.ask_seen(&member(who), window, "poll", seen(t), json!({"choice": 0}))
    };
    assert_eq!(vote(&mut room, "slow", closes - secs(0.1)).status, Status::Accepted, "4 s behind, in time");
    assert_eq!(vote(&mut room, "late", closes).status, Status::Late, "T_c itself is outside");
    assert_eq!(vote(&mut room, "liar", NOW - secs(9.0)).status, Status::Accepted, "clamped to what can be");
    let Body::Hidden(hidden) = &room.log.last().expect("an entry").body else { panic!("hidden") };
    let Rule::Entered(entered) = &hidden.rule else { panic!("entered") };
    assert!(entered.is_clamped && entered.t_seen == NOW + secs(28.0));
    room.pass(secs(1.0));
    room.restart();
}

#[test]
fn an_open_auction_is_won_by_price_and_moves_its_end() {
    let mut room = Room::new();
    let lot = room.open("auction", json!({"title": "clock", "start": 100, "step": 10}));
    let low = bid(&mut room, "ann", "auction", lot, 99);
    assert_eq!(low.data, json!({"least": 100}));
    assert_eq!(bid(&mut room, "ann", "auction", lot, 100).seq, Some(2), "everybody sees a bid");
    let outbid = bid(&mut room, "bob", "auction", lot, 105);
    assert_eq!((outbid.status, outbid.data), (Status::Outbid, json!({"price": 100, "least": 110})));
    assert_eq!(bid(&mut room, "ann", "auction", lot, 100).status, Status::Outbid, "her own price");
    room.pass(secs(25.0));
    assert_eq!(bid(&mut room, "bob", "auction", lot, 110).status, Status::Accepted);
    assert_eq!(room.last().ty, "auction.extended");
    let Some(Rule::Extended(extended)) = room.last().rule.clone() else { panic!("extended") };
    assert_eq!(
        (extended.closes, extended.count),
        (NOW + secs(24.5 + 17.6), 1),
        "X = 2 (6 + 0.3) + 5 s, from the earliest frame on screen"
    );
    room.restart();
    room.pass(secs(60.0));
    let Decision::Highest { winner_n: Some(n), amount: 110 } = outcome(&room).result else { panic!("sold") };
    let Body::Event(winner) = &room.log[n as usize - 1].body else { panic!("open") };
    assert_eq!(winner.actor.as_ref().expect("bob").id.as_ref(), "bob");
}

#[test]
fn nobody_has_to_beat_what_they_cannot_have_seen() {
    let mut room = Room::new();
    let lot = room.open("auction", json!({"start": 100, "step": 10}));
    room.pass(secs(5.0));
    bid(&mut room, "fast", "auction", lot, 100);
    let saw = room.now - secs(1.0);
    room.pass(secs(1.0));
    let slow = |room: &mut Room, seq, amount| {
        room.ask_seen(&member("slow"), lot, "auction", Seen { t: saw, seq }, json!({"amount": amount}))
    };
    assert_eq!(slow(&mut room, Some(2), 100).status, Status::Outbid, "has the bid on its feed");
    assert_eq!(slow(&mut room, Some(1), 99).status, Status::Invalid);
    assert_eq!(slow(&mut room, Some(1), 100).status, Status::Accepted, "equal: the seed splits them");
    assert_eq!(slow(&mut room, Some(1), 100).status, Status::Outbid, "not with oneself");
    room.pass(secs(60.0));
    assert_eq!(outcome(&room).entries, 2);
}

#[test]
fn sealed_bids_are_hidden_and_may_be_raised() {
    let mut room = Room::new();
    let lot = room.open("sealed-bid", json!({"start": 100}));
    for (who, amount) in [("ann", 500), ("bob", 700), ("ann", 800), ("ann", 600)] {
        assert_eq!(bid(&mut room, who, "sealed-bid", lot, amount).seq, None);
    }
    assert_eq!(room.sequencer.snapshot().windows[0].standing.price, None);
    room.restart();
    room.pass(secs(60.0));
    let result = outcome(&room);
    assert_eq!(
        result.result,
        Decision::Highest { winner_n: Some(4), amount: 700 },
        "a person's last word counts"
    );
    assert_eq!(result.entries, 2);
}

#[test]
fn windows_are_bounded() {
    let mut room = Room::new();
    for _ in 0..64 {
        room.open("poll", poll());
    }
    let full = room.ask(&host(), Verb::Open, "poll", None, poll());
    assert!(full.words.expect("refused").contains("64"));
    room.restart();
    room.pass(secs(60.0));
    assert_eq!(room.sequencer.snapshot().windows.len(), 0);
    for bad in [json!({}), json!({"choices": ["a"]}), json!({"choices": ["a", "b"], "outcome": 0})] {
        assert_eq!(room.ask(&host(), Verb::Open, "poll", None, bad).status, Status::Invalid);
    }
    let command = room.command(Verb::Open, "poll", None, poll());
    let ack = room.handle(Command { dur: None, ..command }, &host());
    assert!(ack.words.expect("refused").contains("dur"));
}
