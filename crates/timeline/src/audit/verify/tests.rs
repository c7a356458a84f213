//! A room with an auction, a poll, a drop and chat, exported, and then bent in every way somebody may try.

use super::*;
use crate::{
    At, Command, Role, Sender, Sequencer, Types, Verb, Witness,
    audit::{Chain, Sealed, Signer},
    sequencer::Moment,
};
use serde_json::json;
use std::sync::Arc;
use unisono_base::{Epoch, Span, Tenant};

const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);
const SEED: [u8; 32] = [7; 32];

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

fn signer() -> Signer {
    Signer::from_seed(&SEED).expect("32 bytes")
}

struct Room {
    sequencer: Sequencer,
    now: MediaTime,
    log: Vec<Entry>,
    commands: u128,
}

impl Room {
    fn moment(&self) -> Moment {
        Moment { now: self.now, newest: Some(self.now), epoch: Some(Epoch(7)), random: [9; 32] }
    }

    fn ask(&mut self, who: &str, verb: Verb, ty: &str, subject: Option<Uuid>, data: Json) -> Uuid {
        self.commands += 1;
        self.now += Span::from_millis(100);
        let witness = Witness {
            received: self.now,
            rtt_min: Span::from_millis(40),
            delivered: Some(self.now - Span::from_millis(150)),
            buffer: Span::from_millis(500),
            claimed: None,
        };
        let role = if who == "host" { Role::Host } else { Role::Bidder };
        let person = Person { id: who.into(), name: Some(format!("The {who}").into()) };
        let command = Command {
            cmd_id: Uuid::from_u128(self.commands),
            ty: ty.to_owned(),
            verb,
            lane: None,
            at: At::Now,
            dur: (verb == Verb::Open).then_some(Span::from_secs(30)),
            ttl: None,
            late: None,
            subject,
            data,
        };
        let ack = self.sequencer.handle_command(command, &Sender { person, role, witness }, self.moment());
        self.log.extend(self.sequencer.take_entries());
        ack.id.or(subject).unwrap_or_default()
    }

    fn pass(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.sequencer.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.sequencer.handle_timeout(self.moment());
            self.log.extend(self.sequencer.take_entries());
        }
        self.now = until;
    }
}

/// The log of an evening.
fn evening() -> Vec<Entry> {
    let mut sequencer = Sequencer::new(room(), Arc::new(Types::default()));
    sequencer.begin_term();
    let mut room = Room { sequencer, now: NOW, log: Vec::new(), commands: 0 };
    let sale = json!({"title": "a lamp", "start": 100, "step": 10});
    let auction = room.ask("host", Verb::Open, "auction", None, sale);
    let poll =
        room.ask("host", Verb::Open, "poll", None, json!({"question": "warm?", "choices": ["yes", "no"]}));
    let drop = room.ask("host", Verb::Open, "drop", None, json!({"title": "a bulb", "quantity": 3}));
    room.pass(Span::from_secs(1));
    for (who, amount, choice) in [("ann", 100, 0), ("bob", 130, 1), ("ann", 150, 0), ("eve", 200, 1)] {
        room.ask(who, Verb::Enter, "auction", Some(auction), json!({"amount": amount}));
        room.ask(who, Verb::Enter, "poll", Some(poll), json!({"choice": choice}));
        room.ask(who, Verb::Send, "chat", None, json!({"text": format!("{amount} from {who}")}));
    }
    for who in ["ann", "bob"] {
        room.ask(who, Verb::Enter, "drop", Some(drop), json!({}));
    }
    room.pass(Span::from_secs(27));
    room.ask("bob", Verb::Enter, "auction", Some(auction), json!({"amount": 250}));
    room.pass(Span::from_secs(200));
    room.ask("eve", Verb::Enter, "auction", Some(auction), json!({"amount": 900}));
    room.log
}

