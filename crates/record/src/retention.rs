//! Which recordings go: whole ones, the oldest first, never one that is being written.

use crate::{Owner, RecordingId, catalog::Entry};
use std::time::Duration;
use unisono_base::{MediaTime, Span};

/// A recording that may go, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Victim {
    pub(crate) id: RecordingId,
    /// `keep_days` or `keep_gib`.
    pub(crate) reason: &'static str,
}

/// Those of one node among `all`, which are oldest first. `now`: the node's timeline clock.
pub(crate) fn victims(
    all: &[Entry],
    node: Owner,
    now: MediaTime,
    keep_for: Option<Duration>,
    keep_bytes: Option<u64>,
) -> Vec<Victim> {
    let bytes_of = |entry: &Entry| match (&entry.live, entry.head.summary) {
        (Some(live), _) => live.index().summary().bytes,
        (None, summary) => summary.map_or(0, |summary| summary.bytes),
    };
    let own = || all.iter().filter(|entry| entry.head.is_of(node));
    let mut bytes: u64 = own().map(bytes_of).sum();
    let mut victims = Vec::new();
    for entry in own().filter(|entry| !entry.is_open()) {
        let end = entry.head.summary.and_then(|summary| summary.to).unwrap_or(entry.head.began);
        let keep =
            keep_for.map(|keep| Span::from_micros(i64::try_from(keep.as_micros()).unwrap_or(i64::MAX)));
        let reason = if keep.is_some_and(|keep| now - end > keep) {
            "keep_days"
        } else if keep_bytes.is_some_and(|keep| bytes > keep) {
            "keep_gib"
        } else {
            continue;
        };
        bytes -= bytes_of(entry);
        victims.push(Victim { id: entry.head.id, reason });
    }
    victims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Head, State, Summary, VERSION,
        live::Live,
        queue::{Budget, Queue},
    };
    use std::sync::Arc;

    fn node() -> Owner {
        serde_json::from_str("\"0199d2a4-7c1e-7b33-8d5a-0c2f6a9b1e47\"").expect("a name")
    }

    fn entry(day: i64, bytes: u64, is_running: bool) -> Entry {
        let to = MediaTime::from_micros(day * 86_400_000_000);
        let head = Head {
            version: VERSION,
            id: RecordingId::now(),
            stream: "live/x".to_owned(),
            owner: Some(node()),
            state: State::Finished,
            began: to,
            continues: None,
            ended: None,
            summary: Some(Summary { to: Some(to), bytes, ..Summary::default() }),
        };
        let live = is_running.then(|| Arc::new(Live::new(head.clone(), Queue::new(Budget::new(0)))));
        Entry { head, live }
    }

    fn gone(all: &[Entry], now: i64, days: Option<u64>, bytes: Option<u64>) -> Vec<(usize, &'static str)> {
        let now = MediaTime::from_micros(now * 86_400_000_000 + 1);
        let found = victims(all, node(), now, days.map(|days| Duration::from_secs(days * 86_400)), bytes);
        let at = |id| all.iter().position(|entry| entry.head.id == id).expect("one of them");
        found.into_iter().map(|victim| (at(victim.id), victim.reason)).collect()
    }

    #[test]
    fn the_oldest_go_first_and_the_running_one_stays() {
        let all = [entry(1, 50, false), entry(2, 50, true), entry(3, 50, false), entry(4, 50, false)];
        assert_eq!(gone(&all, 5, None, None), []);
        assert_eq!(gone(&all, 5, Some(2), None), [(0, "keep_days"), (2, "keep_days")]);
        assert_eq!(gone(&all, 5, None, Some(120)), [(0, "keep_gib")]);
        assert_eq!(gone(&all, 5, None, Some(0)), [(0, "keep_gib"), (2, "keep_gib"), (3, "keep_gib")]);
        assert_eq!(gone(&all, 5, Some(3), Some(80)), [(0, "keep_days"), (2, "keep_gib")]);
    }

    #[test]
    fn what_another_node_recorded_neither_goes_nor_counts() {
        let mut all = [entry(1, 50, false), entry(2, 50, false), entry(3, 50, false)];
        let other = "\"0199d2a4-7c1e-7b33-8d5a-0c2f6a9b1e48\"";
        all[0].head.owner = Some(serde_json::from_str(other).expect("a name"));
        all[1].head.owner = None;
        assert_eq!(gone(&all, 5, None, Some(100)), []);
        assert_eq!(
            gone(&all, 5, Some(1), None),
            [(1, "keep_days"), (2, "keep_days")],
            "nobody's is anybody's"
        );
    }
}
