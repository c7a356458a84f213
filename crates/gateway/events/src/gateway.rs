//! Everything the routes share, and the routes.

use crate::{
    Elsewhere, Metrics, RulesInForce, commands, conditions, conduct, elsewhere, feed, gate, history, inbox,
    streams, types,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post, put},
};
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
    /// What the operator says about rooms.
    pub rules: RulesInForce,
    /// From [`Metrics::register`].
    pub metrics: Arc<Metrics>,
    /// The node that has the rooms which are not here, if there is one.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
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
        self.of_the_rooms_node()
            .route("/api/v1/rooms/{room}/events", get(feed::get).connect(feed::get).post(crate::post::post))
            .route("/api/v1/rooms/{room}", get(feed::room))
            .route("/api/v1/rooms/{room}/commands", post(commands::post))
            .route("/api/v1/rooms/{room}/snapshot", get(conduct::snapshot))
            .route("/api/v1/rooms/{room}/inbox", post(inbox::post))
            .route("/api/v1/types", get(types::list))
            .route("/api/v1/types/{name}", put(types::put).delete(types::delete))
            .route("/api/v1/streams", get(streams::list))
            .route("/api/v1/streams/{app}/{name}", get(streams::one))
            .layer(DefaultBodyLimit::max(crate::post::BODY_MAX))
            .with_state(self.0.clone())
    }

    /// What only the node that has the room can answer.
    fn of_the_rooms_node(&self) -> Router<Arc<Context>> {
        Router::new()
            .route("/api/v1/rooms/{room}/windows", get(conditions::windows))
            .route("/api/v1/rooms/{room}/log", get(history::export))
            .route("/api/v1/rooms/{room}/checkpoints", get(history::checkpoints))
            .route("/api/v1/rooms/{room}/fairness", get(history::fairness))
            .route("/api/v1/rooms/{room}/erase", post(history::erase))
            .route("/api/v1/rooms/{room}/moderation", post(conduct::moderate).get(conditions::discipline))
            .route("/api/v1/rooms/{room}/gate", put(gate::set).delete(gate::lift).get(conditions::gate))
            .route("/api/v1/rooms/{room}/lockstep", put(conduct::lockstep))
            .route_layer(from_fn_with_state(self.0.clone(), elsewhere::forward))
    }
}
