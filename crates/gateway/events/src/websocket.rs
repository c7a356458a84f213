//! A feed by WebSocket: JSON text messages, one event each.

use crate::{
    Context, access,
    feed::Notice,
    metrics::{Dropped, Transport},
};
use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code},
    response::Response,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use unisono_auth::Pass;
use unisono_base::RoomId;
use unisono_hub::Ticket;
use unisono_room::{Feed, FeedItem};

/// How often a reader's token is asked whether it still holds.
pub(crate) const RECHECK_EVERY: Duration = Duration::from_secs(1);
/// How often we ping, so that proxies keep the connection and dead clients are noticed.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A client that sent nothing, not even a pong, for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(40);
/// A client that takes nothing for this long is cut off. Until then only its socket's buffer and one message wait:
/// the room's events stay in the room.
const STUCK_FOR: Duration = Duration::from_secs(10);
/// Clients have nothing to say here yet.
const MESSAGE_MAX: usize = 4 * 1_024;

/// Accepts the upgrade; the feed runs until client, room or server ends it.
pub(crate) fn answer(
    context: Arc<Context>,
    upgrade: WebSocketUpgrade,
    room: RoomId,
    (pass, ticket): (Pass, Ticket),
    feed: Feed,
) -> Response {
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX).write_buffer_size(0);
    upgrade.on_upgrade(move |socket| async move {
        let _open = context.metrics.feed(Transport::WebSocket);
        let mut session = Session { context: &context, pass, ticket, socket };
        let ended = session.run(&room, feed).await;
        tracing::debug!(%room, ?ended, "feed ended");
        if let Ended::Dropped(reason) = ended {
            context.metrics.dropped(reason, 1);
        }
    })
}

struct Session<'a> {
    context: &'a Context,
    pass: Pass,
    ticket: Ticket,
    socket: WebSocket,
}

/// Why a feed ended.
#[derive(Debug)]
enum Ended {
    ByClient,
    ByServer,
    Dropped(Dropped),
}

impl Session<'_> {
    async fn run(&mut self, room: &RoomId, feed: Feed) -> Ended {
        match self.speak(room, feed).await {
            Err(ended) | Ok(ended) => ended,
        }
    }

    /// `Err` only cuts the way short; both sides say why it ended.
    async fn speak(&mut self, room: &RoomId, mut feed: Feed) -> Result<Ended, Ended> {
        let room = room.to_string();
        let hello =
            Notice::Hello { room: &room, seq: feed.last_at_start(), t: self.context.rooms.clock_micros() };
        self.send(Message::Text(hello.json().into())).await?;
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rechecks = interval_at(Instant::now() + RECHECK_EVERY, RECHECK_EVERY);
        rechecks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let stop = self.context.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.close(close_code::AWAY, "the server is going down").await,
                item = feed.next() => match item {
                    Some(item) => self.item(item).await?,
                    None => return self.close(close_code::ERROR, "the room's log cannot be read").await,
                },
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(Ended::ByClient),
                    Some(Ok(_)) => heard = Instant::now(),
                },
                _ = rechecks.tick() => if self.ticket.session().stop_words().is_some() {
                    return self.close(close_code::POLICY, "closed by the server's operator").await;
                } else if !access::holds(self.context, &self.pass) {
                    return self.close(close_code::POLICY, "the token was revoked or has expired").await;
                },
                _ = pings.tick() => {
                    if heard.elapsed() >= SILENT_FOR {
                        return Ok(Ended::Dropped(Dropped::ClientSilent));
                    }
                    self.send(Message::Ping(bytes::Bytes::new())).await?;
                }
            }
        }
    }

    async fn item(&mut self, item: FeedItem) -> Result<(), Ended> {
        let text = match item {
            FeedItem::Event(event) => {
                let message = event.message();
                self.context.metrics.sent(message.len());
                self.ticket.session().add_bytes(message.len() as u64);
                // Ours is UTF-8 by construction; checked again because the type asks for it.
                let Ok(text) = Utf8Bytes::try_from(message) else { return Ok(()) };
                text
            }
            FeedItem::Lagged { from_seq, lost } => {
                self.context.metrics.dropped(Dropped::EventsLost, lost);
                Notice::Lagged { from_seq, lost }.json().into()
            }
        };
        self.send(Message::Text(text)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(STUCK_FOR, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::ByClient),
            Err(_) => Err(Ended::Dropped(Dropped::ClientStuck)),
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<Ended, Ended> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        self.send(Message::Close(Some(frame))).await?;
        Ok(Ended::ByServer)
    }
}
