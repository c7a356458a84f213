//! All recordings of a node: begun when a stream comes that is to be recorded, listed, read, and taken away in time.

use crate::{
    Clip, ClipError, Config, Head, Index, Metrics, Owner, RecordingId, Shelf, StorageError, Summary, Trouble,
    catalog::{Catalog, Entry},
    live,
    load::Repair,
    queue::Budget,
    retention,
    running::UNWRITTEN_MAX,
    storage,
    turns::Turns,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    any::Any,
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_base::{MediaTime, NodeClock, StreamId};
use unisono_hub::Hub;
use unisono_proto_hls::View;
use unisono_store::{BoxFuture, Kv, KvError};

/// How often streams are looked at. A ring holds twelve seconds, so that nothing is missed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often what is too old is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// When the node goes down: so long what waits is still written.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// Streams with a word of their own about recording.
const RULES_MAX: usize = 10_000;
/// Their names in the store begin with this.
const RULE: &str = "recording/";

/// Clips whose tables are kept in memory; those of a day have some 40 MB.
const CLIPS_MAX: usize = 4;

/// Recordings that are finished at once after a crash; each reads an index of up to 15 MB and the room's log.
const REPAIRS_MAX: usize = 4;

type ClipKey = (RecordingId, (Option<MediaTime>, Option<MediaTime>));

/// Where the packaged segments of a stream come from.
pub trait Packagers: Send + Sync {
    /// The packager of a live stream, running for as long as what is returned is held. `Err`: in words why there is none.
    fn views(&self, stream: &StreamId) -> Result<Views, String>;
}

/// See [`Packagers::views`].
pub struct Views {
    /// The newest view.
    pub receiver: watch::Receiver<Option<Arc<View>>>,
    /// Keeps the packager running.
    pub held: Box<dyn Any + Send + Sync>,
}

/// Where the events of a recording come from.
pub trait Logs: Send + Sync {
    /// The log of the stream's room from the first entry at or after `from` on, as it is exported; `None` where there is
    /// nothing, or nothing to be had.
    fn lines<'a>(&'a self, stream: &'a StreamId, from: MediaTime) -> BoxFuture<'a, Option<Bytes>>;
}

/// Whether a stream is recorded, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// It is, whenever it is live.
    pub is_on: bool,
    /// Somebody asked for it; otherwise it is what the configuration says.
    pub is_asked: bool,
}

/// A wish that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Too many.
    #[error("{RULES_MAX} streams have a word of their own about recording, the limit")]
    TooMany,
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] KvError),
}

/// A recording that was not taken away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// It is to be ended first.
    #[error("it is being written")]
    Written,
    /// It is to be taken away there.
    #[error("it was recorded by another node, {0}, which keeps its recordings in the same place")]
    Elsewhere(Owner),
    /// It cannot be changed just now.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What is to be known about one recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What it says about itself.
    pub head: Head,
    /// What is in it, up to now.
    pub summary: Summary,
    /// Why nothing is written at the moment.
    pub trouble: Option<Trouble>,
    entry: Entry,
}

impl Recording {
    fn of(entry: Entry) -> Self {
        let summary = match &entry.live {
            Some(live) => live.index().summary(),
            None => entry.head.summary.unwrap_or_default(),
        };
        let trouble = entry.live.as_ref().and_then(|live| live.trouble());
        Self { head: entry.head.clone(), summary, trouble, entry }
    }

    /// It may still grow, or waits to be finished.
    pub fn is_running(&self) -> bool {
        self.entry.is_open()
    }
}

