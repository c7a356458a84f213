//! The origin's side: a UDP port at which edges ask for streams.

mod feed;
mod group;
mod link;
mod strangers;

use crate::{Answers, Code, Edge, HANDSHAKE_MAX, Identity, Metrics, tls};
use std::{net::SocketAddr, sync::Arc};
use strangers::Strangers;
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_base::{NodeClock, Shown, StreamId};
use unisono_hub::Hub;
use unisono_room::Rooms;

/// Links at once.
const LINKS_MAX: usize = 256;
/// With this many who have proven nothing yet, an address must show that it can hear us before anything is computed for it (RFC 9000 §8.1.2).
const UNPROVEN_FREELY: usize = 8;

/// What all links share.
pub(crate) struct Context {
    pub(crate) identity: Identity,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    /// Where this node itself has what it does not publish.
    pub(crate) edge: Option<Edge>,
    /// What it gives beside streams.
    pub(crate) rooms: Option<(Arc<Rooms>, Arc<dyn Answers>)>,
}

impl Context {
    /// Nodes that a stream has passed between its publisher's and this one.
    fn depth(&self, stream: &StreamId) -> u8 {
        self.edge.as_ref().map_or(0, |edge| edge.depth(stream))
    }
}

/// The port. Nothing is served before [`Self::run`].
pub struct Origin {
    endpoint: quinn::Endpoint,
    context: Context,
}

impl Origin {
    /// Opens `address` for edges that know a secret of `identity`. `edge`: where this node pulls from, if it does.
    pub fn bind(
        address: SocketAddr,
        identity: Identity,
        hub: Arc<Hub>,
        clock: NodeClock,
        metrics: Arc<Metrics>,
        edge: Option<Edge>,
    ) -> std::io::Result<Self> {
        let config = tls::server().map_err(std::io::Error::other)?;
        let endpoint = quinn::Endpoint::server(config, address)?;
        Ok(Self { endpoint, context: Context { identity, hub, clock, metrics, edge, rooms: None } })
    }

    /// Gives rooms as well, and has `answers` answer what edges are asked about them.
    #[must_use]
    pub fn with_rooms(mut self, rooms: Arc<Rooms>, answers: Arc<dyn Answers>) -> Self {
        self.context.rooms = Some((rooms, answers));
        self
    }

    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Serves edges until `stop`; then every link is closed with a word.
    pub async fn run(self, stop: CancellationToken) {
        let (tasks, all) = (TaskTracker::new(), Arc::new(self.context));
        let (strangers, links) = (Arc::new(Strangers::default()), Arc::new(Semaphore::new(LINKS_MAX)));
        loop {
            let incoming = tokio::select! {
                () = stop.cancelled() => break,
                incoming = self.endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            if strangers.count() >= UNPROVEN_FREELY && incoming.may_retry() {
                // An error means that it was validated after all; then it has had its chance.
                let _ = incoming.retry();
                continue;
            }
            let place = strangers.enter(incoming.remote_address().ip());
            let (context, links, stop) = (all.clone(), links.clone(), stop.child_token());
            tasks.spawn(async move {
                let greeted = place.gone().run_until_cancelled(greet(incoming, &context)).await;
                drop(place);
                let Some(Some(greeted)) = greeted else { return };
                match links.try_acquire_owned() {
                    Ok(_place) => greeted.serve(&context, stop).await,
                    Err(_) => greeted.refuse(LINKS_MAX),
                }
            });
        }
        self.endpoint.close(Code::Stopping.into(), b"the node stops");
        tasks.close();
        tasks.wait().await;
        self.endpoint.wait_idle().await;
    }
}

/// A node that has proven itself in time.
async fn greet(incoming: quinn::Incoming, context: &Arc<Context>) -> Option<link::Greeted> {
    let peer = incoming.remote_address();
    let greeted = timeout(HANDSHAKE_MAX, async {
        let connection = incoming.accept().ok()?.await.ok()?;
        link::greet(connection, context).await
    });
    let greeted = greeted.await.ok().flatten();
    if greeted.is_none() {
        tracing::warn!(peer = %Shown::from(peer), "relay: a node was not let in: it did not prove a secret of this one");
    }
    greeted
}
