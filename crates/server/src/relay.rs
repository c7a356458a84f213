//! This node among others: its port for edges, and its own upstream.

mod requests;

use crate::{clock::realtime, config::Config, rooms::RoomsOnDisk};
use anyhow::Context;
use axum::{
    Router,
    extract::{Request, State},
    http::Method,
    middleware::{self, Next},
    response::Response,
};
use prometheus_client::registry::Registry;
use requests::{Here, Upstream};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_api::Presented;
use unisono_auth::{Access, Action};
use unisono_base::{MediaTime, NodeClock, StreamId};
use unisono_cluster::{Edge, Identity, Metrics, Origin, Roster};
use unisono_gateway_events::Elsewhere;
use unisono_hub::Hub;

/// A node that starts waits so long for its upstream's clock, so that its own need not be corrected later.
const CLOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Nothing where nothing is configured.
#[derive(Default)]
pub(crate) struct Relay {
    roster: Option<Arc<Roster>>,
    edge: Option<Edge>,
    origin: Option<Origin>,
}

impl Relay {
    /// Opens the port, and dials the upstream.
    pub(crate) async fn open(
        config: &Config,
        hub: &Arc<Hub>,
        clock: &NodeClock,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let rules = &config.relay;
        if rules.is_off() {
            return Ok(Self::default());
        }
        let is_edge = rules.upstream.is_some();
        let identity = Identity::found_at(config.node.origin(), is_edge, rules.secrets()?);
        let roster = Some(identity.roster.clone());
        let metrics = Metrics::register(registry);
        let edge = match rules.upstream()? {
            Some(upstream) => {
                let edge = Edge::start(upstream, identity.clone(), hub.clone(), metrics.clone());
                let edge = edge.context("the relay's upstream")?;
                if let Some(t) = edge.timeline_within(CLOCK_PATIENCE).await {
                    clock.begin_at(Instant::now(), t);
                }
                Some(edge)
            }
            None => None,
        };
        let origin = match rules.listen.address() {
            Some(address) => {
                let (hub, clock) = (hub.clone(), clock.clone());
                let bound = Origin::bind(address, identity, hub, clock, metrics, edge.clone());
                Some(bound.with_context(|| format!("the relay's port, UDP {address} (--relay moves it)"))?)
            }
            None => None,
        };
        Ok(Self { roster, edge, origin })
    }

    /// The nodes that are known by the relay.
    pub(crate) fn roster(&self) -> Option<Arc<Roster>> {
        self.roster.clone()
    }

    /// Where edges ask.
    pub(crate) fn local_addr(&self) -> std::io::Result<Option<SocketAddr>> {
        self.origin.as_ref().map(Origin::local_addr).transpose()
    }

    /// The node that has the rooms which are not here.
    pub(crate) fn elsewhere(&self) -> Option<Arc<dyn Elsewhere>> {
        self.edge.clone().map(|edge| Arc::new(Upstream(edge)) as Arc<dyn Elsewhere>)
    }

    /// Mirrors the upstream's rooms, and gives this node's to edges. `routes` answer what edges have to ask about them.
    pub(crate) async fn join_rooms(&mut self, rooms: &RoomsOnDisk, routes: Router) -> anyhow::Result<()> {
        if let Some(edge) = &self.edge {
            rooms.rooms.set_upstream(Arc::new(edge.clone()), rooms.kept().await?);
        }
        let here = (rooms.rooms.clone(), Arc::new(Here(routes)));
        self.origin = self.origin.take().map(|origin| origin.with_rooms(here.0, here.1));
        Ok(())
    }

    /// Serves edges from now on.
    pub(crate) fn serve(&mut self, tasks: &TaskTracker, stop: CancellationToken) {
        if let Some(origin) = self.origin.take() {
            tasks.spawn(origin.run(stop));
        }
    }

    /// The real time that this node's clock follows: its upstream's, so that now is the same T on both.
    pub(crate) fn realtime(&self) -> Realtime {
        Realtime(self.edge.clone())
    }

    /// The router, behind the pull of what a request is about to need.
    pub(crate) fn guard(&self, router: Router, access: &Arc<Access>, clock: &NodeClock) -> Router {
        let Some(edge) = &self.edge else { return router };
        let door = Door { edge: edge.clone(), access: access.clone(), clock: clock.clone() };
        router.layer(middleware::from_fn_with_state(door, pull_first))
    }

    /// Ends the link to the upstream.
    pub(crate) async fn close(&self) {
        if let Some(edge) = &self.edge {
            edge.close().await;
        }
    }
}

/// See [`Relay::realtime`].
#[derive(Clone)]
pub(crate) struct Realtime(Option<Edge>);

impl Realtime {
    /// The upstream's timeline clock, or the system's where there is none or it is not known.
    pub(crate) fn at(&self, now: Instant) -> MediaTime {
        self.0.as_ref().and_then(|edge| edge.timeline(now)).unwrap_or_else(realtime)
    }
}

#[derive(Clone)]
struct Door {
    edge: Edge,
    access: Arc<Access>,
    clock: NodeClock,
}

/// Brings the stream here that a viewer asks for, if he may watch it. What comes of it the door behind says.
async fn pull_first(
    State(door): State<Door>,
    presented: Presented,
    request: Request,
    next: Next,
) -> Response {
    if *request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    match crate::webhooks::wanted(request.uri().path()) {
        Some(Wanted::Media(stream)) => {
            let now = door.clock.at(Instant::now()).unix_seconds();
            if door.access.allow(presented.as_str(), Action::View, &stream, now).is_ok()
                && let Err(why) = door.edge.want(&stream).await
            {
                tracing::debug!(%stream, "relay: {why}");
            }
        }
        // The room comes by itself, with whoever asks for it.
        Some(Wanted::Room(_)) | None => {}
    }
    next.run(request).await
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Picture and sound, or whether there are any.
    Media(StreamId),
    /// What people do together.
    Room(StreamId),
}