/// See the module. Shared by reference.
pub struct Recordings {
    pub(crate) config: Config,
    pub(crate) shelf: Arc<dyn Shelf>,
    /// This node, in its recordings' heads.
    pub(crate) owner: Owner,
    pub(crate) hub: Arc<Hub>,
    kv: Arc<dyn Kv>,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) packagers: Arc<dyn Packagers>,
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) catalog: Catalog,
    /// Of finished recordings: a player asks for many stretches of one file.
    clips: Mutex<VecDeque<(ClipKey, Clip)>>,
    turns: Turns,
    pub(crate) is_loaded: AtomicBool,
    pub(crate) running: Mutex<HashMap<StreamId, CancellationToken>>,
    /// A place for each recording that is not wholly written.
    pub(crate) unwritten: Arc<Semaphore>,
    /// Those that a program which died left open, while they are finished.
    pub(crate) repairs: Mutex<HashMap<RecordingId, Repair>>,
    pub(crate) repair_turns: Semaphore,
    rules: Mutex<BTreeMap<StreamId, bool>>,
    look: Notify,
    pub(crate) stop: CancellationToken,
    pub(crate) give_up: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Recordings {
    /// Opens the place and reads what was asked for; nothing is recorded before [`Self::run`].
    pub async fn open(
        config: Config,
        (hub, kv): (Arc<Hub>, Arc<dyn Kv>),
        clock: NodeClock,
        (packagers, logs): (Arc<dyn Packagers>, Arc<dyn Logs>),
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, OpenError> {
        let shelf = storage::open(&config)?;
        let rules = read_rules(&*kv).await?;
        let owner = Owner::of_node(&*kv).await?;
        let budget = Budget::new(config.queue_bytes_max);
        Ok(Arc::new(Self {
            config,
            shelf,
            owner,
            hub,
            kv,
            clock,
            metrics,
            packagers,
            logs,
            budget,
            catalog: Catalog::default(),
            clips: Mutex::default(),
            turns: Turns::default(),
            is_loaded: AtomicBool::new(false),
            running: Mutex::default(),
            unwritten: Arc::new(Semaphore::new(UNWRITTEN_MAX)),
            repairs: Mutex::default(),
            repair_turns: Semaphore::new(REPAIRS_MAX),
            rules: Mutex::new(rules),
            look: Notify::new(),
            stop: CancellationToken::new(),
            give_up: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Records until [`Self::close`].
    pub async fn run(self: Arc<Self>) {
        self.tasks.spawn(self.clone().load());
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut swept = Instant::now();
        let mut sweeping: Option<JoinHandle<()>> = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.look.notified() => {}
                _ = looks.tick() => {}
            }
            self.look_at_streams();
            self.metrics.queue_bytes.set(self.budget.used() as i64);
            if swept.elapsed() >= SWEEP_EVERY && sweeping.as_ref().is_none_or(JoinHandle::is_finished) {
                swept = Instant::now();
                // Beside this task: storage that hangs while it takes something away keeps no stream from being recorded.
                sweeping = Some(self.tasks.spawn(self.clone().sweep_or_stop()));
            }
        }
    }

    /// Ends what runs with its last whole segment, and writes what waits, for three seconds at most.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(FLUSH_WITHIN, self.tasks.wait()).await.is_err() {
            self.give_up.cancel();
            self.tasks.wait().await;
        }
    }

    /// Whether a stream is recorded when it is live.
    pub fn rule(&self, stream: &StreamId) -> Rule {
        let asked = self.rules.lock().get(stream).copied();
        let by_config = self.config.streams.iter().any(|pattern| pattern.matches(stream));
        Rule { is_on: asked.unwrap_or(by_config), is_asked: asked.is_some() }
    }

    /// From now on, over restarts, until it is said otherwise.
    pub async fn set_rule(&self, stream: &StreamId, is_on: bool) -> Result<(), RuleError> {
        let is_new = {
            let rules = self.rules.lock();
            !rules.contains_key(stream) && rules.len() >= RULES_MAX
        };
        if is_new {
            return Err(RuleError::TooMany);
        }
        let key = format!("{RULE}{stream}");
        let version = self.kv.get(&key).await?.map(|known| known.version);
        self.kv.put_if(&key, version, if is_on { "on" } else { "off" }.to_owned()).await?;
        self.rules.lock().insert(stream.clone(), is_on);
        self.look.notify_one();
        Ok(())
    }

    /// All that was recorded before is known, too.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Relaxed)
    }

    /// Newest first, up to `max` older than `before`.
    pub fn list(&self, stream: Option<&StreamId>, before: Option<RecordingId>, max: usize) -> Vec<Recording> {
        let name = stream.map(ToString::to_string);
        let wanted = |entry: &Entry| name.as_ref().is_none_or(|name| entry.head.stream == *name);
        self.catalog.page(before, max, wanted).into_iter().map(Recording::of).collect()
    }

    /// One of them.
    pub fn get(&self, id: RecordingId) -> Option<Recording> {
        self.catalog.get(id).map(Recording::of)
    }

    /// Its lines.
    pub async fn index(&self, recording: &Recording) -> Result<Arc<Index>, StorageError> {
        self.catalog.index(&*self.shelf, &recording.entry).await
    }

    /// A file of it, by its name in the recording, or a stretch of one.
    pub async fn file(
        &self,
        recording: &Recording,
        name: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, StorageError> {
        self.shelf.get(&format!("{}/{name}", live::folder(&recording.head)), range).await
    }

    /// One MP4 file of it, or of a span.
    pub async fn clip(
        &self,
        recording: &Recording,
        span: (Option<MediaTime>, Option<MediaTime>),
    ) -> Result<Clip, ClipError> {
        let key = (recording.head.id, span);
        if let Some(known) = self.known_clip(&key) {
            return Ok(known);
        }
        let index = self.index(recording).await?;
        let _turn = self.turns.take(&index, span).await?;
        if let Some(known) = self.known_clip(&key) {
            return Ok(known);
        }
        let clip = Clip::plan(self.shelf.clone(), live::folder(&recording.head), &index, span).await?;
        if !recording.is_running() {
            let mut clips = self.clips.lock();
            clips.push_back((key, clip.clone()));
            while clips.len() > CLIPS_MAX {
                clips.pop_front();
            }
        }
        Ok(clip)
    }

    fn known_clip(&self, key: &ClipKey) -> Option<Clip> {
        self.clips.lock().iter().find(|(known, _)| known == key).map(|(_, clip)| clip.clone())
    }

    /// The recording that runs of a stream.
    pub fn running(&self, stream: &StreamId) -> Option<Recording> {
        let name = stream.to_string();
        let wanted = |entry: &Entry| entry.live.is_some() && entry.head.stream == name;
        self.catalog.page(None, 1, wanted).pop().map(Recording::of)
    }

    /// Takes it away for good. One that is being written is to be stopped first; one that a program which died left open is not
    /// finished first.
    pub async fn remove(&self, id: RecordingId, reason: &'static str) -> Result<(), RemoveError> {
        let is_left = self.end_repair(id).await;
        let Some(entry) = self.catalog.get(id) else { return Ok(()) };
        if let Some(owner) = entry.head.owner.filter(|owner| *owner != self.owner) {
            return Err(RemoveError::Elsewhere(owner));
        }
        if entry.is_open() && !is_left {
            return Err(RemoveError::Written);
        }
        self.shelf.remove(&live::folder(&entry.head)).await?;
        self.catalog.remove(id);
        self.repairs.lock().remove(&id);
        self.clips.lock().retain(|((known, _), _)| *known != id);
        self.metrics.removed(reason);
        tracing::info!(stream = entry.head.stream, recording = %id, reason, "a recording was taken away");
        Ok(())
    }

    pub(crate) async fn sweep_or_stop(self: Arc<Self>) {
        tokio::select! {
            () = async { self.sweep().await; self.look_at_others().await } => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Takes away what is too old or too much.
    pub async fn sweep(&self) {
        let all = self.catalog.all();
        let bytes = |entry: &Entry| Recording::of(entry.clone()).summary.bytes;
        self.metrics.kept.set(all.len() as i64);
        self.metrics.kept_bytes.set(all.iter().map(bytes).sum::<u64>() as i64);
        let now = self.clock.at(Instant::now());
        for victim in retention::victims(&all, self.owner, now, self.config.keep_for, self.config.keep_bytes)
        {
            if let Err(error) = self.remove(victim.id, victim.reason).await {
                tracing::error!(recording = %victim.id, "an old recording cannot be taken away: {error}");
            }
        }
    }
}

/// The place or the store does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Where recordings are kept.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Where it is written what was asked for.
    #[error(transparent)]
    Store(#[from] KvError),
}

async fn read_rules(kv: &dyn Kv) -> Result<BTreeMap<StreamId, bool>, KvError> {
    let known = kv.list(RULE).await?;
    let rule = |(key, value): (String, unisono_store::Versioned)| {
        let stream = key.strip_prefix(RULE)?.parse().ok()?;
        Some((StreamId::local(stream), value.value == "on"))
    };
    Ok(known.into_iter().filter_map(rule).collect())
}

/// Can recordings be kept where the configuration says? For whoever checks before the start.
pub async fn check(config: &Config) -> Result<(), StorageError> {
    storage::open(config)?.check().await
}
