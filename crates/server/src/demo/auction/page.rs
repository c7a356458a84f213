//! The page: four panes and the buttons, from files embedded in the program; what is shown comes as server-sent events.

use super::state::State;
use crate::pages;
use axum::{
    Router,
    extract::State as Extract,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, stream};
use std::convert::Infallible;
use tokio::sync::{mpsc, watch};

/// Streams and feeds come from the server's own ports, which are other origins than this page's.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    media-src 'self' blob:; worker-src 'self' blob:; connect-src http: https: ws: wss:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// What a person at the page may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Kill the server.
    Kill,
    /// Sell one more.
    Again,
    /// All screens play.
    Ready,
}

/// What the page needs.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) state: watch::Receiver<State>,
    pub(super) wishes: mpsc::Sender<Wish>,
}

impl Page {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/", get(|headers| pages::document("auction.html", POLICY, headers)))
            .route("/pane", get(|headers| pages::document("auction-pane.html", POLICY, headers)))
            .route("/assets/{*path}", get(pages::asset))
            .route("/player.js", get(pages::asset))
            .route("/room.js", get(pages::asset))
            .route("/client.js", get(pages::asset))
            .route("/favicon.svg", get(pages::asset))
            .route("/demo/state", get(states))
            .route("/demo/kill", post(|page, headers| wish(page, headers, Wish::Kill)))
            .route("/demo/ready", post(|page, headers| wish(page, headers, Wish::Ready)))
            .route("/demo/again", post(|page, headers| wish(page, headers, Wish::Again)))
            .with_state(self)
    }
}

async fn states(Extract(page): Extract<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut state = page.state;
    state.mark_changed();
    let events = stream::unfold(state, |mut state| async move {
        state.changed().await.ok()?;
        let event = Event::default().json_data(&*state.borrow_and_update()).ok()?;
        Some((Ok(event), state))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// A header that no page of another origin may send without being asked first: only this page kills servers.
async fn wish(Extract(page): Extract<Page>, headers: HeaderMap, wish: Wish) -> Response {
    if !headers.contains_key("x-unisono-demo") {
        return (StatusCode::FORBIDDEN, "the button on the demo's page does this").into_response();
    }
    match page.wishes.try_send(wish) {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(_) => (StatusCode::CONFLICT, "one thing after the other").into_response(),
    }
}
