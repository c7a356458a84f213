//! Verifies an exported log line by line, trusting nothing but a public key, and computes every result again.

mod fairness;
mod report;
mod results;

pub use fairness::{Deciles, Fairness, WindowFairness};
pub use report::{Bad, Erased, OfferResult, Report, WindowResult};

use super::{
    cbor,
    chain::{Base, link},
    checkpoint::{Checkpoint, Mark, PublicKey},
    clear::{Clear, Kept, body_mut},
    digest::Digest,
    lines::{EntryLine, FORMAT, Header, Line, Withheld},
};
use crate::{Body, Entry, Event, Lane, Person, Rule};
use results::{Fact, Results};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashSet};
use unisono_base::{MediaTime, RoomId};
use uuid::Uuid;

/// Longest line that is read, in bytes: an entry is some 8 KiB at most.
pub const LINE_MAX: usize = 64 * 1_024;
/// Erased entries that a report names; the others are counted.
const ERASED_MAX: usize = 10_000;

/// See the module. Feed it the lines in order; what it finds first is what it reports.
#[derive(Debug)]
pub struct Verifier {
    trusted: Option<PublicKey>,
    known: Vec<Checkpoint>,
    header: Option<Header>,
    last: Option<Base>,
    /// The entries up to the last one were withheld: what its hash is says the next signature.
    is_blind: bool,
    /// The node signed where the log begins.
    is_start_signed: bool,
    lanes: BTreeMap<Lane, MediaTime>,
    commands: HashSet<Uuid>,
    results: Results,
    report: Report,
    is_ended: bool,
}

impl Verifier {
    /// With the node's published key. Without one the file's own is taken, and the report says so.
    pub fn new(trusted: Option<PublicKey>) -> Self {
        Self {
            trusted,
            known: Vec::new(),
            header: None,
            last: None,
            is_blind: false,
            is_start_signed: false,
            lanes: BTreeMap::new(),
            commands: HashSet::new(),
            results: Results::default(),
            report: Report::default(),
            is_ended: false,
        }
    }

    /// A checkpoint got elsewhere (published, sent to a bidder): the log must contain it.
    pub fn expect(&mut self, checkpoint: Checkpoint) {
        self.known.push(checkpoint);
    }

    /// Takes one line, without its line feed. After the first bad one nothing more is looked at.
    pub fn line(&mut self, line: &str) {
        if self.report.bad.is_some() || line.trim().is_empty() {
            return;
        }
        if let Err(why) = self.read(line) {
            let n = self.last.map_or(0, |last| last.n);
            // An entry is taken in before anything of it is found bad; everything else stands after the last one.
            self.report.bad = Some(match why {
                Fault::Entry(n, why) => Bad { n, why },
                Fault::File(why) => Bad { n: n + 1, why },
            });
        }
    }

    /// What was found. The file ends here.
    pub fn finish(mut self) -> Report {
        if self.report.bad.is_none()
            && let Err(why) = self.check_end()
        {
            let n = self.last.map_or(0, |last| last.n);
            self.report.bad = Some(Bad { n: n + 1, why });
        }
        if self.report.first_n > 1 && !self.is_start_signed {
            self.report.warnings.push(
                "the node did not sign that the log begins here: its beginning may have been cut off by somebody else"
                    .into(),
            );
        }
        (self.report.windows, self.report.offers) = self.results.told();
        self.report.fairness = self.results.fairness();
        self.report
    }

