//! Everything the routes share, and the routes.

use crate::{Metrics, commands, conditions, conduct, feed, history, inbox, streams};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post, put},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use unisono_auth::{Access, Secret};
use unisono_hub::Hub;
use unisono_room::Rooms;
use unisono_timeline::Role;

/// What the gateway needs of the node.
#[derive(Clone)]
pub struct Context {
    /// Where events go and come from.
    pub rooms: Arc<Rooms>,
    /// What is live.
    pub hub: Arc<Hub>,
    /// Who may post and read.
    pub access: Arc<Access>,
    /// What somebody may do who shows neither key nor token.
    pub guests: Role,
    /// With which the tenant's own systems sign what they say; empty: they say nothing.
    pub inbox_secrets: Vec<Secret>,
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
            .route("/api/v1/rooms/{room}/events", get(feed::get).connect(feed::get).post(crate::post::post))
            .route("/api/v1/rooms/{room}", get(feed::room))
            .route("/api/v1/rooms/{room}/commands", post(commands::post))
            .route("/api/v1/rooms/{room}/snapshot", get(conduct::snapshot))
            .route("/api/v1/rooms/{room}/windows", get(conditions::windows))
            .route("/api/v1/rooms/{room}/inbox", post(inbox::post))
            .route("/api/v1/rooms/{room}/log", get(history::export))
            .route("/api/v1/rooms/{room}/erase", post(history::erase))
            .route("/api/v1/rooms/{room}/moderation", post(conduct::moderate).get(conditions::discipline))
            .route(
                "/api/v1/rooms/{room}/gate",
                put(conduct::set_gate).delete(conduct::lift_gate).get(conditions::gate),
            )
            .route("/api/v1/rooms/{room}/lockstep", put(conduct::lockstep))
            .route("/api/v1/types", get(conduct::types))
            .route("/api/v1/types/{name}", put(conduct::put_type).delete(conduct::delete_type))
            .route("/api/v1/streams", get(streams::list))
            .route("/api/v1/streams/{app}/{name}", get(streams::one))
            .layer(DefaultBodyLimit::max(crate::post::BODY_MAX))
            .with_state(self.0.clone())
    }
}
