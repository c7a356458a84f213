//! Many publishers of one kind, on one thread.

use super::{material::Material, rtmp, whip};
use anyhow::Context;
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{JoinSet, LocalSet},
};

/// Time between two starts: no multiple of a frame's 33 ms, so that the streams' frames do not come in step.
const START_EVERY: Duration = Duration::from_millis(47);

/// Where a publisher goes.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// WHIP endpoint.
    Whip(String),
    /// `host:port`, application and stream.
    Rtmp { address: String, app: String, name: String },
}

/// What a publisher needs beside its door.
pub(super) struct Job {
    pub(super) material: Arc<Material>,
    pub(super) key: String,
    pub(super) stop: Arc<AtomicBool>,
    /// Told once media flows.
    pub(super) started: Started,
}

/// Tells the crew's owner that one more publisher is at work, or why not.
pub(super) struct Started(mpsc::Sender<anyhow::Result<()>>);

impl Started {
    pub(super) fn tell(&self) {
        // There is a place for each publisher; without an owner nobody wants to know.
        let _ = self.0.try_send(Ok(()));
    }
}

/// The running publishers; dropping it ends them.
pub(super) struct Crew {
    stop: Arc<AtomicBool>,
    broken: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Crew {
    /// Starts a publisher at each of `doors`; returns once media flows everywhere.
    pub(super) async fn start(
        name: &str,
        doors: Vec<Door>,
        material: Arc<Material>,
        key: &str,
    ) -> anyhow::Result<Self> {
        let count = doors.len();
        let (tell, mut told) = mpsc::channel(count.max(1));
        let stop = Arc::new(AtomicBool::new(false));
        let broken = Arc::new(Mutex::new(Vec::new()));
        let key = key.to_owned();
        let (asked, breaks) = (stop.clone(), broken.clone());
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.try_send(Err(error.into()))),
            };
            let job = || Job {
                material: material.clone(),
                key: key.clone(),
                stop: asked.clone(),
                started: Started(tell.clone()),
            };
            LocalSet::new().block_on(&runtime, work(doors, job, &breaks, &tell));
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        let crew = Self { stop, broken, thread: Some(thread) };
        for _ in 0..count {
            told.recv().await.context("the publishers' thread ended")??;
        }
        Ok(crew)
    }

    /// Why publishers broke off, each with its words.
    pub(super) fn broken(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn work(
    doors: Vec<Door>,
    job: impl Fn() -> Job,
    broken: &Arc<Mutex<Vec<String>>>,
    tell: &mpsc::Sender<anyhow::Result<()>>,
) {
    let mut publishers = JoinSet::new();
    for door in doors {
        let (job, broken, tell) = (job(), broken.clone(), tell.clone());
        publishers.spawn_local(async move {
            let publishing: Pin<Box<dyn Future<Output = anyhow::Result<()>>>> = match &door {
                Door::Whip(endpoint) => Box::pin(whip::publish(endpoint, &job)),
                Door::Rtmp { address, app, name } => Box::pin(rtmp::publish(address, app, name, &job)),
            };
            if let Err(error) = publishing.await {
                // Before the start it is told at once; afterwards the report has it.
                broken.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{error:#}"));
                let _ = tell.try_send(Err(error));
            }
        });
        tokio::time::sleep(START_EVERY).await;
    }
    while publishers.join_next().await.is_some() {}
}
