//! A log in memory: gone with the process, and short.

use super::{Erase, LogError, LogRoom, Page, Retention, RoomLog, check_follows};
use crate::BoxFuture;
use std::{
    collections::{BTreeMap, VecDeque},
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
};
use unisono_base::RoomId;
use unisono_timeline::{
    Uuid,
    audit::{Base, Checkpoint, Sealed},
};

/// Checkpoints kept per room, the newest.
const CHECKPOINTS_MAX: usize = 1_024;

/// Rooms in memory. Per room the newest `entries_max` entries are kept, the older ones are gone; a room beyond
/// `rooms_max` is refused. An entry is at most about 6 KiB, so the default bounds one room to some 24 MiB.
#[derive(Debug)]
pub struct MemoryLog {
    rooms_max: usize,
    entries_max: usize,
    rooms: Mutex<BTreeMap<RoomId, Log>>,
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Sealed>,
    checkpoints: VecDeque<Checkpoint>,
    base: Option<Base>,
    last_seq: u64,
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

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<RoomId, Log>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now(&self, room: &RoomId, expected: u64, entries: Vec<Sealed>) -> Result<u64, LogError> {
        let mut rooms = self.rooms();
        let last = rooms.get(room).map_or(0, Log::last_n);
        if last != expected {
            return Err(LogError::Conflict { room: room.to_string(), expected, last });
        }
        if rooms.len() >= self.rooms_max && !rooms.contains_key(room) {
            let limit = format!("{} rooms in memory; it empties at a restart", self.rooms_max);
            return Err(LogError::Full { room: room.to_string(), limit });
        }
        check_follows(room, expected, &entries)?;
        let log = rooms.entry(room.clone()).or_default();
        log.last_seq = entries.iter().filter_map(Sealed::seq).next_back().unwrap_or(log.last_seq);
        log.entries.extend(entries);
        log.forget(log.entries.len().saturating_sub(self.entries_max));
        Ok(log.last_n())
    }

    fn page(&self, room: &RoomId, max: usize, wanted: impl Fn(&Sealed) -> bool) -> Page {
        let rooms = self.rooms();
        let Some(log) = rooms.get(room) else { return Page::default() };
        Page {
            entries: log.entries.iter().filter(|sealed| wanted(sealed)).take(max).cloned().collect(),
            last_n: log.last_n(),
            base: log.base,
        }
    }

    fn erase_now(&self, room: &RoomId, what: &Erase) -> u64 {
        let mut rooms = self.rooms();
        let Some(log) = rooms.get_mut(room) else { return 0 };
        let mut erased = 0;
        for sealed in &mut log.entries {
            let (is_it, is_person) = match what {
                Erase::Payload { n } => (sealed.entry.n == *n, false),
                Erase::Person { id } => (sealed.person().is_some_and(|person| person.id == *id), true),
            };
            if is_it {
                erased += 1;
                sealed.erase_payload();
            }
            if is_it && is_person {
                sealed.erase_person();
            }
        }
        erased
    }

    fn retain_now(&self, room: &RoomId, keep: Retention) -> u64 {
        let mut rooms = self.rooms();
        let Some(log) = rooms.get_mut(room) else { return 0 };
        let (len, last_n) = (log.entries.len() as u64, log.last_n());
        let surplus = keep.entries_max.map_or(0, |max| len.saturating_sub(max));
        let goes = |sealed: &Sealed| {
            let n = sealed.entry.n;
            let is_old = keep.older_than.is_some_and(|t| sealed.entry.t < t);
            (is_old || n <= last_n - len + surplus) && keep.keep_from.is_none_or(|from| n < from)
        };
        let count = log.entries.iter().take_while(|sealed| goes(sealed)).count();
        log.forget(count);
        count as u64
    }
}

impl Log {
    fn last_n(&self) -> u64 {
        self.entries.back().map(|sealed| sealed.entry.n).or(self.base.map(|base| base.n)).unwrap_or(0)
    }

    fn forget(&mut self, count: usize) {
        for sealed in self.entries.drain(..count) {
            let seq = sealed.seq().or(self.base.map(|base| base.seq)).unwrap_or(0);
            let hash = sealed.seal.hash;
            self.base = Some(Base { n: sealed.entry.n, seq, term: sealed.entry.term, hash });
        }
        if let Some(base) = self.base {
            self.checkpoints.retain(|checkpoint| checkpoint.n >= base.n);
        }
    }
}

impl RoomLog for MemoryLog {
    fn append<'a>(
        &'a self,
        room: &'a RoomId,
        expected_n: u64,
        entries: Vec<Sealed>,
    ) -> BoxFuture<'a, Result<u64, LogError>> {
        Box::pin(async move { self.append_now(room, expected_n, entries) })
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        Box::pin(ready(Ok(self.page(room, max, |sealed| sealed.entry.n >= from_n))))
    }

    fn read_events<'a>(
        &'a self,
        room: &'a RoomId,
        from_seq: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        let wanted = |sealed: &Sealed| sealed.seq().is_some_and(|seq| seq >= from_seq);
        Box::pin(ready(Ok(self.page(room, max, wanted))))
    }

    fn find_command<'a>(
        &'a self,
        room: &'a RoomId,
        cmd_id: Uuid,
    ) -> BoxFuture<'a, Result<Option<Sealed>, LogError>> {
        let mut page = self.page(room, 1, |sealed| sealed.cause() == Some(cmd_id));
        Box::pin(ready(Ok(page.entries.pop())))
    }

    fn checkpoint<'a>(
        &'a self,
        room: &'a RoomId,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        if let Some(log) = self.rooms().get_mut(room) {
            log.checkpoints.push_back(checkpoint);
            let surplus = log.checkpoints.len().saturating_sub(CHECKPOINTS_MAX);
            log.checkpoints.drain(..surplus);
        }
        Box::pin(ready(Ok(())))
    }

    fn checkpoints<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, LogError>> {
        let rooms = self.rooms();
        let kept = rooms.get(room).into_iter().flat_map(|log| &log.checkpoints);
        let found = kept.filter(|checkpoint| checkpoint.n >= from_n).take(max).cloned().collect();
        Box::pin(ready(Ok(found)))
    }

    fn erase<'a>(&'a self, room: &'a RoomId, what: Erase) -> BoxFuture<'a, Result<u64, LogError>> {
        Box::pin(ready(Ok(self.erase_now(room, &what))))
    }

    fn retain<'a>(&'a self, room: &'a RoomId, keep: Retention) -> BoxFuture<'a, Result<u64, LogError>> {
        Box::pin(ready(Ok(self.retain_now(room, keep))))
    }

    fn rooms<'a>(
        &'a self,
        after: Option<&'a RoomId>,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<LogRoom>, LogError>> {
        let rooms = self.rooms();
        let named = rooms.iter().filter(|(room, _)| after.is_none_or(|after| *room > after)).take(max);
        let found = named.map(|(room, log)| LogRoom {
            room: room.clone(),
            last_n: log.last_n(),
            last_seq: log.last_seq,
            base_n: log.base.map_or(0, |base| base.n),
        });
        Box::pin(ready(Ok(found.collect())))
    }
}
