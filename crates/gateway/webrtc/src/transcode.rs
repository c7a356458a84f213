//! AAC to Opus while some viewer needs it: one thread per stream, alive as long as its leases.

use crate::Metrics;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, Thread},
};
use unisono_audio::{AacToOpus, Effort};
use unisono_base::{Doorbell, Span, StreamId};
use unisono_hub::{Cursor, Read, Rendition, Ring, Stream};
use unisono_media::{AacConfig, CodecConfig, Frame, Kind};

/// Length of the packets that [`AacToOpus`] makes.
const PACKET: Span = Span::from_millis(20);

/// Transcoders for each of the machine's processors that make the best sound; where more run, all are thrifty.
const BEST_PER_CORE: i64 = 4;

/// The running transcoders of this gateway.
pub(crate) struct Transcoders {
    jobs_max: usize,
    /// More than these, and all are thrifty.
    best_max: i64,
    metrics: Arc<Metrics>,
    jobs: Mutex<HashMap<StreamId, Weak<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Keeps a transcoder running; the last one to go stops it.
#[derive(Clone)]
pub(crate) struct Lease(Arc<Job>);

impl Lease {
    /// Where the Opus packets appear.
    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.0.opus
    }
}

/// A running transcoder, seen from outside its thread.
struct Job {
    aac: Arc<Ring>,
    opus: Arc<Ring>,
    signal: Arc<Signal>,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.signal.stop.store(true, Ordering::Release);
        self.signal.ring();
    }
}

/// Wakes the thread: a doorbell for a thread that may sleep. The publisher's task rings it at every frame, so ringing takes no lock:
/// a lock would be held by a thread that waits for its turn on a busy machine, and the publisher would wait with it.
#[derive(Default)]
struct Signal {
    stop: AtomicBool,
    rung: AtomicBool,
    sleeper: OnceLock<Thread>,
}

impl Signal {
    /// Names the calling thread as the one to wake.
    fn sleeps_here(&self) {
        // Set once, by the only thread that waits.
        let _ = self.sleeper.set(thread::current());
    }

    fn wait(&self) {
        while !self.rung.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }
}

impl Doorbell for Signal {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(sleeper) = self.sleeper.get()
        {
            sleeper.unpark();
        }
    }
}

impl Transcoders {
    pub(crate) fn new(jobs_max: usize, metrics: Arc<Metrics>) -> Self {
        let cores =
            thread::available_parallelism().map_or(1, |cores| i64::try_from(cores.get()).unwrap_or(1));
        let best_max = cores.saturating_mul(BEST_PER_CORE);
        Self { jobs_max, best_max, metrics, jobs: Mutex::default(), threads: Mutex::default() }
    }

    /// Joins the running transcoder of the stream's AAC, or starts it. `None`, logged, when the source is not AAC,
    /// cannot be transcoded, or too many run already: the viewer then gets no sound.
    pub(crate) fn lease(&self, stream: &Arc<Stream>) -> Option<Lease> {
        let aac = stream.source(Kind::Audio)?;
        let config = aac.config()?;
        let CodecConfig::Aac(config) = &*config else { return None };
        let mut jobs = self.jobs.lock();
        jobs.retain(|_, job| job.strong_count() > 0);
        if let Some(job) = jobs.get(stream.id()).and_then(Weak::upgrade)
            && Arc::ptr_eq(&job.aac, &aac)
        {
            return Some(Lease(job));
        }
        if jobs.len() >= self.jobs_max {
            tracing::warn!(stream = %stream.id(), max = self.jobs_max, "too many transcoders; no sound by WebRTC");
            return None;
        }
        let job = self
            .start(stream, aac, config)
            .inspect_err(|error| tracing::warn!(stream = %stream.id(), %error, "no sound by WebRTC"))
            .ok()?;
        jobs.insert(stream.id().clone(), Arc::downgrade(&job));
        Some(Lease(job))
    }

    fn start(
        &self,
        stream: &Arc<Stream>,
        aac: Arc<Ring>,
        config: &AacConfig,
    ) -> Result<Arc<Job>, StartError> {
        let chain = AacToOpus::new(config)?;
        let rendition = stream.add_rendition(CodecConfig::Opus(chain.config()));
        let signal = Arc::new(Signal::default());
        let subscription =
            stream.subscribe_to(signal.clone(), |config| matches!(config, CodecConfig::Aac(_)));
        let subscription = subscription.ok_or(StartError::Readers)?;
        let job = Arc::new(Job { aac: aac.clone(), opus: rendition.ring().clone(), signal: signal.clone() });
        let cursor = aac.tail();
        let (metrics, best_max) = (self.metrics.clone(), self.best_max);
        let thread = thread::Builder::new().name("aac-to-opus".into()).spawn(move || {
            let _subscription = subscription;
            metrics.transcoders.inc();
            run((chain, best_max), (&aac, cursor), rendition, &signal, &metrics);
            metrics.transcoders.dec();
        })?;
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(job)
    }

    /// Waits for all threads; every lease must be gone.
    pub(crate) fn join(&self) {
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

/// Why no transcoder could be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Chain(#[from] unisono_audio::Error),
    #[error("the stream has too many readers")]
    Readers,
    #[error("no thread: {0}")]
    Thread(#[from] std::io::Error),
}

fn run(
    (mut chain, best_max): (AacToOpus, i64),
    (aac, mut cursor): (&Ring, Cursor),
    mut rendition: Rendition,
    signal: &Signal,
    metrics: &Metrics,
) {
    let (mut damaged, mut effort) = (0, Effort::default());
    signal.sleeps_here();
    while !signal.stop.load(Ordering::Acquire) {
        match aac.read(&mut cursor) {
            Read::Frame { frame, group, .. } => {
                let affordable = effort_among(metrics.transcoders.get(), best_max);
                if affordable != effort {
                    effort = affordable;
                    chain.set_effort(effort);
                }
                for (t, packet) in chain.push(frame.t, &frame.payload) {
                    let mut opus = Frame::new(t, frame.arrived, packet);
                    opus.duration = PACKET;
                    opus.key = true;
                    rendition.append(group.epoch, opus);
                }
                let now_damaged = chain.stats().damaged;
                metrics.damaged_audio.inc_by(now_damaged - damaged);
                damaged = now_damaged;
            }
            // T jumps over what was lost, and the chain starts over.
            Read::Skipped { .. } => {}
            Read::Pending => signal.wait(),
            Read::Ended(_) => break,
        }
    }
}

/// What each of `running` transcoders may cost.
fn effort_among(running: i64, best_max: i64) -> Effort {
    if running > best_max { Effort::Thrifty } else { Effort::Best }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_transcoders_are_thrifty() {
        assert_eq!([1, 8, 9, 50].map(|running| effort_among(running, 8)), {
            use Effort::{Best, Thrifty};
            [Best, Best, Thrifty, Thrifty]
        });
    }

    /// Every ring before or during a wait ends it, none is lost: 20,000 rounds of ring and answer by two threads.
    #[test]
    fn a_ring_is_never_lost() {
        const ROUNDS: u32 = 20_000;
        let (signal, back) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
        let (near, far) = (signal.clone(), back.clone());
        let thread = thread::spawn(move || {
            near.sleeps_here();
            for _ in 0..ROUNDS {
                near.wait();
                far.ring();
            }
        });
        back.sleeps_here();
        for _ in 0..ROUNDS {
            signal.ring();
            back.wait();
        }
        thread.join().expect("no panic");
    }
}
