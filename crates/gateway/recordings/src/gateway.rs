//! Everything the routes share, and the routes.

use crate::{evidence, list, playback, playlists::Playlists, sendings::Sendings, wish};
use axum::{Router, http::header, routing::get};
use std::{future::Future, pin::Pin};
use std::{hash::RandomState, sync::Arc};
use tokio::sync::Semaphore;
use tower_http::{
    compression::CompressionLayer,
    cors::{Any, CorsLayer},
};
use unisono_auth::Access;
use unisono_base::{NodeClock, StreamId};
use unisono_record::Recordings;
use unisono_room::Rooms;

/// Brings the word of the operator's own service about a viewer into memory, where [`Access`] finds it.
pub trait Prepare: Send + Sync {
    /// Whoever presented `token` is about to watch `stream`.
    fn prepare<'a>(
        &'a self,
        token: &'a str,
        stream: &'a StreamId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// What the gateway needs of the node.
#[derive(Clone)]
pub struct Context {
    /// What there is.
    pub recordings: Arc<Recordings>,
    /// Whose logs go into bundles of evidence.
    pub rooms: Arc<Rooms>,
    /// Who may watch, and who is an admin.
    pub access: Arc<Access>,
    /// The node's timeline clock.
    pub clock: NodeClock,
    /// Asked before [`Access`], where the operator has such a service.
    pub prepare: Option<Arc<dyn Prepare>>,
}

/// What all requests share.
pub(crate) struct Node {
    pub(crate) context: Context,
    /// Tells clients apart where a token counts them.
    pub(crate) identities: RandomState,
    pub(crate) playlists: Playlists,
    pub(crate) sendings: Sendings,
    pub(crate) evidence: Arc<Semaphore>,
}

/// Bundles of evidence that are sent at once.
const BUNDLES_MAX: usize = 4;

/// See the crate. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Node>);

impl Gateway {
    /// A gateway; it does nothing by itself.
    pub fn new(context: Context) -> Self {
        Self(Arc::new(Node {
            context,
            identities: RandomState::new(),
            playlists: Playlists::default(),
            sendings: Sendings::default(),
            evidence: Arc::new(Semaphore::new(BUNDLES_MAX)),
        }))
    }

    /// The routes, to be merged into the server's. Serve them with the peer's address.
    pub fn router(&self) -> Router {
        let playlists = Router::new()
            .route("/api/v1/recordings/{id}/index.m3u8", get(playback::index))
            .layer(CompressionLayer::new());
        let files = Router::new()
            .route("/api/v1/recordings/{id}/video.m3u8", get(playback::video))
            .route("/api/v1/recordings/{id}/audio.m3u8", get(playback::audio))
            .route("/api/v1/recordings/{id}/recording.mp4", get(playback::mp4))
            .route("/api/v1/recordings/{id}/{epoch}/{kind}/{file}", get(playback::file));
        let own = Router::new()
            .route("/api/v1/recordings", get(list::list))
            .route("/api/v1/recordings/{id}", get(list::one).delete(list::remove))
            .route(
                "/api/v1/streams/{app}/{name}/recording",
                get(wish::look).put(wish::start).delete(wish::stop),
            )
            .route("/api/v1/rooms/{room}/evidence", get(evidence::bundle));
        playlists.merge(files).layer(cors()).merge(own).with_state(self.0.clone())
    }
}

/// Any page may play; there are no credentials to protect (tokens travel in the path).
fn cors() -> CorsLayer {
    let exposed = [header::ETAG, header::RETRY_AFTER, header::CONTENT_RANGE, header::CONTENT_LENGTH];
    CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).expose_headers(exposed)
}
