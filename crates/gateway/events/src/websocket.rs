//! A feed by WebSocket: JSON text messages, events in batches one way, commands the other.

mod client;

use crate::{
    Context, access,
    commands::{Unanswered, ack_message, tagged, too_long},
    feed::Notice,
    metrics::{Dropped, Transport},
    post::BODY_MAX,
};
use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code},
    response::Response,
};
use client::{ClientMessage, Link};
use futures_util::{FutureExt, SinkExt, StreamExt, stream::FuturesUnordered};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use unisono_auth::Pass;
use unisono_base::RoomId;
use unisono_hub::Ticket;
use unisono_room::{Feed, FeedItem, RoomError, Submitted, Visitor};
use unisono_timeline::Ack;

/// How often a reader's token is asked whether it still holds.
pub(crate) const RECHECK_EVERY: Duration = Duration::from_secs(1);
/// What a connection keeps to read into. Clients say little, and the library's usual 128 KiB would be five times all the
/// rest of an idle one.
const READ_BUFFER: usize = 4 * 1024;
/// What is said at once is gathered up to here before it goes to the socket. The memory is taken only where something is said.
const WRITE_BUFFER: usize = 8 * 1024;
/// How often we ping, so that proxies keep the connection and dead clients are noticed.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A client that sent nothing, not even a pong, for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(40);
/// A client that takes nothing for this long is cut off. Until then only its socket's buffer and one message wait:
/// the room's events stay in the room.
const STUCK_FOR: Duration = Duration::from_secs(10);
/// Commands of one client under way; beyond it nothing more is read from it until one is answered.
const UNDER_WAY_MAX: usize = 32;
/// Messages that nobody can understand; then the client is cut off.
const NONSENSE_MAX: u32 = 16;

/// Who is at the other end.
pub(crate) struct Guest {
    pub(crate) visitor: Visitor,
    pub(crate) pass: Pass,
    pub(crate) ticket: Ticket,
}

/// Accepts the upgrade; the feed runs until client, room or server ends it.
pub(crate) fn answer(
    context: Arc<Context>,
    upgrade: WebSocketUpgrade,
    room: RoomId,
    guest: Guest,
    feed: Feed,
) -> Response {
    let upgrade = upgrade.max_message_size(BODY_MAX).max_frame_size(BODY_MAX);
    let upgrade = upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(WRITE_BUFFER);
    upgrade.on_upgrade(move |socket| async move {
        let _open = context.metrics.feed(Transport::WebSocket);
        let session = Session {
            context: &context,
            link: Link::new(),
            room,
            guest,
            socket,
            under_way: FuturesUnordered::new(),
        };
        let ended = session.run(feed).await;
        tracing::debug!(?ended, "feed ended");
        if let Ended::Dropped(reason) = ended {
            context.metrics.dropped(reason, 1);
        }
    })
}

struct Session<'a> {
    context: &'a Context,
    room: RoomId,
    guest: Guest,
    link: Link,
    socket: WebSocket,
    under_way: FuturesUnordered<UnderWay>,
}

/// A command's id, and its answer.
type Answered = (String, Result<Ack, RoomError>);
/// A command whose answer has not come.
type UnderWay = std::pin::Pin<Box<dyn Future<Output = Answered> + Send>>;

/// Why a feed ended.
#[derive(Debug)]
enum Ended {
    ByClient,
    ByServer,
    Dropped(Dropped),
}

