//! A feed as server-sent events, for clients without WebSocket: `id` is the `seq`, so a browser resumes by itself.

use crate::{
    Context, access,
    feed::Notice,
    metrics::{Dropped, OpenFeed, Transport},
    websocket::RECHECK_EVERY,
};
use axum::{
    http::{HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use std::{convert::Infallible, sync::Arc, time::Duration};
use unisono_auth::Pass;
use unisono_base::RoomId;
use unisono_hub::Ticket;
use unisono_room::{Feed, FeedItem};

/// A comment when nothing happens, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Session {
    context: Arc<Context>,
    pass: Pass,
    ticket: Ticket,
    feed: Feed,
    hello: Option<String>,
    _open: OpenFeed,
}

/// Streams the feed. What a slow client does not take stays in the room; hyper holds one event for it.
pub(crate) fn answer(
    context: Arc<Context>,
    room: &RoomId,
    (pass, ticket): (Pass, Ticket),
    feed: Feed,
) -> Response {
    let room = room.to_string();
    let hello = Notice::Hello { room: &room, seq: feed.last_at_start(), t: context.rooms.clock_micros() };
    let hello = Some(hello.json());
    let open = context.metrics.feed(Transport::Sse);
    let session = Session { context, pass, ticket, feed, hello, _open: open };
    let events = stream::unfold(session, |mut session| async move {
        let event = session.next().await?;
        Some((Ok::<_, Infallible>(event), session))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect the stream into buffers otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Session {
    fn may_stay(&self) -> bool {
        self.ticket.session().stop_words().is_none() && access::holds(&self.context, &self.pass)
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(hello) = self.hello.take() {
            return Some(Event::default().event("hello").data(hello));
        }
        let item = loop {
            tokio::select! {
                () = self.context.stop.cancelled() => return None,
                item = self.feed.next() => break item?,
                () = tokio::time::sleep(RECHECK_EVERY) => {}
            }
            if !self.may_stay() {
                return None;
            }
        };
        if !self.may_stay() {
            return None;
        }
        Some(match item {
            FeedItem::Event(event) => {
                let json = event.json();
                self.context.metrics.sent(json.len());
                self.ticket.session().add_bytes(json.len() as u64);
                let text = String::from_utf8_lossy(&json);
                Event::default().event("event").id(event.event().seq.to_string()).data(text)
            }
            FeedItem::Lagged { from_seq, lost } => {
                self.context.metrics.dropped(Dropped::EventsLost, lost);
                Event::default().event("lagged").data(Notice::Lagged { from_seq, lost }.json())
            }
        })
    }
}
