//! Whatever people do in whatever order, and wherever the server restarts: the log keeps its promises.

use super::*;
use crate::{Ballot, Commitment, Entered, Outcome, Seen, Terms, decide, fairness::unhex, judge};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// One thing that happens.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    who: u8,
    which: u8,
    value: i64,
    behind_ms: i64,
    pass_ms: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..20, 0u8..5, 0u8..8, 0i64..6, -2_000i64..9_000, 0i64..9_000).prop_map(
        |(what, who, which, value, behind_ms, pass_ms)| Step { what, who, which, value, behind_ms, pass_ms },
    );
    proptest::collection::vec(step, 1..80)
}

/// A room, and what was asked and answered in it.
struct World {
    room: Room,
    windows: Vec<(Uuid, &'static str)>,
    offers: Vec<Uuid>,
    messages: Vec<Uuid>,
    asked: Vec<(Command, Sender, Ack)>,
}

impl World {
    fn ask(&mut self, who: &Sender, verb: Verb, ty: &str, subject: Option<Uuid>, data: Value) -> Ack {
        let command = self.room.command(verb, ty, subject, data);
        let ack = self.room.handle(command.clone(), who);
        self.asked.push((command, who.clone(), ack.clone()));
        ack
    }

    fn who(&self, step: &Step) -> Sender {
        let mut who = member(&format!("p{}", step.who));
        who.witness.buffer = secs(3.0);
        let t = self.room.now - Span::from_millis(step.behind_ms);
        let seq = (step.value % 2 == 0).then_some(self.room.sequencer.last_seq() / 2);
        who.witness.claimed = (step.who != 0).then_some(Seen { t, seq });
        who
    }

    fn step(&mut self, step: &Step) {
        let who = self.who(step);
        let pick = |len: usize| usize::from(step.which) % len.max(1);
        let window = self.windows.get(pick(self.windows.len())).copied();
        let offer = self.offers.get(pick(self.offers.len())).copied();
        let message = self.messages.get(pick(self.messages.len())).copied();
        match step.what {
            0..=2 => self.open(step),
            3..=8 => {
                let Some((window, ty)) = window else { return };
                let data = json!({"choice": step.value, "amount": 100 + step.value * 10});
                self.ask(&who, Verb::Enter, ty, Some(window), data);
            }
            9 => {
                let Some((window, ty)) = window else { return };
                let data = if step.value < 3 { json!({"outcome": 1}) } else { json!({}) };
                let verb = if step.value == 5 { Verb::Cancel } else { Verb::Close };
                self.ask(&host(), verb, ty, Some(window), data);
            }
            10 => {
                let data = json!({"quantity": step.value + 1, "owner_confirms": true});
                let offered = self.ask(&host(), Verb::Open, "drop", None, data).id;
                self.offers.extend(offered);
            }
            11..=13 => {
                let verb = [Verb::Enter, Verb::Enter, Verb::Confirm, Verb::Release][step.value as usize % 4];
                self.ask(&who, verb, "drop", offer, json!({}));
            }
            14 => {
                self.ask(&host(), Verb::Send, "alert", None, json!({"v": step.value}));
            }
            15 | 16 => {
                let subject = message.filter(|_| step.value < 3);
                let said = self.ask(&who, Verb::Send, "chat", subject, json!({"text": "hi"})).id;
                self.messages.extend(said);
            }
            17 => {
                let verb = if step.value < 3 { Verb::Amend } else { Verb::Cancel };
                self.ask(&who, verb, "chat", message, json!({"text": "ho"}));
            }
            18 => self.repeat(step),
            _ => self.room.restart(),
        }
        self.room.pass(Span::from_millis(step.pass_ms));
    }

    fn open(&mut self, step: &Step) {
        let ty = ["poll", "quiz", "auction", "sealed-bid", "round", "poll"][step.value as usize];
        let data = json!({"choices": ["a", "b", "c", "d"], "start": 100, "step": 10});
        let opened = self.ask(&host(), Verb::Open, ty, None, data);
        self.windows.extend(opened.id.map(|id| (id, ty)));
    }

