//! The viewers of a run, what they count together, and how their joins went.

use super::{histogram::Histogram, swarm::Origins, viewer};
use anyhow::Context;
use reqwest::Client;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, time::sleep};

/// Time between two joins, so that a burst of handshakes is not what is measured.
const JOIN_EVERY: Duration = Duration::from_millis(50);
/// Different reasons of failed joins that the report lists.
const REASONS_MAX: usize = 5;

/// What all viewers of a run share; they live on one thread.
pub(super) struct Audience {
    pub(super) client: Client,
    /// The steady window is open: count.
    pub(super) is_measuring: Cell<bool>,
    pub(super) is_over: Cell<bool>,
    pub(super) counts: RefCell<Counts>,
    /// Where the viewers say when each frame was sent; counted viewers cannot see it themselves.
    pub(super) origins: Option<Arc<Origins>>,
}

/// What a steady window yields.
pub(super) struct Counts {
    /// UDP payload received, of all kinds.
    pub(super) bytes: u64,
    /// Video packets in whole and broken frames.
    pub(super) packets: u64,
    /// Video packets that never came, repairs included.
    pub(super) lost: u64,
    pub(super) frames: u64,
    /// Viewers whose session ended before its time.
    pub(super) broken: u64,
    /// Last packet of a frame minus its send time.
    pub(super) latency: Histogram,
}

impl Counts {
    fn new() -> Self {
        Self { bytes: 0, packets: 0, lost: 0, frames: 0, broken: 0, latency: Histogram::new() }
    }

    /// Lost packets of those that should have come.
    pub(super) fn loss_percent(&self) -> f64 {
        let expected = self.packets + self.lost;
        if expected == 0 { 0.0 } else { self.lost as f64 * 100.0 / expected as f64 }
    }
}

/// How joins went.
pub(super) struct Joins {
    pub(super) joined: u32,
    pub(super) failed: u32,
    reasons: Vec<String>,
    /// From the POST to the first whole keyframe.
    pub(super) took: Histogram,
}

impl Joins {
    pub(super) fn new() -> Self {
        Self { joined: 0, failed: 0, reasons: Vec::new(), took: Histogram::new() }
    }

    fn count(&mut self, joined: anyhow::Result<Duration>) {
        match joined {
            Ok(took) => {
                self.joined += 1;
                self.took.record(took);
            }
            Err(error) => {
                self.failed += 1;
                let reason = format!("{error:#}");
                if self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason) {
                    self.reasons.push(reason);
                }
            }
        }
    }

    /// Different words of those that failed, the first few.
    pub(super) fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl Audience {
    pub(super) fn new(client: Client) -> Rc<Self> {
        Self::telling(client, None)
    }

    /// Viewers that say in `origins` when each frame was sent.
    pub(super) fn telling(client: Client, origins: Option<Arc<Origins>>) -> Rc<Self> {
        Rc::new(Self {
            origins,
            client,
            is_measuring: Cell::new(false),
            is_over: Cell::new(false),
            counts: RefCell::new(Counts::new()),
        })
    }

    /// A viewer for each of `endpoints`, one after the other; returns once each has a whole keyframe or has given up.
    pub(super) async fn join(self: &Rc<Self>, endpoints: impl Iterator<Item = String>, joins: &mut Joins) {
        let mut pending = Vec::new();
        for endpoint in endpoints {
            let (tell, joined) = oneshot::channel();
            tokio::task::spawn_local(viewer::watch(self.clone(), endpoint, tell));
            pending.push(joined);
            sleep(JOIN_EVERY).await;
        }
        for joined in pending {
            joins.count(joined.await.context("a viewer's task ended").and_then(|joined| joined));
        }
    }

    /// Counts for `length`, and returns the counts.
    pub(super) async fn steady(&self, length: Duration) -> Counts {
        self.counts.replace(Counts::new());
        self.is_measuring.set(true);
        sleep(length).await;
        self.is_measuring.set(false);
        self.counts.replace(Counts::new())
    }
}