/// A log as its node would give it away: a checkpoint after every fifth entry, and the end.
fn lines(sealed: &[Sealed], signer: &Signer) -> Vec<String> {
    let header = Header { version: FORMAT, room: room(), key: signer.public(), base: Base::start(&room()) };
    let mut lines = vec![Line::Log(header).to_text()];
    let mark = |mark, sealed: &Sealed| {
        let at = (sealed.entry.term, sealed.entry.n, sealed.seal.hash);
        signer.sign(&room(), mark, at, sealed.entry.t)
    };
    for sealed in sealed {
        lines.push(Line::of(sealed).to_text());
        if sealed.entry.n % 5 == 0 {
            lines.push(Line::Checkpoint(mark(Mark::Running, sealed)).to_text());
        }
    }
    lines.extend(sealed.last().map(|last| Line::End(mark(Mark::End, last)).to_text()));
    lines
}

fn seal(entries: Vec<Entry>) -> Vec<Sealed> {
    Chain::new(room()).seal(entries, SEED)
}

fn verify(lines: &[String]) -> Report {
    let mut verifier = Verifier::new(Some(signer().public()));
    lines.iter().for_each(|line| verifier.line(line));
    verifier.finish()
}

fn bad(lines: &[String]) -> Bad {
    verify(lines).bad.expect("it was bent")
}

fn at_entry(lines: &[String], n: u64) -> usize {
    let start = format!("{{\"entry\":{{\"n\":{n},");
    lines.iter().position(|line| line.starts_with(&start)).expect("an entry")
}

#[test]
fn an_honest_log_is_green_and_tells_who_won_what() {
    let log = seal(evening());
    let report = verify(&lines(&log, &signer()));
    assert_eq!(report.bad, None);
    assert_eq!((report.last_n, report.signed_n), (log.len() as u64, Some(log.len() as u64)));
    let text = report.to_string();
    assert!(text.starts_with("GREEN"), "{text}");
    assert!(text.contains("won by The bob (bob) with 250"), "{text}");
    assert!(text.contains("counts [1, 2]"), "ann once: {text}");
    assert_eq!(report.offers.len(), 1);
    assert!(report.windows.iter().any(|window| window.late == 1), "eve's last bid");
    assert!(report.fairness.windows.iter().any(|window| window.deciles.entries.iter().sum::<u64>() >= 4));
}

#[test]
fn every_flipped_byte_is_found_at_its_entry() {
    let lines = lines(&seal(evening()), &signer());
    for n in [1, 4, 9] {
        let at = at_entry(&lines, n);
        for place in (0..lines[at].len() - 1).step_by(7) {
            let mut bent = lines.clone();
            let mut bytes = bent[at].clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(line) = String::from_utf8(bytes) else { continue };
            bent[at] = line;
            let Bad { n: found, why } = bad(&bent);
            let is_number = why.contains("stands where");
            assert!(found == n || is_number, "byte {place} of entry {n}: told at {found}: {why}");
        }
    }
}

#[test]
fn a_removed_entry_and_a_changed_order_are_found() {
    let lines = lines(&seal(evening()), &signer());
    let mut removed = lines.clone();
    removed.remove(at_entry(&lines, 7));
    assert!(bad(&removed).why.contains("entry 8 stands where entry 7 should"));
    let mut swapped = lines.clone();
    swapped.swap(at_entry(&lines, 7), at_entry(&lines, 8));
    assert!(bad(&swapped).why.contains("entry 8 stands where entry 7 should"));
}

#[test]
fn a_log_chained_anew_does_not_have_the_signatures() {
    let honest = lines(&seal(evening()), &signer());
    let mut entries = evening();
    let chat = entries.iter().position(|entry| matches!(&entry.body, Body::Event(e) if e.ty == "chat"));
    let chat = chat.expect("somebody chats");
    let Body::Event(event) = &mut entries[chat].body else { panic!("an event") };
    Arc::make_mut(event).data = json!({"text": "what nobody said"});
    let n = entries[chat].n;
    let mut forged = lines(&seal(entries), &signer());
    for (line, real) in forged.iter_mut().zip(&honest) {
        if !line.starts_with("{\"entry\"") {
            line.clone_from(real);
        }
    }
    let Bad { n: found, why } = bad(&forged);
    assert!(why.contains("chained anew") && found >= n && found < n + 5, "{found}: {why}");
    let thief = Signer::from_seed(&[8; 32]).expect("32 bytes");
    let stolen = lines(&seal(evening()), &thief);
    assert!(bad(&stolen).why.contains("not by the key given"));
}

