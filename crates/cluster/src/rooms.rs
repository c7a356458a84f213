//! Rooms over a link: a stream for each room that is open at the edge, whoever many are in it there, and one for each
//! request that the origin answers as a whole. What they say is [`unisono_room`]'s and the server's; here it is carried.

use crate::{Code, Edge, edge::Link, origin::Context};
use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use quinn::{RecvStream, SendStream};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use unisono_base::RoomId;
use unisono_proto_relay::{
    DEPTH_MAX, Items, NodeId, Opening, REQUEST_BYTES_MAX, ROOM_ITEM_BYTES_MAX, RoomPacket,
};
use unisono_room::{Packet, Upstream, WAY_PLACES, Way};
use unisono_store::BoxFuture;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// So long an edge waits for its link before it says that there is none.
const LINK_WITHIN: Duration = Duration::from_secs(1);
/// A stream is opened, and says what it is for, within this.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// The head of an answer comes within this: a report may read a whole log first.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// Chunks of an answer that wait to be taken.
const CHUNKS_MAX: usize = 8;
/// Packets that wait to be taken in, or at the origin to be sent: pages of events may be among them. Who has more waits, and flow
/// control makes the other node wait.
const PLACES_MAX: usize = 64;
/// Rooms go before pictures and behind sound; requests wait for both.
const ROOM_PRIORITY: i32 = i32::MAX - 2;
const REQUEST_PRIORITY: i32 = -1;

/// Why a request got no answer, in words for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RequestError(String);

impl RequestError {
    /// Why it broke off.
    pub fn new(words: String) -> Self {
        Self(words)
    }
}

/// What a request is answered: a head, and a body in chunks. An error among them: it broke off.
#[derive(Debug)]
pub struct Answer {
    /// As the one who answers has written it.
    pub head: Bytes,
    /// The body, to its end.
    pub body: mpsc::Receiver<Result<Bytes, RequestError>>,
}

/// Who answers requests that another node was asked.
pub trait Answers: Send + Sync + 'static {
    /// `path`: the nodes it came by, the first of which has let it in.
    fn answer<'a>(&'a self, path: Vec<NodeId>, head: Bytes, body: Bytes) -> BoxFuture<'a, Answer>;
}

impl Upstream for Edge {
    fn attach<'a>(&'a self, room: &'a RoomId, path: &'a [u64]) -> BoxFuture<'a, Result<Way, String>> {
        Box::pin(async move {
            let path = self.path(path.iter().copied().map(NodeId));
            let (send, recv) = self.open(&Opening::Room { room: room.clone(), path }, ROOM_PRIORITY).await?;
            let stream = (send, recv, Items::new(ROOM_ITEM_BYTES_MAX));
            Ok(carry(stream, WAY_PLACES, self.metrics().rooms_here.clone()))
        })
    }
}

impl Edge {
    /// Has the upstream answer a request of at most 64 KiB each of head and body, which came by `path` to this node.
    pub async fn request(
        &self,
        path: impl IntoIterator<Item = NodeId>,
        head: Bytes,
        body: Bytes,
    ) -> Result<Answer, RequestError> {
        if head.len() > REQUEST_BYTES_MAX || body.len() > REQUEST_BYTES_MAX {
            let words = format!("a request to another node has at most {REQUEST_BYTES_MAX} bytes");
            return Err(RequestError(words));
        }
        self.metrics().requests.inc();
        let opening = Opening::Request { path: self.path(path), head, body };
        let (mut send, mut recv) = self.open(&opening, REQUEST_PRIORITY).await.map_err(RequestError)?;
        let _ = send.finish();
        let mut items = Items::new(ROOM_ITEM_BYTES_MAX);
        let head = timeout(ANSWER_WITHIN, next_packet(&mut recv, &mut items)).await;
        let Ok(Ok(Some(RoomPacket { head, .. }))) = head else {
            return Err(RequestError("the node that has the room gave no answer".to_owned()));
        };
        let (chunks, body) = mpsc::channel(CHUNKS_MAX);
        tokio::spawn(read_body(recv, items, chunks));
        Ok(Answer { head, body })
    }

    fn path(&self, path: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        path.into_iter().chain([self.node()]).take(DEPTH_MAX + 1).collect()
    }

    async fn open(&self, opening: &Opening, priority: i32) -> Result<(SendStream, RecvStream), String> {
        let Some(link) = self.link_within(LINK_WITHIN).await else {
            return Err("the link to it is down".to_owned());
        };
        let opened = timeout(OPEN_WITHIN, begin(&link, opening, priority)).await;
        opened.unwrap_or_else(|_| Err("the link to it is too busy".to_owned()))
    }
}

async fn begin(link: &Link, opening: &Opening, priority: i32) -> Result<(SendStream, RecvStream), String> {
    let (mut send, recv) = link.open_stream().await?;
    let _ = send.set_priority(priority);
    send.write_chunk(opening.encode()).await.map_err(|error| error.to_string())?;
    Ok((send, recv))
}

/// Gives an edge what it has opened a stream for, until that is over.
pub(crate) async fn give(context: Arc<Context>, (send, mut recv): (SendStream, RecvStream)) {
    let mut items = Items::new(ROOM_ITEM_BYTES_MAX);
    let opening = timeout(OPEN_WITHIN, next_item(&mut recv, &mut items)).await;
    let Ok(Ok(Some(opening))) = opening else { return };
    match Opening::decode(opening) {
        Ok(Opening::Room { room, path }) => {
            let _ = send.set_priority(ROOM_PRIORITY);
            let way = carry((send, recv, items), PLACES_MAX, context.metrics.rooms_there.clone());
            give_room(&context, room, &path, way).await;
        }
        Ok(Opening::Request { path, head, body }) => {
            let _ = send.set_priority(REQUEST_PRIORITY);
            give_answer(&context, path, (head, body), send).await;
        }
        Err(error) => tracing::warn!("relay: {error}"),
    }
}