    /// Sends a command again: it does nothing and is answered as before.
    fn repeat(&mut self, step: &Step) {
        let Some((command, sender, first)) = self.asked.get(usize::from(step.which)).cloned() else { return };
        if !matches!(first.status, Status::Accepted | Status::Late) || first.n.is_none() {
            return;
        }
        let before = self.room.log.len();
        let again = self.room.handle(command, &sender);
        assert_eq!(again, Ack { status: Status::Duplicate, ..first });
        assert_eq!(self.room.log.len(), before);
    }
}

fn check_order(log: &[Entry]) {
    let (mut seq, mut lanes, mut at, mut term) = (0, HashMap::new(), HashMap::new(), 0);
    for (i, entry) in log.iter().enumerate() {
        assert_eq!(entry.n, i as u64 + 1, "n is gapless");
        assert!(entry.term >= term);
        term = entry.term;
        let Body::Event(event) = &entry.body else { continue };
        seq += 1;
        assert_eq!(event.seq, seq, "seq is gapless");
        let last = lanes.insert(event.lane, event.at);
        assert!(last <= Some(event.at), "lane {} went back", event.lane);
        if let Some(subject) = event.subject.and_then(|subject| at.get(&subject)) {
            assert!(event.at >= *subject, "a reply before its message");
        }
        assert!(at.insert(event.id, event.at).is_none(), "an id twice");
    }
}

fn check_commands(world: &World) {
    let cause = |entry: &Entry| match &entry.body {
        Body::Event(event) => event.cause,
        Body::Hidden(hidden) => hidden.cause,
    };
    let causes: Vec<Uuid> = world.room.log.iter().filter_map(cause).collect();
    let once: HashSet<Uuid> = causes.iter().copied().collect();
    assert_eq!(once.len(), causes.len(), "a cmd_id twice");
    for (command, _, ack) in &world.asked {
        assert_eq!(once.contains(&command.cmd_id), ack.n.is_some(), "{ack:?}");
        if let Some(n) = ack.n {
            assert_eq!(Ack::of(&world.room.log[n as usize - 1]).as_ref(), Some(ack));
        }
    }
}

fn check_stock(log: &[Entry]) {
    let mut offers: HashMap<Uuid, (u32, HashSet<u64>, u32)> = HashMap::new();
    for entry in log {
        let Body::Event(event) = &entry.body else { continue };
        match &event.rule {
            Some(Rule::Offered(offer)) => {
                offers.insert(offer.offer, (offer.quantity, HashSet::new(), 0));
            }
            Some(Rule::Reserved(unit)) => {
                let (quantity, held, sold) = offers.get_mut(&unit.offer).expect("offered");
                assert_eq!(unit.reserved_n, entry.n);
                assert!(held.insert(entry.n) && held.len() as u32 + *sold <= *quantity, "oversold");
                assert_eq!(unit.left, *quantity - held.len() as u32 - *sold);
            }
            Some(Rule::Confirmed(unit)) => {
                let (_, held, sold) = offers.get_mut(&unit.offer).expect("offered");
                assert!(held.remove(&unit.reserved_n), "confirmed without being taken");
                *sold += 1;
            }
            Some(Rule::Returned(unit)) => {
                let (_, held, _) = offers.get_mut(&unit.offer).expect("offered");
                assert!(held.remove(&unit.reserved_n), "returned without being taken");
            }
            _ => {}
        }
    }
}

/// What a verifier knows of one window.
struct Replayed {
    terms: Terms,
    closes: MediaTime,
    outcome: Option<u16>,
    ballots: Vec<Ballot<Arc<str>>>,
    late: u64,
}

impl Replayed {
    fn enter(&mut self, entered: &Entered, ballot: Ballot<Arc<str>>) {
        let judged = judge(&self.terms, self.closes, &entered.witness);
        assert_eq!((judged.t_seen, judged.is_clamped), (entered.t_seen, entered.is_clamped));
        assert_eq!(judged.membership == crate::Membership::Late, entered.is_late);
        if entered.is_late {
            self.late += 1;
        } else {
            self.ballots.push(ballot);
        }
    }