    fn read(&mut self, line: &str) -> Result<(), Fault> {
        if line.len() > LINE_MAX {
            return Err(Fault::File(format!("a line of {} bytes; the longest has {LINE_MAX}", line.len())));
        }
        if self.is_ended {
            return Err(Fault::File("something stands after the end of the log".into()));
        }
        let line: Line = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(error) => return Err(Fault::File(format!("a line that is none of a log: {error}"))),
        };
        match (line, self.header.is_some()) {
            (Line::Log(header), false) => self.begin(header).map_err(Fault::File),
            (Line::Log(_), true) => Err(Fault::File("a second header".into())),
            (_, false) => Err(Fault::File("the first line is no header of a log".into())),
            (Line::Entry(entry), true) => {
                let n = entry.n;
                self.entry(entry).map_err(|why| Fault::Entry(n, why))
            }
            (Line::Withheld(withheld), true) => {
                self.withheld(withheld).map_err(|why| Fault::Entry(withheld.n, why))
            }
            (Line::Checkpoint(checkpoint), true) => {
                self.report.checkpoints += 1;
                let is_start = self.header.as_ref().is_some_and(|header| header.base.n == checkpoint.n);
                let mark =
                    if is_start && checkpoint.mark == Mark::Start { Mark::Start } else { Mark::Running };
                self.is_start_signed |= mark == Mark::Start;
                self.checkpoint(&checkpoint, mark).map_err(|why| Fault::Entry(checkpoint.n, why))
            }
            (Line::End(checkpoint), true) => {
                self.is_ended = true;
                self.checkpoint(&checkpoint, Mark::End).map_err(Fault::File)
            }
        }
    }

    fn begin(&mut self, header: Header) -> Result<(), String> {
        if header.version != FORMAT {
            return Err(format!("format {}, this program knows {FORMAT}", header.version));
        }
        match self.trusted {
            Some(key) if key != header.key => {
                return Err(format!("the log is signed by {}, not by the key given", header.key));
            }
            Some(_) => {}
            None => self.report.warnings.push(
                "no key was given: the one in the file was taken; compare it with the one the server publishes"
                    .into(),
            ),
        }
        if header.base.n == 0 && header.base != Base::start(&header.room) {
            return Err("the log does not begin where a log of this room begins".into());
        }
        if header.base.n > 0 {
            self.report.warnings.push(format!(
                "entries 1 to {} are no longer kept: what they opened cannot be computed again",
                header.base.n
            ));
        }
        self.report.room = Some(super::room_key(&header.room));
        self.report.key = Some(header.key);
        self.report.first_n = header.base.n + 1;
        self.last = Some(header.base);
        self.header = Some(header);
        Ok(())
    }

    fn entry(&mut self, line: EntryLine) -> Result<(), String> {
        let last = self.last.ok_or("no header")?;
        if line.n != last.n + 1 {
            return Err(format!("entry {} stands where entry {} should", line.n, last.n + 1));
        }
        if self.is_blind {
            return Err(format!("entry {} is withheld and no signature stands behind it", last.n));
        }
        if link(last.hash, &line.clear) != line.hash {
            return Err("the entry is not what was chained: its hash differs".into());
        }
        let entry = proven(&line)?;
        if entry.n != line.n {
            return Err(format!("its clear part says to be entry {}", entry.n));
        }
        if entry.term < last.term {
            return Err(format!("term {} comes after term {}", entry.term, last.term));
        }
        let clear = Clear::decode(&line.clear).map_err(|error| error.to_string())?;
        let seq = match &entry.body {
            Body::Event(event) => self.event(event, last.seq)?,
            Body::Hidden(_) => last.seq,
        };
        self.count(&entry, &clear);
        let (rule, cause, person) = parts(&entry);
        if let Some(cause) = cause
            && !self.commands.insert(cause)
        {
            return Err(format!("command {cause} was carried out twice"));
        }
        if let Some(rule) = rule {
            let fact = Fact { n: entry.n, cause, person, digest: clear.digests.person };
            self.results.take(rule, &fact)?;
        }
        self.last = Some(Base { n: entry.n, seq, term: entry.term, hash: line.hash });
        self.report.last_n = entry.n;
        self.check_known(entry.n, line.hash)
    }

    /// Between two signatures there is one way the log can have gone; only the node knows it as yet.
    fn withheld(&mut self, withheld: Withheld) -> Result<(), String> {
        let last = self.last.ok_or("no header")?;
        if withheld.n != last.n + 1 {
            return Err(format!("entry {} stands where entry {} should", withheld.n, last.n + 1));
        }
        if !self.is_blind && self.report.signed_n != Some(last.n) {
            return Err("it is withheld and no signature stands before it".into());
        }
        self.results.withhold(withheld.window)?;
        self.is_blind = true;
        self.last = Some(Base { n: withheld.n, ..last });
        self.report.last_n = withheld.n;
        self.report.withheld += 1;
        Ok(())
    }

    fn event(&mut self, event: &Event, last_seq: u64) -> Result<u64, String> {
        if self.header.as_ref().is_some_and(|header| header.room != event.room) {
            return Err(format!("an event of room {}", event.room));
        }
        if event.seq != last_seq + 1 {
            return Err(format!("seq {} comes after seq {last_seq}", event.seq));
        }
        let lane = self.lanes.entry(event.lane).or_insert(event.at);
        if event.at < *lane {
            return Err(format!("at goes back within lane {}", event.lane));
        }
        *lane = event.at;
        Ok(event.seq)
    }

    fn count(&mut self, entry: &Entry, clear: &Clear) {
        let (is_null, person) = match &entry.body {
            Body::Event(event) => (event.data.is_null(), event.actor.as_ref()),
            Body::Hidden(hidden) => (hidden.data.is_null(), hidden.person.as_ref()),
        };
        match &entry.body {
            Body::Event(_) => self.report.events += 1,
            Body::Hidden(_) => self.report.hidden += 1,
        }
        let erased = Erased {
            n: entry.n,
            payload: is_null && clear.digests.data.is_some(),
            person: person.is_none() && clear.digests.person.is_some(),
        };
        if erased.payload || erased.person {
            self.report.erased_count += 1;
            if self.report.erased.len() < ERASED_MAX {
                self.report.erased.push(erased);
            }
        }
        if self.report.terms.last() != Some(&entry.term) {
            self.report.terms.push(entry.term);
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, mark: Mark) -> Result<(), String> {
        let (Some(header), Some(last)) = (&self.header, self.last) else { return Err("no header".into()) };
        checkpoint.check(&header.key).map_err(|forged| forged.to_string())?;
        let is_of_here = checkpoint.room == header.room && checkpoint.mark == mark;
        if !is_of_here {
            return Err("a checkpoint of another log, or of another place in it".into());
        }
        if checkpoint.n != last.n {
            return Err(format!("a checkpoint of entry {} stands after entry {}", checkpoint.n, last.n));
        }
        if std::mem::take(&mut self.is_blind) {
            if checkpoint.term < last.term {
                return Err(format!("term {} comes after term {}", checkpoint.term, last.term));
            }
            self.last = Some(Base { hash: checkpoint.hash, term: checkpoint.term, ..last });
            self.report.signed_n = Some(last.n);
            return self.check_known(last.n, checkpoint.hash);
        }
        if checkpoint.hash != last.hash || checkpoint.term != last.term {
            return Err(format!(
                "the node signed another entry {}: the log was changed and chained anew",
                last.n
            ));
        }
        self.report.signed_n = Some(last.n);
        Ok(())
    }

    fn check_known(&self, n: u64, hash: Digest) -> Result<(), String> {
        let other = self.known.iter().find(|known| known.n == n && known.hash != hash);
        other.map_or(Ok(()), |_| Err("the checkpoint given says this entry was another".into()))
    }

    fn check_end(&self) -> Result<(), String> {
        let Some(last) = self.last else { return Err("the file holds no log".into()) };
        if !self.is_ended {
            return Err(format!("the log is cut: it stops after entry {} without its signed end", last.n));
        }
        for known in &self.known {
            let header = self.header.as_ref();
            if header.is_some_and(|header| header.room != known.room || known.check(&header.key).is_err()) {
                return Err("the checkpoint given is not of this room or not signed by this key".into());
            }
            if known.n > last.n {
                return Err(format!(
                    "the log is cut: it ends at entry {}, the checkpoint given knows entry {}",
                    last.n, known.n
                ));
            }
        }
        Ok(())
    }
}

