//! One connection to a room's feed, as any client of the public API has it: for the demo's bots and for the benches.

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message, Utf8Bytes,
        client::IntoClientRequest,
        http::{HeaderValue, header},
        protocol::WebSocketConfig,
    },
};
use unisono_timeline::Uuid;

/// No connection by then is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// The library's own read buffer; its usual 128 KiB would be most of what a thousand clients take here.
const READ_BUFFER: usize = 4 * 1024;
/// What is queued goes out beyond this; the memory is taken only where something is.
const WRITE_BUFFER: usize = 8 * 1024;

/// Where a room is, and as whom to enter it.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// The server's HTTP door.
    pub(crate) server: SocketAddr,
    /// `app:name`.
    pub(crate) room: String,
    /// A guest's secret and name.
    pub(crate) guest: Option<(String, String)>,
    /// A key or a token.
    pub(crate) key: Option<String>,
    /// The first event wanted; without it the room as it stands.
    pub(crate) from_seq: Option<u64>,
}

/// One open feed.
pub(crate) struct RoomFeed {
    socket: WebSocketStream<TcpStream>,
}

/// What a feed says, as far as our clients listen.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Said {
    /// First message.
    Hello {
        /// The room's last event.
        seq: u64,
        /// The node's timeline clock, microseconds.
        t: i64,
    },
    /// A batch of events.
    Events {
        /// In the room's order.
        events: Vec<Told>,
    },
    /// The answer to a command.
    Ack(Answer),
    /// The room as it stands, presence, counts, clock: nobody here minds.
    #[serde(other)]
    Else,
}

/// One event, as far as our clients look.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    /// T, microseconds.
    pub(crate) at: i64,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    /// The command that caused it.
    #[serde(default)]
    pub(crate) cause: Option<Uuid>,
    #[serde(default)]
    pub(crate) actor: Option<Actor>,
    /// What it does by the rule of its type.
    #[serde(default)]
    pub(crate) rule: Value,
}

/// Who caused an event.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Actor {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

impl Actor {
    /// How to call them.
    pub(crate) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// The answer to a command.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) cmd_id: Uuid,
    /// `accepted`, `duplicate`, `late`, `outbid`, …, `busy`.
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) n: Option<u64>,
    #[serde(default)]
    pub(crate) seq: Option<u64>,
}

impl RoomFeed {
    /// Opens a feed.
    pub(crate) async fn open(entrance: &Entrance) -> anyhow::Result<Self> {
        timeout(PATIENCE, Self::connect(entrance)).await.context("the feed did not open in time")?
    }

    async fn connect(entrance: &Entrance) -> anyhow::Result<Self> {
        let mut request = entrance.url().into_client_request()?;
        if let Some(key) = &entrance.key {
            let value = HeaderValue::try_from(format!("Bearer {key}"))?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let stream = TcpStream::connect(entrance.server).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(WRITE_BUFFER);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { socket })
    }

    /// Reads the greeting, which tells the node's clock.
    pub(crate) async fn greeted(&mut self) -> anyhow::Result<Clock> {
        loop {
            if let Said::Hello { t, .. } = self.next().await? {
                return Ok(Clock { t, at: Instant::now() });
            }
        }
    }

    /// The next message; an error when the feed is over. Pings are answered by the library as it reads.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Said> {
        loop {
            if let Some(text) = self.next_text().await? {
                return serde_json::from_str(&text).with_context(|| format!("not understood: {text:.200}"));
            }
        }
    }

    /// The next message as it came; `None` for what is not text.
    pub(crate) async fn next_text(&mut self) -> anyhow::Result<Option<Utf8Bytes>> {
        match self.socket.next().await.context("the feed ended")?? {
            Message::Text(text) => Ok(Some(text)),
            Message::Close(frame) => {
                bail!(
                    "the server closed the feed: {}",
                    frame.map_or_else(String::new, |f| f.reason.to_string())
                )
            }
            _ => Ok(None),
        }
    }

    /// Sends a command; its answer comes as [`Said::Ack`].
    pub(crate) async fn command(&mut self, command: &Value) -> anyhow::Result<()> {
        self.say(&json!({ "type": "command", "command": command })).await
    }

    /// Puts a command among those that [`Self::flush`] sends together.
    pub(crate) async fn queue(&mut self, command: &Value) -> anyhow::Result<()> {
        let message = json!({ "type": "command", "command": command });
        Ok(self.socket.feed(Message::text(message.to_string())).await?)
    }

    /// Sends what was queued.
    pub(crate) async fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.socket.flush().await?)
    }

    /// Sends any message.
    pub(crate) async fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }
}

/// The node's timeline clock, as told at the beginning of a connection. Off by what the greeting took to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    t: i64,
    at: Instant,
}

impl Clock {
    /// Its time, microseconds.
    pub(crate) fn now(&self) -> i64 {
        self.t + i64::try_from(self.at.elapsed().as_micros()).unwrap_or(i64::MAX / 2)
    }

    /// When it will show `t`.
    pub(crate) fn when(&self, t: i64) -> Instant {
        self.at + Duration::from_micros(u64::try_from(t - self.t).unwrap_or(0))
    }
}

impl Entrance {
    fn url(&self) -> String {
        format!("ws://{}{}", self.server, self.path())
    }

    /// Path and query of its feed.
    pub(crate) fn path(&self) -> String {
        let mut query = Vec::new();
        if let Some((secret, name)) = &self.guest {
            query.push(format!("guest={secret}&name={name}"));
        }
        if let Some(seq) = self.from_seq {
            query.push(format!("from_seq={seq}"));
        }
        format!("/api/v1/rooms/{}/events?{}", self.room, query.join("&"))
    }
}