#[test]
fn a_result_that_does_not_follow_is_found_even_if_the_node_signed_it() {
    let mut entries = evening();
    let decided = entries.iter_mut().find_map(|entry| {
        let n = entry.n;
        let Body::Event(event) = &mut entry.body else { return None };
        let is_auction = event.ty == "auction.decided";
        is_auction.then(|| (n, Arc::make_mut(event)))
    });
    let (n, event) = decided.expect("the hammer fell");
    let Some(Rule::Decided(outcome)) = &mut event.rule else { panic!("a result") };
    outcome.result = crate::Decision::Highest { winner_n: Some(1), amount: 100 };
    let found = bad(&lines(&seal(entries), &signer()));
    assert!(found.n == n && found.why.contains("not the one that follows"), "{found:?}");
}

#[test]
fn a_cut_log_is_found_by_its_missing_end_or_by_a_later_checkpoint() {
    let log = seal(evening());
    let whole = lines(&log, &signer());
    let cut = &whole[..at_entry(&whole, 12)];
    assert!(bad(cut).why.contains("without its signed end"));
    // An older export, whole in itself: only who has a later checkpoint can tell.
    let older = lines(&log[..10], &signer());
    assert_eq!(verify(&older).bad, None);
    let last = log.last().expect("entries");
    let later =
        signer().sign(&room(), Mark::Running, (last.entry.term, last.entry.n, last.seal.hash), last.entry.t);
    let mut verifier = Verifier::new(Some(signer().public()));
    verifier.expect(later);
    older.iter().for_each(|line| verifier.line(line));
    assert!(verifier.finish().bad.expect("cut").why.contains("ends at entry 10"));
}

#[test]
fn after_an_erasure_it_is_green_and_names_what_is_gone() {
    let mut log = seal(evening());
    let mut erased = 0;
    for sealed in &mut log {
        if sealed.person().is_some_and(|person| &*person.id == "bob" || &*person.id == "ann") {
            sealed.erase_payload();
            sealed.erase_person();
            erased += 1;
        }
    }
    let report = verify(&lines(&log, &signer()));
    assert_eq!((report.bad.as_ref(), report.erased_count), (None, erased));
    let text = report.to_string();
    assert!(text.contains("won by erased with 250") && text.contains("counts [1, 2]"), "{text}");
}

#[test]
fn lines_from_anywhere_do_no_harm() {
    let honest = lines(&seal(evening()), &signer());
    for junk in
        ["{}", "[]", "null", "{\"entry\":{}}", "{\"log\":{\"version\":99}}", "\u{0}", &"x".repeat(70_000)]
    {
        let mut bent = honest.clone();
        bent.insert(3, junk.to_owned());
        assert!(!verify(&bent).is_good(), "{junk:.20}");
        assert!(!verify(&[junk.to_owned()]).is_good());
    }
    assert!(!verify(&[]).is_good());
}

#[test]
fn somebody_erased_is_remembered_once_a_window_and_only_while_it_is_open() {
    let fact = Fact { n: 1, cause: None, person: None, digest: None };
    let rule = |subject: u128, person: &[u8]| {
        Rule::Remembered(crate::Remembered {
            subject: Uuid::from_u128(subject),
            person: Digest::of(&[person]),
        })
    };
    let mut results = Results::default();
    for (subject, person, is_fine) in
        [(1, b"ann", true), (2, b"ann", true), (1, b"bob", true), (1, b"ann", false)]
    {
        assert_eq!(results.take(&rule(subject, person), &fact).is_ok(), is_fine);
    }
    let mut results = Results::default();
    let entries = evening();
    let rules = entries.iter().filter_map(|entry| parts(entry).0.map(|rule| (entry, rule)));
    let mut decided = None;
    for (entry, rule) in rules {
        let (_, cause, person) = parts(entry);
        let digest = person.map(|person| Digest::of(&[person.id.as_bytes()]));
        results.take(rule, &Fact { n: entry.n, cause, person, digest }).expect("honest");
        if let Rule::Decided(outcome) = rule {
            decided = Some(outcome.window);
        }
    }
    let subject = decided.expect("a window was decided");
    let late = Rule::Remembered(crate::Remembered { subject, person: Digest::of(&[b"ann"]) });
    assert!(results.take(&late, &fact).is_err_and(|why| why.contains("although it is over")));
}
