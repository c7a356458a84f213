//! The edge's side: what this node's viewers want and nobody publishes here is pulled from the upstream, once for all of
//! them, and let go when nobody watches any more.

mod dial;
mod incoming;
mod link;
mod pull;
mod refusals;

use crate::{Identity, Metrics, SUBSCRIPTIONS_MAX};
use dial::Dialer;
pub(crate) use link::Link;
use parking_lot::Mutex;
use refusals::Refusals;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_base::{MediaTime, StreamId};
use unisono_hub::{Hub, State};
use unisono_proto_relay::{NodeId, Timeline};

/// So long a viewer waits for the first frame from the upstream.
const WANT_MAX: Duration = Duration::from_secs(5);
/// A clock whose error is beyond this is no better than the system's.
const CLOCK_ERROR_MAX: Duration = Duration::from_millis(100);

/// Why a stream cannot be had from the upstream, in words for the viewer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotHere {
    /// The upstream cannot be reached.
    #[error("the node that has {0} cannot be reached at the moment")]
    LinkDown(StreamId),
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// It did not send in time.
    #[error("{0} did not come from the upstream node within {seconds} s", seconds = WANT_MAX.as_secs())]
    Late(StreamId),
    /// This node pulls as many streams as it may.
    #[error("this node pulls {SUBSCRIPTIONS_MAX} streams already, its limit")]
    Full,
}

/// Pulls streams. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    shared: Arc<Shared>,
}

/// What the link and all pulls share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) timeline: Mutex<Timeline>,
    /// The link while it is up.
    pub(crate) link: watch::Receiver<Option<Arc<Link>>>,
    /// Dials at once, for somebody who waits.
    pub(crate) hurry: Arc<Notify>,
    pulls: Mutex<HashMap<StreamId, Pulling>>,
    refusals: Mutex<Refusals>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A pull, as those see it who wait for it.
struct Pulling {
    phase: watch::Receiver<Phase>,
    last_wanted: Arc<Mutex<Instant>>,
    /// Nodes between the publisher's and this one; 0 while nothing is known.
    depth: Arc<AtomicU8>,
}

/// How far a pull has come.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// Asked for.
    Asking,
    /// In the hub.
    Here,
    /// It came to nothing.
    Failed(NotHere),
}

impl Edge {
    /// Keeps a link to `upstream`, `host:port`, until [`Self::close`]. Within a tokio runtime.
    pub fn start(
        upstream: String,
        identity: Identity,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (up, link) = watch::channel(None);
        let (stop, hurry) = (CancellationToken::new(), Arc::new(Notify::new()));
        let shared = Arc::new(Shared {
            identity,
            hub,
            metrics,
            timeline: Mutex::default(),
            link,
            hurry,
            pulls: Mutex::default(),
            refusals: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        });
        let dialer = Dialer::new(upstream, shared.clone(), up)?;
        shared.tasks.spawn(dialer.run(stop));
        Ok(Self { shared })
    }

    /// Completes when the stream is in this node's hub, or cannot be: 5 s at most. Whoever wants it at the same time
    /// waits for the same pull. At once for a stream that is live here.
    pub async fn want(&self, stream: &StreamId) -> Result<(), NotHere> {
        self.want_for(stream, &[]).await
    }

