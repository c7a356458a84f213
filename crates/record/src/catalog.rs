//! What recordings there are.

use crate::{
    Head, Index, RecordingId, Shelf, State, StorageError, VERSION,
    live::{self, Live},
    manifest::{HEAD, INDEX},
    storage::Entries,
};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use unisono_base::StreamName;

/// Recordings known at once; more are passed over when the node starts, the oldest first.
const RECORDINGS_MAX: usize = 100_000;
/// Indexes kept in memory of recordings that are not written here, and read at once; each has up to 15 MB.
const INDEXES_MAX: usize = 4;
const READINGS_MAX: usize = 4;
/// How long the index of a recording that is open, but not written here, is believed.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// One recording.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) head: Head,
    /// While it is being written.
    pub(crate) live: Option<Arc<Live>>,
}

impl Entry {
    /// It may still grow, or waits to be finished.
    pub(crate) fn is_open(&self) -> bool {
        self.live.is_some() || self.head.state == State::Recording
    }
}

#[derive(Debug)]
pub(crate) struct Catalog {
    entries: RwLock<BTreeMap<RecordingId, Entry>>,
    indexes: Mutex<VecDeque<Read>>,
    readings: Semaphore,
}

/// An index that was read.
#[derive(Debug)]
struct Read {
    id: RecordingId,
    /// When, where the recording was still open.
    open_at: Option<Instant>,
    index: Arc<Index>,
}

impl Default for Catalog {
    fn default() -> Self {
        let readings = Semaphore::new(READINGS_MAX);
        Self { entries: RwLock::default(), indexes: Mutex::default(), readings }
    }
}

impl Catalog {
    pub(crate) fn insert(&self, entry: Entry) {
        let mut entries = self.entries.write();
        entries.insert(entry.head.id, entry);
        while entries.len() > RECORDINGS_MAX {
            entries.pop_first();
        }
    }

    pub(crate) fn get(&self, id: RecordingId) -> Option<Entry> {
        self.entries.read().get(&id).cloned()
    }

    pub(crate) fn remove(&self, id: RecordingId) {
        self.entries.write().remove(&id);
        self.indexes.lock().retain(|known| known.id != id);
    }

    /// Newest first, up to `max` below `before`, of those that `wanted` finds.
    pub(crate) fn page(
        &self,
        before: Option<RecordingId>,
        max: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Entry> {
        let entries = self.entries.read();
        let all = entries.iter().rev().filter(|(id, _)| before.is_none_or(|before| **id < before));
        all.map(|(_, entry)| entry).filter(|entry| wanted(entry)).take(max).cloned().collect()
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.entries.read().values().cloned().collect()
    }

    /// The lines of a recording.
    pub(crate) async fn index(&self, shelf: &dyn Shelf, entry: &Entry) -> Result<Arc<Index>, StorageError> {
        if let Some(live) = &entry.live {
            return Ok(live.index());
        }
        if let Some(known) = self.known_index(entry) {
            return Ok(known);
        }
        // A day's has hundreds of files: those who ask for the same one at once read it once.
        let _turn = self.readings.acquire().await;
        if let Some(known) = self.known_index(entry) {
            return Ok(known);
        }
        let open_at = entry.is_open().then(Instant::now);
        let index = Arc::new(read_index(shelf, &live::folder(&entry.head)).await?);
        let id = entry.head.id;
        let mut indexes = self.indexes.lock();
        indexes.retain(|known| known.id != id);
        indexes.push_back(Read { id, open_at, index: index.clone() });
        while indexes.len() > INDEXES_MAX {
            indexes.pop_front();
        }
        Ok(index)
    }

    fn known_index(&self, entry: &Entry) -> Option<Arc<Index>> {
        let indexes = self.indexes.lock();
        let known = indexes.iter().find(|known| known.id == entry.head.id)?;
        let is_valid = match known.open_at {
            Some(read) => entry.is_open() && read.elapsed() < OPEN_FOR,
            None => true,
        };
        is_valid.then(|| known.index.clone())
    }
}

/// The lines of a recording, from its files.
pub(crate) async fn read_index(shelf: &dyn Shelf, folder: &str) -> Result<Index, StorageError> {
    let pages = format!("{folder}/{INDEX}");
    let mut index = Index::default();
    for name in shelf.list(&pages, Entries::Files).await? {
        if name.ends_with(".jsonl") {
            index.read(&shelf.get(&format!("{pages}/{name}"), None).await?);
        }
    }
    Ok(index)
}

/// What was found by [`read_heads`].
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) heads: Vec<Head>,
    /// Folders and heads that could not be read just now.
    pub(crate) unread: usize,
}

impl Found {
    /// Said and passed over: one folder that cannot be read keeps no other from being found.
    fn names(&mut self, folder: &str, names: Result<Vec<String>, StorageError>) -> Vec<String> {
        names.unwrap_or_else(|error| {
            tracing::warn!(folder, "what is recorded there cannot be read: {error}");
            self.unread += 1;
            Vec::new()
        })
    }

    fn take(&mut self, folder: &str, head: Result<Head, Unread>) {
        let reason = match head {
            Ok(head) if live::folder(&head) == folder => return self.heads.push(head),
            Ok(_) => "it was moved".to_owned(),
            Err(Unread::Damaged(reason)) => reason,
            Err(Unread::Now(error)) => {
                self.unread += 1;
                error.to_string()
            }
        };
        tracing::warn!(folder, reason, "this recording cannot be read; it is passed over");
    }
}

/// Why a head could not be read.
pub(crate) enum Unread {
    /// Storage did not give it; it may later.
    Now(StorageError),
    /// It is not there, or not one of ours.
    Damaged(String),
}

/// The heads of all recordings there are, `app/name/id` by `app/name/id`. Errors when not even that can be listed.
pub(crate) async fn read_heads(shelf: &dyn Shelf) -> Result<Found, StorageError> {
    let mut found = Found::default();
    for app in shelf.list("", Entries::Folders).await? {
        // Other folders lie there as well: `lost+found` of a disk, and what is being taken away.
        if StreamName::new(&app, "x").is_err() {
            continue;
        }
        for name in found.names(&app, shelf.list(&app, Entries::Folders).await) {
            let stream = format!("{app}/{name}");
            for id in found.names(&stream, shelf.list(&stream, Entries::Folders).await) {
                let folder = format!("{stream}/{id}");
                found.take(&folder, read_head(shelf, &folder).await);
            }
        }
    }
    Ok(found)
}

/// What one recording says about itself.
pub(crate) async fn read_head(shelf: &dyn Shelf, folder: &str) -> Result<Head, Unread> {
    let text = shelf.get(&format!("{folder}/{HEAD}"), None).await.map_err(|error| match error {
        StorageError::Missing(_) => Unread::Damaged(error.to_string()),
        error => Unread::Now(error),
    })?;
    let version = serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|v| v["version"].as_u64());
    if version.is_some_and(|version| version > u64::from(VERSION)) {
        let found = version.unwrap_or_default();
        return Err(Unread::Damaged(format!("version {found}, this program knows {VERSION}")));
    }
    serde_json::from_slice(&text).map_err(|error| Unread::Damaged(format!("{HEAD}: {error}")))
}