enum Fault {
    Entry(u64, String),
    File(String),
}

/// The entry of a line, each part of which is shown to be what was written.
fn proven(line: &EntryLine) -> Result<Entry, String> {
    let mut shown = line.entry.clone();
    let person = body_mut(&mut shown)
        .and_then(|(kind, body)| body.get(if kind == "event" { "actor" } else { "person" }))
        .map(|person| serde_json::from_value::<Person>(person.clone()))
        .transpose()
        .map_err(|error| format!("the person of its readable copy: {error}"))?;
    let is_paired = line.payload.is_some() == line.payload_salt.is_some()
        && person.is_some() == line.person_salt.is_some();
    if !is_paired {
        return Err("a salt without what it hides, or the reverse".into());
    }
    let kept = Kept {
        clear: line.clear.clone(),
        payload: line.payload.clone().zip(line.payload_salt),
        person: person.zip(line.person_salt),
    };
    let entry = kept.entry().map_err(|error| error.to_string())?;
    let mut told = Clear::decode(&line.clear).map_err(|error| error.to_string())?.json;
    if let Some((kind, body)) = body_mut(&mut told) {
        let payload = kept.payload.as_ref().and_then(|(bytes, _)| cbor::to_json(&cbor::decode(bytes)?));
        let data = payload.unwrap_or_default();
        if kind == "event" || !data.is_null() {
            body.insert("data".into(), data);
        }
        if let Some((person, _)) = &kept.person {
            let key = if kind == "event" { "actor" } else { "person" };
            body.insert(key.into(), serde_json::to_value(person).unwrap_or_default());
        }
    }
    if !is_same(&told, &line.entry) {
        return Err("its readable copy is not what was chained".into());
    }
    Ok(entry)
}

/// Equal, but for the last bit of a fraction: programs read decimals not all alike, and the bytes are proven anyway.
fn is_same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_same(value, other)))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Json::Number(x), Json::Number(y)) if x.is_f64() || y.is_f64() => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) => (x - y).abs() <= x.abs() * 1e-15,
            _ => false,
        },
        _ => a == b,
    }
}

fn parts(entry: &Entry) -> (Option<&Rule>, Option<Uuid>, Option<&Person>) {
    match &entry.body {
        Body::Event(event) => (event.rule.as_ref(), event.cause, event.actor.as_ref()),
        Body::Hidden(hidden) => (Some(&hidden.rule), hidden.cause, hidden.person.as_ref()),
    }
}

/// The room a header line names, for programs that only want to know what a file is.
pub fn room_of(line: &str) -> Option<RoomId> {
    match serde_json::from_str(line) {
        Ok(Line::Log(header)) => Some(header.room),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
