use super::*;

fn offer(room: &mut Room, quantity: u32) -> Uuid {
    room.open("drop", json!({"title": "mug", "quantity": quantity}))
}

fn take(room: &mut Room, who: &str, offer: Uuid) -> Ack {
    room.ask(&member(who), Verb::Enter, "drop", Some(offer), json!({}))
}

fn left(room: &Room) -> u32 {
    room.sequencer.snapshot().offers[0].left
}

#[test]
fn each_unit_is_taken_once_and_one_by_each_person() {
    let mut room = Room::new();
    let mugs = offer(&mut room, 2);
    let ann = take(&mut room, "ann", mugs);
    assert_eq!(ann.status, Status::Accepted);
    assert!(take(&mut room, "ann", mugs).words.expect("words").contains("taken 1"));
    take(&mut room, "bob", mugs);
    let sold = take(&mut room, "cem", mugs);
    assert!(sold.status == Status::Sold && sold.words.expect("words").contains("comes back"));
    let not_yet = room.ask(&member("ann"), Verb::Confirm, "drop", ann.id, json!({}));
    assert_eq!(not_yet.status, Status::Forbidden, "paying is told by the payment system");
    let system = Sender { role: Role::System, ..host() };
    let held = room.sequencer.own("ann");
    assert_eq!((held.units[0].offer, Some(held.units[0].event), held.bought.len()), (mugs, ann.id, 0));
    assert_eq!(room.ask(&system, Verb::Confirm, "drop", ann.id, json!({})).status, Status::Accepted);
    room.restart();
    let paid = room.sequencer.own("ann");
    assert_eq!((paid.units.len(), paid.bought[0].units), (0, 1));
    assert!(room.sequencer.own("cem").is_empty());
    room.pass(Span::from_secs(301));
    assert_eq!(room.types_told().last().map(String::as_str), Some("drop.returned"), "bob did not pay");
    assert_eq!(left(&room), 1);
    assert_eq!(take(&mut room, "cem", mugs).status, Status::Accepted);
    room.restart();
    room.ask(&member("cem"), Verb::Release, "drop", Some(mugs), json!({}));
    assert_eq!((left(&room), room.sequencer.poll_timeout()), (1, None));
    assert_eq!(
        take(&mut room, "bob", mugs).status,
        Status::Accepted,
        "a returned unit is not held against one"
    );
    let gone = room.ask(&system, Verb::Confirm, "drop", ann.id, json!({}));
    assert_eq!(gone.status, Status::Invalid, "confirmed already");
}

#[test]
fn an_owner_confirms_where_the_offer_says_so() {
    let mut room = Room::new();
    let free = room.open("drop", json!({"quantity": 1, "owner_confirms": true}));
    let ann = take(&mut room, "ann", free);
    assert_eq!(room.ask(&member("bob"), Verb::Confirm, "drop", ann.id, json!({})).status, Status::Forbidden);
    assert_eq!(room.ask(&member("ann"), Verb::Confirm, "drop", ann.id, json!({})).status, Status::Accepted);
    let sold = take(&mut room, "bob", free);
    assert_eq!((sold.status, sold.words.as_deref()), (Status::Sold, Some("all are sold")));
}

#[test]
fn a_withdrawn_offer_gives_nothing_out_and_keeps_its_word() {
    let mut room = Room::new();
    let mugs = offer(&mut room, 2);
    let ann = take(&mut room, "ann", mugs);
    assert_eq!(room.ask(&host(), Verb::Close, "drop", Some(mugs), json!({})).status, Status::Accepted);
    assert_eq!(take(&mut room, "bob", mugs).status, Status::Invalid);
    assert_eq!(room.ask(&host(), Verb::Confirm, "drop", ann.id, json!({})).status, Status::Accepted);
    assert!(room.sequencer.snapshot().offers.is_empty());
    room.restart();
}

#[test]
fn quantity_and_offers_are_bounded() {
    let mut room = Room::new();
    for bad in [json!({}), json!({"quantity": 0}), json!({"quantity": 100_001}), json!({"quantity": "2"})] {
        let ack = room.ask(&host(), Verb::Open, "drop", None, bad);
        assert!(ack.words.expect("refused").contains("100000"));
    }
    for _ in 0..64 {
        offer(&mut room, 1);
    }
    let full = room.ask(&host(), Verb::Open, "drop", None, json!({"quantity": 1}));
    assert!(full.words.expect("refused").contains("64"));
}
