//! Five ways to bend a log.

use std::sync::Arc;
use unisono_timeline::{
    Body, Decision, Entry, Rule,
    audit::{Chain, EntryLine, Kept, Line, Sealed},
};

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forgery {
    /// One bit of what the chain covers.
    Byte,
    /// An entry taken out.
    Gap,
    /// Two entries that changed places.
    Order,
    /// Another result, the chain made anew from there on by somebody who knows how.
    Result,
    /// The end cut off.
    Cut,
}

impl Forgery {
    pub(crate) const ALL: [Self; 5] = [Self::Byte, Self::Gap, Self::Order, Self::Result, Self::Cut];

    /// The bent log, and the entry at which it must be found.
    pub(crate) fn of(self, export: &str) -> (String, u64) {
        let mut lines: Vec<String> = export.lines().map(str::to_owned).collect();
        let entries: Vec<usize> =
            (0..lines.len()).filter(|at| lines[*at].starts_with("{\"entry\"")).collect();
        let middle = entries.len() / 2;
        let at = entries[middle];
        let n = middle as u64 + 1;
        match self {
            Self::Byte => {
                let place = lines[at].find("\"clear\":\"").expect("a clear part") + 40;
                let mut bytes = lines[at].clone().into_bytes();
                bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
                lines[at] = String::from_utf8(bytes).expect("ASCII");
            }
            Self::Gap => {
                lines.remove(at);
                // Its own checkpoint stands behind it, or the next entry.
                let found = if lines[at].starts_with("{\"checkpoint\"") { n } else { n + 1 };
                return (lines.join("\n") + "\n", found);
            }
            Self::Order => lines.swap(at, entries[middle + 1]),
            Self::Result => return result(lines, &entries),
            Self::Cut => {
                lines.truncate(at);
                // Checkpoints before it stay: its own signatures do not help.
            }
        }
        // Where two changed places the first wrong number is told: the next one's.
        let found = if matches!(self, Self::Order) { n + 1 } else { n };
        (lines.join("\n") + "\n", found)
    }
}

fn result(mut lines: Vec<String>, entries: &[usize]) -> (String, u64) {
    let sealed: Vec<Sealed> = entries.iter().map(|at| sealed(&lines[*at])).collect();
    let decided = sealed.iter().position(|sealed| decision(&sealed.entry).is_some()).expect("a result");
    let Line::Log(header) = serde_json::from_str(&lines[0]).expect("a header") else { panic!("a header") };
    let mut chain = Chain::from_base(header.room, header.base);
    sealed[..decided].iter().for_each(|sealed| chain.apply(sealed).expect("as it was"));
    let mut rest: Vec<Entry> = sealed[decided..].iter().map(|sealed| sealed.entry.clone()).collect();
    let Body::Event(event) = &mut rest[0].body else { panic!("an event") };
    if let Some(Rule::Decided(outcome)) = &mut Arc::make_mut(event).rule {
        outcome.result = Decision::Tally { counts: vec![10, 0, 0] };
    }
    for (sealed, at) in chain.seal(rest, [7; 32]).iter().zip(&entries[decided..]) {
        lines[*at] = Line::of(sealed).to_text().trim_end().to_owned();
    }
    (lines.join("\n") + "\n", decided as u64 + 1)
}

fn decision(entry: &Entry) -> Option<&Rule> {
    match &entry.body {
        Body::Event(event) => event.rule.as_ref().filter(|rule| matches!(rule, Rule::Decided(_))),
        Body::Hidden(_) => None,
    }
}

fn sealed(line: &str) -> Sealed {
    let Line::Entry(EntryLine { hash, clear, payload, payload_salt, person_salt, entry, .. }) =
        serde_json::from_str(line).expect("a line")
    else {
        panic!("an entry")
    };
    let entry: Entry = serde_json::from_value(entry).expect("an entry");
    let person = match &entry.body {
        Body::Event(event) => event.actor.clone(),
        Body::Hidden(hidden) => hidden.person.clone(),
    };
    let kept = Kept { clear, payload: payload.zip(payload_salt), person: person.zip(person_salt) };
    Sealed::from_kept(kept, hash).expect("as it was written")
}