impl Session<'_> {
    async fn run(mut self, mut feed: Feed) -> Ended {
        let ended = match self.speak(&mut feed).await {
            Err(ended) | Ok(ended) => ended,
        };
        self.context.rooms.report_latency(&feed, self.link.session(), None);
        ended
    }

    /// `Err` only cuts the way short; both sides say why it ended.
    async fn speak(&mut self, feed: &mut Feed) -> Result<Ended, Ended> {
        self.greet(feed).await?;
        let mut pings = interval_at(Instant::now(), PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rechecks = interval_at(Instant::now() + RECHECK_EVERY, RECHECK_EVERY);
        rechecks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let stop = self.context.stop.clone();
        loop {
            let has_room = self.under_way.len() < UNDER_WAY_MAX;
            tokio::select! {
                () = stop.cancelled() => return self.close(close_code::AWAY, "the server is going down").await,
                Some(answered) = self.under_way.next() => self.acknowledge_all(answered).await?,
                item = feed.next() => match item {
                    Some(item) => self.item(item).await?,
                    None => return self.close(close_code::ERROR, "the room's log cannot be read").await,
                },
                message = self.socket.recv(), if has_room => {
                    heard = Instant::now();
                    if let Some(ended) = self.hear(message, feed).await? {
                        return Ok(ended);
                    }
                }
                _ = rechecks.tick() => {
                    if let Some(words) = self.must_go(feed) {
                        return self.close(close_code::POLICY, words).await;
                    }
                    if let Some(notice) = self.guest.ticket.session().take_notice() {
                        self.say(notice.to_string()).await?;
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() >= SILENT_FOR {
                        return Ok(Ended::Dropped(Dropped::ClientSilent));
                    }
                    let ping = self.link.ping();
                    self.send(Message::Ping(ping)).await?;
                }
            }
        }
    }

    async fn greet(&mut self, feed: &Feed) -> Result<(), Ended> {
        let hello = Notice::Hello {
            room: &self.room.to_string(),
            seq: feed.last_at_start(),
            t: self.context.rooms.clock_micros(),
            person: Some(&self.guest.visitor.person),
            role: Some(self.guest.visitor.role),
            session: Some(self.link.session()),
        };
        self.say(hello.json()).await
    }

    fn must_go(&self, feed: &Feed) -> Option<&'static str> {
        if self.guest.ticket.session().stop_words().is_some() {
            return Some("closed by the server's operator");
        }
        if self.context.rooms.is_banned(feed, &self.guest.visitor.person) {
            return Some("you are banned from this room");
        }
        (!access::holds(self.context, &self.guest.pass)).then_some("the token was revoked or has expired")
    }

    /// One message of the client's; `Some` when that was the last.
    async fn hear(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
        feed: &Feed,
    ) -> Result<Option<Ended>, Ended> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Pong(payload))) => {
                self.link.pong(&payload);
                return Ok(None);
            }
            Some(Ok(Message::Ping(_))) => return Ok(None),
            Some(Ok(Message::Binary(_))) => return self.nonsense("send JSON as text messages").await,
            Some(Ok(Message::Close(_))) | None => return Ok(Some(Ended::ByClient)),
            Some(Err(error)) => {
                // The library refuses before it has read all of it; what it read is all there ever was in memory.
                let words = error.to_string();
                if words.contains("too long") || words.contains("too big") {
                    return self.close(close_code::SIZE, &too_long()).await.map(Some);
                }
                return Ok(Some(Ended::ByClient));
            }
        };
        match serde_json::from_str(&text) {
            Ok(ClientMessage::Command { command }) => self.command(*command).await?,
            Ok(ClientMessage::Clock { t0 }) => {
                let t1 = self.context.rooms.clock_micros();
                self.say(Notice::Clock { t0, t1, t2: self.context.rooms.clock_micros() }.json()).await?;
            }
            Ok(ClientMessage::Latency(report)) => {
                self.link.plays_by(report.protocol);
                self.context.rooms.report_latency(feed, self.link.session(), Some(report.latency()));
            }
            Err(error) => return self.nonsense(&format!("not understood: {error}")).await,
        }
        Ok(None)
    }

    async fn command(&mut self, request: unisono_api::CommandRequest) -> Result<(), Ended> {
        let cmd_id = request.cmd_id.chars().take(64).collect::<String>();
        let submitted =
            crate::commands::command(request).map_err(RoomError::Refused).and_then(|(command, claimed)| {
                let view = self.link.view(claimed);
                self.context.rooms.submit(&self.room, command, &self.guest.visitor, view)
            });
        match submitted {
            Ok(Submitted::Done(ack)) => self.acknowledge(&cmd_id, Ok(ack)).await?,
            Ok(Submitted::Waiting(answer)) => self.under_way.push(Box::pin(async move {
                let answer = answer.come().await.map(|(ack, _)| ack);
                (cmd_id, answer)
            })),
            Err(error) => self.acknowledge(&cmd_id, Err(error)).await?,
        }
        Ok(())
    }

    async fn acknowledge(&mut self, cmd_id: &str, answer: Result<Ack, RoomError>) -> Result<(), Ended> {
        let message = self.answer(cmd_id, &answer);
        self.say(message).await
    }

    /// `first`, and what else has its answer by now: a room answers its commands in groups, and a write to the socket for each
    /// would be most of what a busy client costs.
    async fn acknowledge_all(&mut self, first: Answered) -> Result<(), Ended> {
        let mut next = Some(first);
        while let Some((cmd_id, answer)) = next {
            let message = self.answer(&cmd_id, &answer);
            in_time(self.socket.feed(Message::Text(message.into()))).await?;
            next = self.under_way.next().now_or_never().flatten();
        }
        in_time(self.socket.flush()).await
    }

    fn answer(&self, cmd_id: &str, answer: &Result<Ack, RoomError>) -> String {
        self.context.metrics.commanded(answer.as_ref().map(|ack| ack.status).ok());
        match answer {
            Ok(ack) => ack_message(ack),
            Err(error) => tagged("ack", &Unanswered::new(cmd_id, error)),
        }
    }

    async fn nonsense(&mut self, words: &str) -> Result<Option<Ended>, Ended> {
        let count = self.link.nonsense();
        if count >= NONSENSE_MAX {
            let words = "too many messages that nobody can understand; see the API's description";
            return self.close(close_code::POLICY, words).await.map(Some);
        }
        let words: String = words.chars().take(300).collect();
        self.say(Notice::Error { words: &words }.json()).await?;
        Ok(None)
    }

    async fn item(&mut self, item: FeedItem) -> Result<(), Ended> {
        let message = match item {
            FeedItem::Events(batch) => {
                self.context.metrics.sent(batch.events().len(), batch.message().len());
                batch.message().clone()
            }
            FeedItem::Notice(notice) => notice.message,
            FeedItem::Snapshot(standing) => standing.message,
            FeedItem::Lagged { from_seq, lost } => {
                self.context.metrics.dropped(Dropped::EventsLost, lost);
                Notice::Lagged { from_seq, lost }.json().into()
            }
        };
        self.guest.ticket.session().add_bytes(message.len() as u64);
        // Ours is UTF-8 by construction; checked again because the type asks for it.
        let Ok(text) = Utf8Bytes::try_from(message) else { return Ok(()) };
        self.send(Message::Text(text)).await
    }

    async fn say(&mut self, text: String) -> Result<(), Ended> {
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        in_time(self.socket.send(message)).await
    }

    async fn close(&mut self, code: u16, reason: &str) -> Result<Ended, Ended> {
        let frame = CloseFrame { code, reason: reason.into() };
        self.send(Message::Close(Some(frame))).await?;
        Ok(Ended::ByServer)
    }
}

/// What is written to the client, within [`STUCK_FOR`].
async fn in_time(written: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Ended> {
    match timeout(STUCK_FOR, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Ended::ByClient),
        Err(_) => Err(Ended::Dropped(Dropped::ClientStuck)),
    }
}