    fn check(self, told: &Outcome) {
        let seed = unhex(&told.seed).expect("hex");
        assert_eq!(crate::fairness::seed_digest(&seed), self.terms.seed_digest);
        let commitment = Commitment { seed, outcome: self.outcome };
        assert_eq!(decide(&self.terms, &commitment, self.ballots, self.late).as_ref(), Some(told));
    }
}

/// Computes every result from the log alone, as the offline verifier does.
fn check_results(log: &[Entry]) {
    let mut open: HashMap<Uuid, Replayed> = HashMap::new();
    for entry in log {
        let (rule, person, cause) = match &entry.body {
            Body::Event(event) => (event.rule.as_ref(), event.actor.as_ref(), event.cause),
            Body::Hidden(hidden) => (Some(&hidden.rule), hidden.person.as_ref(), hidden.cause),
        };
        match rule {
            Some(Rule::Opened(terms)) => {
                assert_eq!(terms.missing(), None, "no window leaks");
                let replayed = Replayed {
                    terms: terms.clone(),
                    closes: terms.closes,
                    outcome: None,
                    ballots: Vec::new(),
                    late: 0,
                };
                open.insert(terms.window, replayed);
            }
            Some(Rule::Committed(committed)) => {
                let replayed = open.get_mut(&committed.window).expect("open");
                replayed.outcome = replayed.outcome.or(committed.outcome);
            }
            Some(Rule::Entered(entered)) => {
                let Some(replayed) = open.get_mut(&entered.window) else {
                    assert!(entered.is_late, "entered after the decision");
                    continue;
                };
                let person = person.expect("not erased").id.clone();
                let cmd_id = cause.expect("a command");
                replayed.enter(entered, Ballot { n: entry.n, cmd_id, person, value: entered.value });
            }
            Some(Rule::Extended(extended)) => {
                open.get_mut(&extended.window).expect("open").closes = extended.closes;
            }
            Some(Rule::Shortened(shortened)) => {
                open.get_mut(&shortened.window).expect("open").closes = shortened.closes;
            }
            Some(Rule::Decided(told)) => open.remove(&told.window).expect("open").check(told),
            Some(Rule::Withdrawn { subject }) => {
                open.remove(subject);
            }
            Some(
                Rule::Offered(_)
                | Rule::Reserved(_)
                | Rule::Confirmed(_)
                | Rule::Returned(_)
                | Rule::Queued(_)
                | Rule::Shown(_)
                | Rule::Replaces { .. }
                | Rule::Remembered(_),
            )
            | None => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_log_keeps_its_promises(steps in steps()) {
        let mut world = World {
            room: Room::new(), windows: Vec::new(), offers: Vec::new(), messages: Vec::new(), asked: Vec::new(),
        };
        steps.iter().for_each(|step| world.step(step));
        world.room.pass(Span::from_secs(60));
        check_order(&world.room.log);
        check_commands(&world);
        check_stock(&world.room.log);
        check_results(&world.room.log);
        // A log cut anywhere is a room as it was then: it goes on.
        let cut = steps.len() % (world.room.log.len() + 1);
        let mut resumed = Room::new();
        world.room.log.truncate(cut);
        resumed.log = world.room.log;
        resumed.log.iter().for_each(|entry| resumed.sequencer.apply(entry));
        resumed.sequencer.begin_term();
        resumed.now = world.room.now;
        resumed.pass(Span::from_secs(60));
        resumed.restart();
        check_order(&resumed.log);
    }
}