    /// The same for another node that pulls from this one, with the nodes it comes by.
    pub(crate) async fn want_for(&self, stream: &StreamId, path: &[NodeId]) -> Result<(), NotHere> {
        let mut phase = match self.pull(stream, path)? {
            Some(phase) => phase,
            None => return Ok(()),
        };
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::Asking));
        match tokio::time::timeout(WANT_MAX, settled).await {
            Ok(Ok(phase)) => match &*phase {
                Phase::Failed(why) => Err(why.clone()),
                Phase::Here | Phase::Asking => Ok(()),
            },
            // The pull ended without a word: this node stops.
            Ok(Err(_)) => Err(NotHere::LinkDown(stream.clone())),
            Err(_) if self.shared.link.borrow().is_none() => Err(NotHere::LinkDown(stream.clone())),
            Err(_) => Err(NotHere::Late(stream.clone())),
        }
    }

    /// This node.
    pub(crate) fn node(&self) -> NodeId {
        self.shared.identity.node
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        self.shared.metrics.clone()
    }

    /// The link, waited for.
    pub(crate) async fn link_within(&self, patience: Duration) -> Option<Arc<Link>> {
        self.shared.link_within(patience).await
    }

    /// Nodes that a stream has passed between its publisher's and this one; 0 for what is not pulled.
    pub(crate) fn depth(&self, stream: &StreamId) -> u8 {
        self.shared.pulls.lock().get(stream).map_or(0, |pulling| pulling.depth.load(Ordering::Relaxed))
    }

    /// The upstream's timeline clock now, where it is known well enough to go by.
    pub fn timeline(&self, now: Instant) -> Option<MediaTime> {
        let (t, error) = self.shared.timeline.lock().at(now)?;
        (error <= CLOCK_ERROR_MAX).then_some(t)
    }

    /// Waits for [`Self::timeline`], `patience` at most.
    pub async fn timeline_within(&self, patience: Duration) -> Option<MediaTime> {
        let mut link = self.shared.link.clone();
        let known = async {
            while self.shared.timeline.lock().at(Instant::now()).is_none() {
                link.changed().await.ok()?;
            }
            Some(())
        };
        let _ = tokio::time::timeout(patience, known).await;
        self.timeline(Instant::now())
    }

    /// Ends every pull and the link.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// The pull of this stream, begun if need be; `None` for a stream that needs none.
    fn pull(&self, id: &StreamId, path: &[NodeId]) -> Result<Option<watch::Receiver<Phase>>, NotHere> {
        let now = Instant::now();
        let mut pulls = self.shared.pulls.lock();
        if let Some(pulling) = pulls.get(id) {
            *pulling.last_wanted.lock() = now;
            return Ok(Some(pulling.phase.clone()));
        }
        let is_live = |stream: &Arc<unisono_hub::Stream>| matches!(stream.state(), State::Live { .. });
        if self.shared.hub.stream(id).as_ref().is_some_and(is_live) {
            return Ok(None);
        }
        if let Some(why) = self.shared.refusals.lock().of(id, now) {
            return Err(why);
        }
        if pulls.len() >= SUBSCRIPTIONS_MAX || self.shared.stop.is_cancelled() {
            return Err(NotHere::Full);
        }
        let (tell, phase) = watch::channel(Phase::Asking);
        let (last_wanted, depth) = (Arc::new(Mutex::new(now)), Arc::new(AtomicU8::new(0)));
        pulls.insert(
            id.clone(),
            Pulling { phase: phase.clone(), last_wanted: last_wanted.clone(), depth: depth.clone() },
        );
        drop(pulls);
        let path = path.iter().copied().chain([self.shared.identity.node]).collect();
        let pull = pull::Pull { id: id.clone(), path, tell, last_wanted, depth, shared: self.shared.clone() };
        let stop = self.shared.stop.clone();
        self.shared.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(pull.run()).await;
        });
        Ok(Some(phase))
    }
}

impl Shared {
    /// The link, waited for.
    pub(crate) async fn link_within(&self, patience: Duration) -> Option<Arc<Link>> {
        let mut link = self.link.clone();
        self.hurry.notify_one();
        let up = tokio::time::timeout(patience, link.wait_for(Option::is_some)).await.ok()?.ok()?;
        up.clone()
    }

    /// The next who wants this stream begins anew; after a failure in a moment only.
    pub(crate) fn forget(&self, id: &StreamId, failed: Option<NotHere>) {
        let mut pulls = self.pulls.lock();
        if let Some(why) = failed {
            self.refusals.lock().note(id.clone(), why, Instant::now());
        }
        pulls.remove(id);
    }
}
