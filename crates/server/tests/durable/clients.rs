//! People who never give up: after a broken connection they ask for what they missed by `seq`, and send again, by
//! `cmd_id`, what nobody acknowledged.

use crate::{
    Chance, ROOM,
    server::{Life, Node},
};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};
use unisono_timeline::Uuid;

/// Commands of one connection under way.
const UNDER_WAY: usize = 16;
/// Only for a server that is too busy to take a command.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How a client sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Door {
    /// Commands and events on one WebSocket.
    WebSocket,
    /// Commands by POST, one after the other.
    Http,
}

/// A command and what it was answered.
pub(crate) struct Sent {
    pub(crate) cmd_id: Uuid,
    /// The choice, of a vote.
    pub(crate) vote: Option<usize>,
    body: Value,
    pub(crate) ack: Option<Ack>,
}

/// The first answer to a command.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ack {
    pub(crate) cmd_id: Uuid,
    pub(crate) status: String,
    pub(crate) n: Option<u64>,
    pub(crate) seq: Option<u64>,
    pub(crate) words: Option<String>,
}

/// See the module.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) door: Door,
    token: String,
    pub(crate) sent: Vec<Sent>,
    /// Events as they came: `seq` and id.
    pub(crate) told: Vec<(u64, Uuid)>,
    /// Events between the first and the last that a snapshot stood for.
    pub(crate) skipped: u64,
    has_result: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Events {
        events: Vec<Told>,
    },
    Ack(Ack),
    Snapshot {},
    #[serde(other)]
    Else,
}

#[derive(Deserialize)]
struct Told {
    seq: u64,
    id: Uuid,
    #[serde(rename = "type")]
    ty: String,
}

type Socket = WebSocketStream<TcpStream>;
type Broken = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    pub(crate) fn new(
        number: usize,
        door: Door,
        token: String,
        (poll, count): (String, usize),
        seed: u64,
    ) -> Self {
        let mut chance = Chance::new(seed.wrapping_add(1 + number as u64));
        let sent = (0..count).map(|index| command(number, index, &poll, &mut chance)).collect();
        Self { number, door, token, sent, told: Vec::new(), skipped: 0, has_result: false }
    }

    /// Until everything is answered and, where it listens, the poll's result is there.
    pub(crate) async fn run(mut self, node: Arc<Node>) -> Self {
        let mut life = Life::default();
        while !self.is_done() {
            // Whoever is cut off waits for the next life: there is no other reason to be.
            life = node.life_after(life.number).await;
            let ended = match self.door {
                Door::WebSocket => self.by_socket(&node, &life).await,
                Door::Http => self.by_http(&node, &life).await,
            };
            if let Err(broken) = ended {
                println!("client {} in life {}: {broken}", self.number, life.number);
            }
        }
        self
    }

    fn is_done(&self) -> bool {
        let is_answered = self.sent.last().is_some_and(|sent| sent.ack.is_some());
        is_answered && (self.has_result || self.door == Door::Http)
    }

    async fn by_http(&mut self, node: &Node, life: &Life) -> Result<(), Broken> {
        let url = format!("http://{}/api/v1/rooms/{ROOM}/commands", life.address);
        while let Some(index) = self.sent.iter().position(|sent| sent.ack.is_none()) {
            let request = node.http.post(&url).bearer_auth(&self.token);
            let body = self.sent[index].body.to_string();
            let answer = request.header("content-type", "application/json").body(body).send().await?;
            if answer.status() == 503 {
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
            let ack: Ack = serde_json::from_slice(&answer.bytes().await?)?;
            self.take(index, ack, node);
        }
        Ok(())
    }

    async fn by_socket(&mut self, node: &Node, life: &Life) -> Result<(), Broken> {
        let mut socket = self.connect(life).await?;
        let mut next = self.sent.iter().position(|sent| sent.ack.is_none()).unwrap_or(self.sent.len());
        let mut under_way = VecDeque::new();
        while !self.is_done() {
            while under_way.len() < UNDER_WAY && next < self.sent.len() {
                let message = json!({"type": "command", "command": self.sent[next].body}).to_string();
                socket.send(Message::text(message)).await?;
                under_way.push_back(next);
                next += 1;
            }
            match socket.next().await.ok_or("the connection ended")?? {
                Message::Text(text) => match serde_json::from_str(&text)? {
                    Said::Ack(ack) => {
                        let place = under_way.iter().position(|index| self.sent[*index].cmd_id == ack.cmd_id);
                        let index = place.and_then(|place| under_way.remove(place));
                        self.take(index.expect("an answer to what was asked"), ack, node);
                    }
                    Said::Events { events } => self.hear(events),
                    Said::Snapshot {} => self.skipped = self.skipped.max(1),
                    Said::Else => {}
                },
                Message::Close(frame) => return Err(format!("closed: {frame:?}").into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn connect(&self, life: &Life) -> Result<Socket, Broken> {
        let from = self.told.last().map_or(1, |(seq, _)| seq + 1);
        let url = format!("ws://{}/api/v1/rooms/{ROOM}/events?from_seq={from}", life.address);
        let mut request = url.into_client_request()?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", self.token))?;
        request.headers_mut().insert("authorization", bearer);
        let stream = TcpStream::connect(&life.address).await?;
        stream.set_nodelay(true)?;
        Ok(client_async(request, stream).await?.0)
    }

    fn take(&mut self, index: usize, ack: Ack, node: &Node) {
        let is_done = matches!(ack.status.as_str(), "accepted" | "duplicate");
        assert!(is_done, "client {}, command {index}: {ack:?}", self.number);
        let sent = &mut self.sent[index];
        assert_eq!(sent.cmd_id, ack.cmd_id);
        assert!(sent.ack.is_none(), "answered twice");
        sent.ack = Some(ack);
        node.progress.send_modify(|acked| *acked += 1);
    }

    /// The next events follow the last ones, unless a snapshot stands between.
    fn hear(&mut self, events: Vec<Told>) {
        for Told { seq, id, ty } in events {
            let due = self.told.last().map_or(1, |(last, _)| last + 1);
            assert!(
                seq == due || (seq > due && self.skipped > 0),
                "client {}: {seq} where {due} should be",
                self.number
            );
            self.skipped += seq - due;
            self.told.push((seq, id));
            self.has_result |= ty == "poll.decided";
        }
    }
}

/// Mostly chat; votes, of which only the last counts; now and then the score.
fn command(number: usize, index: usize, poll: &str, chance: &mut Chance) -> Sent {
    let cmd_id = Uuid::now_v7();
    let (vote, mut body) = match chance.below(100) {
        0..80 => {
            (None, json!({"type": "chat", "data": {"text": format!("I am c{number}, message {index}")}}))
        }
        80..95 => {
            let choice = chance.below(3);
            (
                Some(choice),
                json!({"type": "poll", "do": "enter", "subject": poll, "data": {"choice": choice}}),
            )
        }
        _ => (None, json!({"type": "score", "data": {"of": format!("I am c{number}, score {index}")}})),
    };
    body["cmd_id"] = cmd_id.to_string().into();
    Sent { cmd_id, vote, body, ack: None }
}
