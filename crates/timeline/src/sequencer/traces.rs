//! Who took part in what is open and was erased meanwhile: known by salted digests alone, so that nobody takes part twice. The
//! salt is erased as well once it is over; who it was is then gone for good.

use super::{Moment, Sequencer};
use crate::{
    Hidden, Remembered, Rule,
    audit::{Digest, Salt},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// See the module. Bounded by the entries and units that windows and offers may have.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Traces {
    /// By window or offer.
    open: BTreeMap<Uuid, Trace>,
    /// Entries whose salt is of no use any more.
    outdated: Vec<u64>,
}

#[derive(Debug, PartialEq)]
struct Trace {
    salt: Salt,
    persons: HashSet<Digest>,
    entries: Vec<u64>,
}

impl Traces {
    /// Takes an entry in; one whose salt is erased tells nothing.
    pub(super) fn take(&mut self, remembered: &Remembered, data: &Value, n: u64) {
        let Some(salt) = data.get("salt").and_then(Value::as_str).and_then(|salt| salt.parse().ok()) else {
            return;
        };
        let fresh = || Trace { salt, persons: HashSet::new(), entries: Vec::new() };
        let trace = self.open.entry(remembered.subject).or_insert_with(fresh);
        trace.persons.insert(remembered.person);
        trace.entries.push(n);
    }

    /// This person took part in it before they were erased.
    pub(super) fn know(&self, subject: Uuid, person: &str) -> bool {
        let trace = self.open.get(&subject);
        trace.is_some_and(|trace| trace.persons.contains(&digest(trace.salt, person)))
    }

    /// Lets go of what is over.
    pub(super) fn close(&mut self, is_open: impl Fn(Uuid) -> bool) {
        let outdated = &mut self.outdated;
        self.open.retain(|subject, trace| {
            let stays = is_open(*subject);
            if !stays {
                outdated.append(&mut trace.entries);
            }
            stays
        });
    }

    /// Windows and offers about which something is kept.
    pub(super) fn subjects(&self) -> impl Iterator<Item = Uuid> {
        self.open.keys().copied()
    }
}

impl Sequencer {
    /// Stages what keeps a person from taking part twice in what is open, before they are erased.
    pub fn remember_person(&mut self, id: &str, moment: Moment) {
        let windows = self.state.windows.iter().filter(|window| window.entries_of(id) > 0);
        let windows = windows.map(|window| (window.terms.window, window.ty.clone()));
        let offers = self.state.offers.iter().filter(|stock| stock.units_of(id) > 0);
        let offers = offers.map(|stock| (stock.offer.offer, stock.ty.clone()));
        let took_part: Vec<(Uuid, Arc<str>)> = windows.chain(offers).collect();
        for (subject, ty) in took_part {
            if self.state.traces.know(subject, id) {
                continue;
            }
            let known = self.state.traces.open.get(&subject).map(|trace| trace.salt);
            let salt = known.unwrap_or_else(|| Salt::derive(&self.derive(moment), &[b"trace"]));
            let rule = Rule::Remembered(Remembered { subject, person: digest(salt, id) });
            let hidden = Hidden {
                epoch: moment.epoch.unwrap_or(self.state.epoch),
                cause: None,
                ty: ty.to_string(),
                rule,
                person: None,
                data: json!({ "salt": salt }),
            };
            self.stage_hidden(hidden, moment);
        }
    }

    /// Entries whose payload, a salt, must be erased now: what it was for is over.
    pub fn outdated_salts(&self) -> &[u64] {
        &self.state.traces.outdated
    }

    /// The payload of entry `n` is erased.
    pub fn forget_salt(&mut self, n: u64) {
        self.state.traces.outdated.retain(|outdated| *outdated != n);
    }

    /// Without the payload of entry `n` somebody could take part twice in what is open.
    pub fn needs_salt(&self, n: u64) -> bool {
        self.state.traces.open.values().any(|trace| trace.entries.contains(&n))
    }
}

fn digest(salt: Salt, person: &str) -> Digest {
    Digest::of(&[salt.as_bytes(), person.as_bytes()])
}