async fn give_room(context: &Context, room: RoomId, path: &[NodeId], way: Way) {
    match refused(context, &room, path) {
        Some(words) => way.refuse(words).await,
        None => {
            if let Some((rooms, _)) = &context.rooms {
                rooms.clone().host(room, path.iter().map(|node| node.0).collect(), way).await;
            }
        }
    }
}

fn refused(context: &Context, what: &impl std::fmt::Display, path: &[NodeId]) -> Option<String> {
    if path.contains(&context.identity.node) {
        return Some(format!("{what} would come back to a node that asks for it: the upstreams form a loop"));
    }
    if path.is_empty() || path.len() > DEPTH_MAX {
        return Some(format!("{what} would pass {} nodes; {DEPTH_MAX} are the limit", path.len()));
    }
    context.rooms.is_none().then(|| "this node gives no rooms".to_owned())
}

async fn give_answer(
    context: &Context,
    path: Vec<NodeId>,
    (head, body): (Bytes, Bytes),
    mut send: SendStream,
) {
    if let Some(words) = refused(context, &"the request", &path) {
        tracing::warn!("relay: {words}");
        let _ = send.reset(Code::Broken.into());
        return;
    }
    let Some((_, answers)) = &context.rooms else { return };
    let Answer { head, mut body } = answers.answer(path, head, body).await;
    let mut written = write_item(&mut send, &head).await;
    let mut left = ANSWER_BYTES_MAX;
    while let Some(chunk) = body.recv().await {
        match (chunk, &written) {
            (Ok(chunk), Ok(())) if chunk.len() <= left => {
                left -= chunk.len();
                for piece in chunk.chunks(CHUNK) {
                    written = write_item(&mut send, piece).await;
                }
            }
            _ => {
                let _ = send.reset(Code::Broken.into());
                return;
            }
        }
    }
    let _ = send.finish();
}

async fn write_item(send: &mut SendStream, bytes: &[u8]) -> Result<(), quinn::WriteError> {
    let packet = RoomPacket { head: Bytes::copy_from_slice(bytes), parts: Vec::new() };
    send.write_chunk(packet.encode()).await
}

async fn read_body(
    mut recv: RecvStream,
    mut items: Items,
    chunks: mpsc::Sender<Result<Bytes, RequestError>>,
) {
    loop {
        let chunk = match next_packet(&mut recv, &mut items).await {
            Ok(Some(RoomPacket { head, .. })) => Ok(head),
            Ok(None) => return,
            Err(words) => Err(RequestError(words)),
        };
        let is_over = chunk.is_err();
        if chunks.send(chunk).await.is_err() || is_over {
            let _ = recv.stop(Code::Broken.into());
            return;
        }
    }
}

/// A room's way over a stream, with `places` for what is to be said. Both directions end with it, and with the way.
fn carry((send, recv, items): (SendStream, RecvStream, Items), places: usize, open: Gauge) -> Way {
    let (to_peer, from_here) = mpsc::channel(places);
    let (to_here, from_peer) = mpsc::channel(PLACES_MAX);
    tokio::spawn(write_packets(send, from_here));
    tokio::spawn(async move {
        open.inc();
        if let Err(words) = read_packets(recv, items, to_here).await {
            tracing::debug!("relay: a room's stream ends: {words}");
        }
        open.dec();
    });
    Way { send: to_peer, receive: from_peer }
}

async fn write_packets(mut send: SendStream, mut packets: mpsc::Receiver<Packet>) {
    while let Some(Packet { head, parts }) = packets.recv().await {
        if send.write_chunk(RoomPacket { head, parts }.encode()).await.is_err() {
            return;
        }
    }
    let _ = send.finish();
}

async fn read_packets(
    mut recv: RecvStream,
    mut items: Items,
    packets: mpsc::Sender<Packet>,
) -> Result<(), String> {
    loop {
        let packet = tokio::select! {
            packet = next_packet(&mut recv, &mut items) => packet?,
            () = packets.closed() => None,
        };
        let Some(RoomPacket { head, parts }) = packet else {
            let _ = recv.stop(Code::Stopping.into());
            return Ok(());
        };
        if packets.send(Packet { head, parts }).await.is_err() {
            return Ok(());
        }
    }
}

/// The next packet; `None` at the end of the stream. Cancelling loses nothing.
async fn next_packet(recv: &mut RecvStream, items: &mut Items) -> Result<Option<RoomPacket>, String> {
    let item = next_item(recv, items).await?;
    item.map(RoomPacket::decode).transpose().map_err(|error| error.to_string())
}

/// The next item; `None` at the end of the stream. Cancelling loses nothing.
async fn next_item(recv: &mut RecvStream, items: &mut Items) -> Result<Option<Bytes>, String> {
    loop {
        if let Some(item) = items.poll().map_err(|error| error.to_string())? {
            return Ok(Some(item));
        }
        match recv.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => items.handle_bytes(&chunk.bytes),
            Ok(None) if items.is_empty() => return Ok(None),
            Ok(None) => return Err("it ended within an item".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
}
