//! Everything the routes share, and the routes.

use crate::{Metrics, feed, post, streams};
use axum::{Router, extract::DefaultBodyLimit, routing::get};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use unisono_auth::Access;
use unisono_hub::Hub;
use unisono_room::Rooms;

/// What the gateway needs of the node.
#[derive(Clone)]
pub struct Context {
    /// Where events go and come from.
    pub rooms: Arc<Rooms>,
    /// What is live.
    pub hub: Arc<Hub>,
    /// Who may post and read.
    pub access: Arc<Access>,
    /// From [`Metrics::register`].
    pub metrics: Arc<Metrics>,
    /// Ends every feed when cancelled.
    pub stop: CancellationToken,
}

/// See the crate. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Context>);

impl Gateway {
    /// A gateway; it does nothing by itself.
    pub fn new(context: Context) -> Self {
        Self(Arc::new(context))
    }

    /// The routes, to be merged into the server's. Serve them with the peer's address
    /// (`into_make_service_with_connect_info::<SocketAddr>`): without it nobody counts as this machine.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/rooms/{room}/events", get(feed::get).connect(feed::get).post(post::post))
            .route("/api/v1/rooms/{room}", get(feed::room))
            .route("/api/v1/streams", get(streams::list))
            .route("/api/v1/streams/{app}/{name}", get(streams::one))
            .layer(DefaultBodyLimit::max(post::BODY_MAX))
            .with_state(self.0.clone())
    }
}
