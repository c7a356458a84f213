//! What the bidders were promised: every acknowledgement they got, to be compared with the room's log after a crash.

use crate::room_feed::{Answer, Entrance, RoomFeed, Said};
use anyhow::Context;
use parking_lot::Mutex;
use serde::Serialize;
use std::{collections::HashMap, time::Duration};
use tokio::time::timeout;
use unisono_timeline::Uuid;

/// How long the room may take to tell its whole story.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// `seq` that an accepted command was promised.
    promised: HashMap<Uuid, u64>,
    /// Its entry in the log.
    entries: HashMap<Uuid, u64>,
    counts: Counts,
}

/// Answers by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) outbid: u64,
    pub(super) late: u64,
    /// The same command once more: answered as the first time, and nothing else.
    pub(super) duplicate: u64,
    /// Everything else, with words.
    pub(super) refused: u64,
}

/// What became of the promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Audit {
    /// Commands that were acknowledged before.
    pub(super) acknowledged: u64,
    /// ... and are not in the log.
    pub(super) lost: u64,
    /// ... or in it more than once.
    pub(super) doubled: u64,
    /// ... or elsewhere than promised.
    pub(super) moved: u64,
}

impl Ledger {
    pub(super) fn sent(&self) {
        self.0.lock().counts.sent += 1;
    }

    /// An answer has come. `is_own`: to a command of the asker's own making.
    pub(super) fn answered(&self, answer: &Answer, is_own: bool) {
        let mut book = self.0.lock();
        let counts = &mut book.counts;
        match answer.status.as_str() {
            "accepted" => counts.accepted += 1,
            "outbid" => counts.outbid += 1,
            "late" => counts.late += 1,
            "duplicate" => counts.duplicate += 1,
            _ => counts.refused += 1,
        }
        // A command sent again after a crash is acknowledged as a duplicate: the first answer was lost on its way.
        let is_promise = matches!(answer.status.as_str(), "accepted" | "duplicate") && is_own;
        if let Some(seq) = answer.seq.filter(|_| is_promise) {
            book.promised.insert(answer.cmd_id, seq);
            if let Some(n) = answer.n {
                book.entries.insert(answer.cmd_id, n);
            }
        }
    }

    /// The log entry of a command, where its sender was told.
    pub(super) fn n_of(&self, cmd_id: Uuid) -> Option<u64> {
        self.0.lock().entries.get(&cmd_id).copied()
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.lock().counts
    }

    /// Reads the room's whole story by `entrance` and compares.
    pub(super) async fn audit(&self, entrance: &Entrance) -> anyhow::Result<Audit> {
        let promised = self.0.lock().promised.clone();
        let entrance = Entrance { from_seq: Some(1), ..entrance.clone() };
        let last = promised.values().copied().max().unwrap_or(0);
        let story = timeout(PATIENCE, story(&entrance, last)).await;
        Ok(compare(&promised, &story.context("the room did not tell its story in time")??))
    }
}

/// Every `seq` by the command that caused it, up to `last` or the room's last.
async fn story(entrance: &Entrance, last: u64) -> anyhow::Result<HashMap<Uuid, Vec<u64>>> {
    let mut feed = RoomFeed::open(entrance).await?;
    let mut story: HashMap<Uuid, Vec<u64>> = HashMap::new();
    let mut end = last;
    let mut seen = 0;
    while seen < end {
        match feed.next().await? {
            Said::Hello { seq, .. } => end = end.min(seq),
            Said::Events { events } => {
                for told in events {
                    seen = told.seq;
                    if let Some(cause) = told.cause {
                        story.entry(cause).or_default().push(told.seq);
                    }
                }
            }
            Said::Ack(_) | Said::Else => {}
        }
    }
    Ok(story)
}

fn compare(promised: &HashMap<Uuid, u64>, story: &HashMap<Uuid, Vec<u64>>) -> Audit {
    let mut audit = Audit { acknowledged: promised.len() as u64, ..Audit::default() };
    for (cmd_id, seq) in promised {
        match story.get(cmd_id).map(Vec::as_slice) {
            None | Some([]) => audit.lost += 1,
            Some([one]) => audit.moved += u64::from(one != seq),
            Some(_) => audit.doubled += 1,
        }
    }
    audit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_or_moved_is_counted() {
        let [kept, lost, doubled, moved] = std::array::from_fn(|_| Uuid::now_v7());
        let promised = HashMap::from([(kept, 1), (lost, 2), (doubled, 3), (moved, 4)]);
        let story = HashMap::from([(kept, vec![1]), (doubled, vec![3, 5]), (moved, vec![9])]);
        let audit = compare(&promised, &story);
        assert_eq!(audit, Audit { acknowledged: 4, lost: 1, doubled: 1, moved: 1 });
    }

    #[test]
    fn anothers_command_sent_again_is_no_promise_to_the_one_who_sent_it() {
        let ledger = Ledger::default();
        let answer =
            Answer { cmd_id: Uuid::now_v7(), status: "duplicate".to_owned(), n: Some(4), seq: Some(3) };
        ledger.answered(&answer, false);
        assert_eq!((ledger.counts().duplicate, ledger.0.lock().promised.len()), (1, 0));
        ledger.answered(&answer, true);
        assert_eq!(ledger.0.lock().promised.len(), 1);
    }
}
