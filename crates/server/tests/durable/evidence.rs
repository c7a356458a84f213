//! The exported log beside what clients were told.

use crate::clients::{Client, Door};

use std::collections::HashMap;
use unisono_timeline::{Body, Decision, Entry, Rule, Uuid, audit::Line};

/// The entries of an export, in order.
pub(crate) struct Evidence(Vec<Entry>);

impl Evidence {
    pub(crate) fn read(export: &str) -> Self {
        let entries = export.lines().filter_map(|line| match serde_json::from_str(line).expect("a line") {
            Line::Entry(line) => Some(serde_json::from_value(line.entry).expect("an entry")),
            Line::Log(_) | Line::Withheld(_) | Line::Checkpoint(_) | Line::End(_) => None,
        });
        Self(entries.collect())
    }

    /// Every acknowledged command stands where it was said to stand, once, in its sender's order, and every event that
    /// somebody was told is the one of that number.
    pub(crate) fn holds_all(&self, clients: &[Client], commands: usize) {
        let mut by_cause: HashMap<Uuid, Vec<&Entry>> = HashMap::new();
        for entry in &self.0 {
            by_cause.entry(cause(entry).unwrap_or_default()).or_default().push(entry);
        }
        let mut found = 0;
        for client in clients {
            let mut last_n = 0;
            for (index, sent) in client.sent.iter().enumerate() {
                let place = format!("client {}, command {index}", client.number);
                let ack = sent.ack.as_ref().expect("all are answered");
                let [entry] = by_cause.get(&sent.cmd_id).map(Vec::as_slice).unwrap_or_default() else {
                    panic!("{place} does not stand in the log once: {ack:?} {:?}", ack.words);
                };
                assert_eq!((Some(entry.n), seq(entry)), (ack.n, ack.seq), "{place}: {ack:?}");
                assert!(entry.n > last_n, "{place} stands before the one sent before it");
                (last_n, found) = (entry.n, found + 1);
            }
            self.was_told_to(client);
        }
        assert_eq!(found, commands);
        let terms: std::collections::BTreeSet<_> = self.0.iter().map(|entry| entry.term).collect();
        assert!(
            (2..=1 + crate::KILLS).contains(&terms.len()),
            "an incarnation for each life that wrote: {terms:?}"
        );
    }

    fn was_told_to(&self, client: &Client) {
        if client.door == Door::Http {
            return;
        }
        let ids: HashMap<u64, Uuid> =
            self.0.iter().filter_map(|entry| Some((seq(entry)?, id(entry)?))).collect();
        for (seq, told) in &client.told {
            assert_eq!(ids.get(seq), Some(told), "client {} was told another event {seq}", client.number);
        }
        let last = client.told.last().map_or(0, |(seq, _)| *seq);
        let got = client.told.len() as u64;
        println!("client {}: {got} of {last} events, {} stood in a snapshot", client.number, client.skipped);
        assert!(got == last || client.skipped > 0, "client {} missed some", client.number);
    }

    /// The result told is the count of everybody's last vote.
    pub(crate) fn counts_votes(&self, clients: &[Client], poll: &str) {
        let mut due = [0; 3];
        for client in clients {
            if let Some(choice) = client.sent.iter().rev().find_map(|sent| sent.vote) {
                due[choice] += 1;
            }
        }
        let told = self.0.iter().find_map(|entry| match rule(entry) {
            Some(Rule::Decided(outcome)) if outcome.window.to_string() == poll => {
                Some(outcome.result.clone())
            }
            _ => None,
        });
        assert_eq!(told, Some(Decision::Tally { counts: due.to_vec() }));
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many entries are of this person.
    pub(crate) fn entries_of(&self, person: &str) -> usize {
        let of = |entry: &&Entry| match &entry.body {
            Body::Event(event) => event.actor.as_ref().is_some_and(|actor| &*actor.id == person),
            Body::Hidden(hidden) => hidden.person.as_ref().is_some_and(|by| &*by.id == person),
        };
        self.0.iter().filter(of).count()
    }
}

fn cause(entry: &Entry) -> Option<Uuid> {
    match &entry.body {
        Body::Event(event) => event.cause,
        Body::Hidden(hidden) => hidden.cause,
    }
}

fn seq(entry: &Entry) -> Option<u64> {
    match &entry.body {
        Body::Event(event) => Some(event.seq),
        Body::Hidden(_) => None,
    }
}

fn id(entry: &Entry) -> Option<Uuid> {
    match &entry.body {
        Body::Event(event) => Some(event.id),
        Body::Hidden(_) => None,
    }
}

fn rule(entry: &Entry) -> Option<&Rule> {
    match &entry.body {
        Body::Event(event) => event.rule.as_ref(),
        Body::Hidden(hidden) => Some(&hidden.rule),
    }
}
