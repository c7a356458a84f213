//! A feed as server-sent events, for clients without WebSocket: `id` is the `seq`, so a browser resumes by itself.

use crate::{
    Context, access,
    feed::Notice,
    metrics::{Dropped, OpenFeed, Transport},
    websocket::{Guest, RECHECK_EVERY},
};
use axum::{
    http::{HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use unisono_base::RoomId;
use unisono_room::{Feed, FeedItem};

/// A comment when nothing happens, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Session {
    context: Arc<Context>,
    guest: Guest,
    feed: Feed,
    /// To be sent, in order: at most what one item of the feed holds.
    ready: VecDeque<Event>,
    _open: OpenFeed,
}

/// Streams the feed. What a slow client does not take stays in the room; hyper holds one event for it.
pub(crate) fn answer(context: Arc<Context>, room: &RoomId, guest: Guest, feed: Feed) -> Response {
    let hello = Notice::Hello {
        room: &room.to_string(),
        seq: feed.last_at_start(),
        t: context.rooms.clock_micros(),
        person: Some(&guest.visitor.person),
        role: Some(guest.visitor.role),
        session: None,
    };
    let ready = VecDeque::from([Event::default().event("hello").data(hello.json())]);
    let open = context.metrics.feed(Transport::Sse);
    let session = Session { context, guest, feed, ready, _open: open };
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
        self.guest.ticket.session().stop_words().is_none()
            && !self.context.rooms.is_banned(&self.feed, &self.guest.visitor.person)
            && access::holds(&self.context, &self.guest.pass)
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let item = tokio::select! {
                () = self.context.stop.cancelled() => return None,
                item = self.feed.next() => Some(item?),
                () = tokio::time::sleep(RECHECK_EVERY) => None,
            };
            if !self.may_stay() {
                return None;
            }
            if let Some(notice) = self.guest.ticket.session().take_notice() {
                self.ready.push_back(Event::default().event("notice").data(&notice));
            }
            if let Some(item) = item {
                self.take(item);
            }
        }
    }

    fn take(&mut self, item: FeedItem) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match item {
            FeedItem::Events(batch) => {
                let bytes = batch.events().iter().map(|(_, json)| json.len()).sum();
                self.context.metrics.sent(batch.events().len(), bytes);
                self.guest.ticket.session().add_bytes(bytes as u64);
                let events = batch.events().iter();
                self.ready.extend(events.map(|(event, json)| {
                    Event::default().event("event").id(event.seq.to_string()).data(text(json))
                }));
            }
            FeedItem::Notice(notice) => {
                self.ready.push_back(Event::default().event(notice.kind).data(text(&notice.message)));
            }
            FeedItem::Snapshot(standing) => {
                self.ready.push_back(Event::default().event("snapshot").data(text(&standing.message)));
            }
            FeedItem::Lagged { from_seq, lost } => {
                self.context.metrics.dropped(Dropped::EventsLost, lost);
                let lagged = Notice::Lagged { from_seq, lost }.json();
                self.ready.push_back(Event::default().event("lagged").data(lagged));
            }
        }
    }
}
