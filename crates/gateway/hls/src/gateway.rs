//! The HLS exit of a node: which streams are being packaged.

use crate::{
    Config, Metrics,
    packaging::{Held, Packaging, Task},
    routes,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_auth::Access;
use unisono_base::{NodeClock, StreamId};
use unisono_hub::{Hub, State};

/// Serves every stream of a hub as LL-HLS. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    node: Arc<Node>,
}

/// What all requests share.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) waiters: Arc<Semaphore>,
    pub(crate) access: Arc<Access>,
    pub(crate) clock: NodeClock,
    /// Tells clients apart where a token counts them.
    pub(crate) identities: RandomState,
    pub(crate) hub: Arc<Hub>,
    packagings: Mutex<HashMap<StreamId, Arc<Packaging>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Why a stream cannot be packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPackaging {
    /// Nobody publishes under this name.
    NoStream,
    /// The node packages as many streams as its configuration allows.
    Full,
}

impl Gateway {
    /// Nothing runs until the first request.
    pub fn new(
        config: Config,
        hub: Arc<Hub>,
        access: Arc<Access>,
        clock: NodeClock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let node = Node {
            config,
            metrics,
            waiters: Arc::new(Semaphore::new(config.waiters_max)),
            access,
            hub,
            clock,
            identities: RandomState::new(),
            packagings: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { node: Arc::new(node) }
    }

    /// `GET /{app}/{name}/index.m3u8` and what it leads to, with CORS for everybody. Serve it with
    /// `into_make_service_with_connect_info::<SocketAddr>()` so that viewers can be counted.
    pub fn router(&self) -> axum::Router {
        routes::router(self.node.clone())
    }

    /// The packager of a live stream, for whoever keeps what it makes: it runs on while what is returned is held, whoever
    /// watches. Errors in words.
    pub fn hold(&self, id: &StreamId) -> Result<Held, String> {
        let packaging = self.node.packaging(id).map_err(|why| match why {
            NoPackaging::NoStream => format!("nobody publishes {id}"),
            NoPackaging::Full => {
                format!("the node packages {} streams already, its limit", self.node.config.packagers_max)
            }
        })?;
        Ok(Held::new(packaging))
    }

    /// Ends every packager and waits for them. Requests held are answered with 503.
    pub async fn shutdown(&self) {
        self.node.stop.cancel();
        self.node.packagings.lock().clear();
        self.node.tasks.close();
        self.node.tasks.wait().await;
    }
}

impl Node {
    /// The packaging of a stream, begun if need be. Counts as a request.
    pub(crate) fn packaging(self: &Arc<Self>, id: &StreamId) -> Result<Arc<Packaging>, NoPackaging> {
        let now = Instant::now();
        let live = self.hub.stream(id);
        let mut packagings = self.packagings.lock();
        if let Some(packaging) = packagings.get(id) {
            // An ended stream's playlists stay for a while; a new stream of the same name takes their place.
            let is_current = live.as_ref().is_none_or(|live| Arc::ptr_eq(live, &packaging.stream));
            if is_current {
                packaging.touch(now);
                return Ok(packaging.clone());
            }
            packaging.stop();
            packagings.remove(id);
        }
        let stream = live.filter(|s| s.state() != State::Ended).ok_or(NoPackaging::NoStream)?;
        if packagings.len() >= self.config.packagers_max || self.stop.is_cancelled() {
            return Err(NoPackaging::Full);
        }
        let (packaging, publish) = Packaging::new(stream, now, self.stop.child_token());
        packagings.insert(id.clone(), packaging.clone());
        drop(packagings);
        let task = Task {
            config: self.config,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            publish,
            retire: self.retirement(id.clone(), &packaging),
        };
        self.tasks.spawn(task.run(packaging.clone()));
        Ok(packaging)
    }

    /// Decided under the lock that every request takes first, so that none gets hold of a packager about to end.
    fn retirement(
        self: &Arc<Self>,
        id: StreamId,
        packaging: &Arc<Packaging>,
    ) -> Box<dyn Fn(Duration) -> bool + Send + Sync> {
        let (node, packaging) = (Arc::downgrade(self), Arc::downgrade(packaging));
        Box::new(move |keep| {
            let (Some(node), Some(packaging)) = (Weak::upgrade(&node), Weak::upgrade(&packaging)) else {
                return true;
            };
            let mut packagings = node.packagings.lock();
            if packaging.idle_for(Instant::now()) < keep {
                return false;
            }
            if packagings.get(&id).is_some_and(|current| Arc::ptr_eq(current, &packaging)) {
                packagings.remove(&id);
            }
            true
        })
    }
}
