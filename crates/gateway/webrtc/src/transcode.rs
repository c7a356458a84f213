//! AAC to Opus while some viewer needs it: one thread per stream, alive as long as its leases.

use crate::Metrics;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use unisono_audio::AacToOpus;
use unisono_base::{Doorbell, Span, StreamId};
use unisono_hub::{Cursor, Read, Rendition, Ring, Stream};
use unisono_media::{AacConfig, CodecConfig, Frame, Kind};

/// Length of the packets that [`AacToOpus`] makes.
const PACKET: Span = Span::from_millis(20);

/// The running transcoders of this gateway.
pub(crate) struct Transcoders {
    jobs_max: usize,
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

/// Wakes the thread: a doorbell for a thread that may sleep.
#[derive(Default)]
struct Signal {
    stop: AtomicBool,
    rung: Mutex<bool>,
    wake: Condvar,
}

impl Signal {
    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !*rung {
            self.wake.wait(&mut rung);
        }
        *rung = false;
    }
}

impl Doorbell for Signal {
    fn ring(&self) {
        let mut rung = self.rung.lock();
        if !*rung {
            *rung = true;
            self.wake.notify_one();
        }
    }
}

impl Transcoders {
    pub(crate) fn new(jobs_max: usize, metrics: Arc<Metrics>) -> Self {
        Self { jobs_max, metrics, jobs: Mutex::default(), threads: Mutex::default() }
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
        let subscription = stream.subscribe(signal.clone()).ok_or(StartError::Readers)?;
        let job = Arc::new(Job { aac: aac.clone(), opus: rendition.ring().clone(), signal: signal.clone() });
        let cursor = aac.tail();
        let metrics = self.metrics.clone();
        let thread = std::thread::Builder::new().name("aac-to-opus".into()).spawn(move || {
            let _subscription = subscription;
            metrics.transcoders.inc();
            run(chain, &aac, cursor, rendition, &signal, &metrics);
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
    mut chain: AacToOpus,
    aac: &Ring,
    mut cursor: Cursor,
    mut rendition: Rendition,
    signal: &Signal,
    metrics: &Metrics,
) {
    let mut damaged = 0;
    while !signal.stop.load(Ordering::Acquire) {
        match aac.read(&mut cursor) {
            Read::Frame { frame, group, .. } => {
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
