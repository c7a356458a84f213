//! Many readers of one room, and what each costs while nothing happens.

use super::{
    Bench,
    reader::Reader,
    sent_times,
    threads::{on_thread, shares},
    unix_micros,
};
use crate::{
    bench::{histogram::Histogram, server_usage},
    room_feed::Entrance,
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Handshakes at once, on each thread.
const JOINING: usize = 32;
/// Quiet time before something is measured.
const SETTLE: Duration = Duration::from_secs(3);

/// Readers that count what they get, on threads of their own. Dropping it sends them away.
pub(super) struct Crowd {
    count: u64,
    shared: Arc<Shared>,
    /// What the readers of each thread count together.
    counts: Vec<Arc<Mutex<Counts>>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_measuring: AtomicBool,
    lost: AtomicU32,
    over: CancellationToken,
}

/// What readers count together.
pub(super) struct Counts {
    /// Events, each once per reader.
    pub(super) deliveries: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) latency: Histogram,
}

impl Counts {
    fn new() -> Self {
        Self { deliveries: 0, messages: 0, bytes: 0, latency: Histogram::new() }
    }

    fn hear(&mut self, message: &[u8]) {
        let now = unix_micros();
        self.messages += 1;
        self.bytes += message.len() as u64;
        for sent in sent_times(message) {
            self.latency.record(Duration::from_micros(now.saturating_sub(sent)));
            self.deliveries += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.latency.merge(&other.latency);
    }
}

impl Crowd {
    /// `count` readers of `room`, all of them greeted.
    pub(super) async fn gather(bench: &Bench<'_>, room: &str, count: u32) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (mut counts, mut threads, mut joining) = (Vec::new(), Vec::new(), Vec::new());
        for share in shares((0..count).map(|number| bench.guest(room, number)).collect()) {
            let mine = Arc::new(Mutex::new(Counts::new()));
            let (tell, joined) = oneshot::channel();
            let (shared, theirs) = (shared.clone(), mine.clone());
            let (thread, ended) = on_thread("readers", move || readers(share, shared, theirs, tell))?;
            counts.push(mine);
            threads.push(thread);
            joining.push((joined, ended));
        }
        let crowd = Self { count: count.into(), shared, counts, threads };
        for (joined, ended) in joining {
            if joined.await.is_err() {
                ended.await.context("the readers' thread ended")??;
            }
        }
        Ok(crowd)
    }

    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Readers whose feed ended before its time.
    pub(super) fn lost(&self) -> u32 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Starts to count.
    pub(super) fn begin(&self) {
        self.each(|counts| *counts = Counts::new());
        self.shared.is_measuring.store(true, Ordering::Release);
    }

    /// What was counted since.
    pub(super) fn end(&self) -> Counts {
        self.shared.is_measuring.store(false, Ordering::Release);
        let mut all = Counts::new();
        self.each(|counts| all.add(counts));
        all
    }

    fn each(&self, mut look: impl FnMut(&mut Counts)) {
        self.counts
            .iter()
            .for_each(|counts| look(&mut counts.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.over.cancel();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One thread's readers: joins them all, then reads until it is over.
async fn readers(
    entrances: Vec<Entrance>,
    shared: Arc<Shared>,
    counts: Arc<Mutex<Counts>>,
    joined: oneshot::Sender<()>,
) -> anyhow::Result<()> {
    let scratch = Rc::new(RefCell::new(Vec::new()));
    let (mut reading, mut joining) = (JoinSet::new(), JoinSet::new());
    let mut entrances = entrances.into_iter();
    loop {
        while joining.len() < JOINING
            && let Some(entrance) = entrances.next()
        {
            joining.spawn_local(async move { Reader::open(&entrance).await });
        }
        let Some(reader) = joining.join_next().await else { break };
        let reader = reader?.context("a reader did not get in")?;
        reading.spawn_local(read(reader, scratch.clone(), shared.clone(), counts.clone()));
    }
    let _ = joined.send(());
    shared.over.cancelled().await;
    Ok(())
}

async fn read(
    mut reader: Reader,
    scratch: Rc<RefCell<Vec<u8>>>,
    shared: Arc<Shared>,
    counts: Arc<Mutex<Counts>>,
) {
    let mut hear = |message: &[u8]| {
        if shared.is_measuring.load(Ordering::Acquire) {
            counts.lock().unwrap_or_else(PoisonError::into_inner).hear(message);
        }
    };
    while reader.read(&scratch, &mut hear).await.is_ok() {}
    shared.lost.fetch_add(1, Ordering::Relaxed);
}

/// Resident memory that each reader adds while nothing happens.
pub(super) async fn idle(bench: &Bench<'_>) -> anyhow::Result<Value> {
    let count = bench.args.readers;
    let Some(before) = server_usage(Some(bench.args.pid.context("--pid is needed for this figure")?))? else {
        bail!("the server's process is not known");
    };
    let begun = Instant::now();
    let crowd = Crowd::gather(bench, "idle", count).await?;
    let joined_in = begun.elapsed();
    sleep(SETTLE).await;
    let after = server_usage(bench.args.pid)?.context("the server is gone")?;
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    Ok(json!({
        "name": "memory of an idle reader", "readers": crowd.len(), "bytes_per_reader": grown / crowd.len().max(1),
        "budget_bytes": 24 * 1024, "resident_bytes": after.resident_bytes, "broken_off": crowd.lost(),
        "joins_per_second": (f64::from(count) / joined_in.as_secs_f64()).round(),
    }))
}
