//! Where else the same streams are: `GET /api/v1/endpoints`, open to everybody who may reach this node, for a viewer asks it before
//! anything else. The relay finds the nodes; the configuration may name more.

use crate::{
    config::{self, Config},
    relay::Relay,
};
use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rand::seq::SliceRandom;
use serde::Deserialize;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use unisono_api::{EndpointList, EndpointView, Problem};
use unisono_base::{StreamId, StreamName};
use unisono_cluster::Roster;
use unisono_hub::{Hub, State as StreamState};

/// See the module.
pub(crate) struct Endpoints {
    own: Option<String>,
    is_edge: bool,
    named: Vec<String>,
    roster: Option<Arc<Roster>>,
    hub: Arc<Hub>,
    is_draining: AtomicBool,
}

impl Endpoints {
    pub(crate) fn new(config: &Config, relay: &Relay, hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            own: config.node.origin(),
            is_edge: config.relay.upstream.is_some(),
            named: config.node.others(),
            roster: relay.roster(),
            hub,
            is_draining: AtomicBool::new(false),
        })
    }

    /// The other nodes hear of it.
    pub(crate) fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Relaxed);
        if let Some(roster) = &self.roster {
            roster.set_draining(is_draining);
        }
    }

    /// This node first, then edges, then nodes with publishers, each in a new order every time, so that those who leave a node do
    /// not all come to the same other one; those that the configuration names behind them, and who is being drained last.
    pub(crate) fn list(&self, stream: Option<&StreamId>) -> Vec<EndpointView> {
        let own = self.own.iter().map(|url| EndpointView {
            url: url.clone(),
            is_self: true,
            is_edge: self.is_edge,
            is_draining: self.is_draining.load(Ordering::Relaxed),
        });
        let mut found = self.found(stream);
        found.shuffle(&mut rand::rng());
        found.sort_by_key(|endpoint| !endpoint.is_edge);
        let named = self.named.iter().map(|url| EndpointView {
            url: url.clone(),
            is_self: false,
            is_edge: false,
            is_draining: false,
        });
        let mut seen = HashSet::new();
        let all = own.chain(found).chain(named);
        let mut list: Vec<_> = all.filter(|endpoint| seen.insert(endpoint.url.clone())).collect();
        list.sort_by_key(|endpoint| endpoint.is_draining);
        list
    }

    /// Addresses of other nodes that take viewers, in that order.
    pub(crate) fn elsewhere(&self, stream: Option<&StreamId>) -> Vec<String> {
        let list = self.list(stream).into_iter();
        list.filter(|endpoint| !endpoint.is_self && !endpoint.is_draining)
            .map(|endpoint| endpoint.url)
            .collect()
    }

    /// What the relay found. What is published here goes down the tree only.
    fn found(&self, stream: Option<&StreamId>) -> Vec<EndpointView> {
        let Some(roster) = &self.roster else { return Vec::new() };
        let peers = if stream.is_some_and(|id| self.is_published_here(id)) {
            roster.below()
        } else {
            roster.others()
        };
        // Another node's word: looked at before anybody is sent there.
        let usable = peers.into_iter().filter(|peer| config::is_address(&peer.url));
        let view = |peer: unisono_cluster::Peer| EndpointView {
            url: peer.url,
            is_self: false,
            is_edge: peer.is_edge,
            is_draining: peer.is_draining,
        };
        usable.map(view).collect()
    }

    fn is_published_here(&self, id: &StreamId) -> bool {
        let state = self.hub.stream(id).map(|stream| stream.state());
        matches!(state, Some(StreamState::Live { source, .. }) if !source.is_relayed())
    }
}

/// The route.
pub(crate) fn router(endpoints: Arc<Endpoints>) -> Router {
    Router::new().route("/api/v1/endpoints", get(list)).with_state(endpoints)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    stream: Option<String>,
}

async fn list(
    State(endpoints): State<Arc<Endpoints>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Wanted { stream }) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    let stream = stream.as_deref().map(stream_id).transpose()?;
    let body = Json(EndpointList { endpoints: endpoints.list(stream.as_ref()) });
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response())
}

fn stream_id(text: &str) -> Result<StreamId, Problem> {
    let name: StreamName =
        text.parse().map_err(|error: unisono_base::NameError| Problem::bad_request(error.to_string()))?;
    Ok(StreamId::local(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_cluster::NodeId;
    use unisono_hub::Limits;

    fn endpoints(named: &[&str], roster: Option<Arc<Roster>>) -> Endpoints {
        Endpoints {
            own: Some("https://self".to_owned()),
            is_edge: true,
            named: named.iter().map(|&url| url.to_owned()).collect(),
            roster,
            hub: Hub::new(Limits::default()),
            is_draining: AtomicBool::new(false),
        }
    }

    #[test]
    fn this_node_is_first_until_it_is_drained() {
        let roster = Roster::new(NodeId(1), Some("https://self".to_owned()), true);
        let endpoints = endpoints(&["https://other", "https://self"], Some(roster));
        let urls = || endpoints.list(None).into_iter().map(|endpoint| endpoint.url).collect::<Vec<_>>();
        assert_eq!(urls(), ["https://self", "https://other"]);
        endpoints.set_draining(true);
        assert_eq!(urls(), ["https://other", "https://self"]);
        assert_eq!(endpoints.elsewhere(None), ["https://other"]);
    }

    #[test]
    fn a_node_that_is_alone_sends_nobody_anywhere() {
        assert!(endpoints(&[], None).elsewhere(None).is_empty());
    }
}
