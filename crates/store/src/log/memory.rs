//! A log in memory: gone with the process, and short.

use super::{LogError, Page, RoomLog};
use crate::BoxFuture;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};
use unisono_base::RoomId;
use unisono_timeline::Entry;

/// Rooms in memory. Per room the newest `entries_max` entries are kept, the older ones are gone; a room beyond
/// `rooms_max` is refused. An entry is at most about 3 KiB, so the default bounds one room to some 12 MiB.
#[derive(Debug)]
pub struct MemoryLog {
    rooms_max: usize,
    entries_max: usize,
    rooms: Mutex<HashMap<RoomId, VecDeque<Entry>>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(1_000, 4_096)
    }
}

impl MemoryLog {
    /// A log with bounds of its own, each at least one.
    pub fn new(rooms_max: usize, entries_max: usize) -> Self {
        Self { rooms_max: rooms_max.max(1), entries_max: entries_max.max(1), rooms: Mutex::default() }
    }

    fn append_now(&self, room: &RoomId, expected: u64, entries: Vec<Entry>) -> Result<u64, LogError> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let last = rooms.get(room).and_then(VecDeque::back).map_or(0, |entry| entry.n);
        if last != expected {
            return Err(LogError::Conflict { room: room.to_string(), expected, last });
        }
        if rooms.len() >= self.rooms_max && !rooms.contains_key(room) {
            let limit = format!("{} rooms in memory; it empties at a restart", self.rooms_max);
            return Err(LogError::Full { room: room.to_string(), limit });
        }
        let log = rooms.entry(room.clone()).or_default();
        log.extend(entries);
        let surplus = log.len().saturating_sub(self.entries_max);
        log.drain(..surplus);
        Ok(log.back().map_or(0, |entry| entry.n))
    }

    fn read_now(&self, room: &RoomId, from_n: u64, max: usize) -> Page {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = rooms.get(room) else { return Page::default() };
        let start = log.partition_point(|entry| entry.n < from_n);
        Page {
            entries: log.range(start..).take(max).cloned().collect(),
            last_n: log.back().map_or(0, |entry| entry.n),
        }
    }
}

impl RoomLog for MemoryLog {
    fn append<'a>(
        &'a self,
        room: &'a RoomId,
        expected_n: u64,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<u64, LogError>> {
        Box::pin(async move { self.append_now(room, expected_n, entries) })
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        Box::pin(async move { Ok(self.read_now(room, from_n, max)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use unisono_base::{Epoch, MediaTime, Tenant};
    use unisono_timeline::{Body, Event, Lane, Late, Uuid};

    fn room(name: &str) -> RoomId {
        RoomId::parse(Tenant::default(), &format!("live:{name}")).expect("valid")
    }

    fn entry(n: u64) -> Entry {
        let event = Event {
            room: room("alice"),
            epoch: Epoch(1),
            seq: n,
            id: Uuid::from_u128(u128::from(n)),
            lane: Lane::Alert,
            ty: "goal".into(),
            at: MediaTime::from_micros(n as i64),
            dur: None,
            ttl: None,
            late: Late::Show,
            actor: None,
            cause: None,
            subject: None,
            supersedes: None,
            cancels: None,
            rule: None,
            data: serde_json::Value::Null,
        };
        Entry { n, term: 1, t: MediaTime::from_micros(n as i64), body: Body::Event(Arc::new(event)) }
    }

    #[tokio::test]
    async fn an_append_that_expects_another_end_changes_nothing() {
        let log = MemoryLog::default();
        let room = room("alice");
        assert_eq!(log.append(&room, 0, vec![entry(1), entry(2)]).await, Ok(2));
        let refused = log.append(&room, 1, vec![entry(2)]).await;
        assert!(matches!(refused, Err(LogError::Conflict { expected: 1, last: 2, .. })));
        let page = log.read(&room, 2, 10).await.expect("in memory");
        assert_eq!(page, Page { entries: vec![entry(2)], last_n: 2 });
    }

    #[tokio::test]
    async fn a_long_log_loses_its_start_and_a_read_says_where_it_begins() {
        let log = MemoryLog::new(1, 3);
        let room = room("alice");
        for n in 1..=10 {
            log.append(&room, n - 1, vec![entry(n)]).await.expect("in order");
        }
        let page = log.read(&room, 1, 2).await.expect("in memory");
        assert_eq!(page.entries.iter().map(|e| e.n).collect::<Vec<_>>(), [8, 9]);
        assert_eq!(page.last_n, 10);
    }

    #[tokio::test]
    async fn one_room_too_many_is_refused_in_words() {
        let log = MemoryLog::new(1, 3);
        log.append(&room("alice"), 0, vec![entry(1)]).await.expect("first");
        let refused = log.append(&room("bob"), 0, vec![entry(1)]).await.expect_err("second").to_string();
        assert!(refused.contains("live:bob") && refused.contains("1 rooms"), "{refused}");
    }
}
