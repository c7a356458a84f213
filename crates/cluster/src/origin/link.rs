//! One edge: its proof, what it asks for, and the answers.

use super::{Context, feed::Feed};
use crate::{CONTROL_QUEUE, Code, Roster, SUBSCRIPTIONS_MAX, rooms, roster::Place, tls};
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use std::{collections::HashMap, sync::Arc, time::Instant};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_base::Shown;
use unisono_hub::{State, Stream};
use unisono_proto_relay::{
    DEPTH_MAX, Hello, Items, MESSAGE_BYTES_MAX, NodeId, Refusal, Subscribe, SubscriptionId, ToEdge, ToOrigin,
    Welcome,
};

/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// An edge that has proven itself.
pub(super) struct Greeted {
    node: NodeId,
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    items: Items,
}

/// Takes the edge's proof and gives ours. `None`, and the connection is closed, where there is none or it is wrong.
pub(super) async fn greet(connection: Connection, context: &Context) -> Option<Greeted> {
    let (mut send, mut recv) = connection.accept_bi().await.ok()?;
    let mut items = Items::new(MESSAGE_BYTES_MAX);
    let first = next(&mut recv, &mut items).await;
    let Ok(Some(ToOrigin::Hello(Hello { node, proofs }))) = first else {
        tls::close(&connection, Code::Malformed, "the first message is a hello");
        return None;
    };
    let material = tls::material(&connection)?;
    let Some(proof) = context.identity.secrets.answer(&material, &proofs) else {
        tls::close(&connection, Code::Secret, "the relay secrets of the two nodes differ: relay.secrets");
        return None;
    };
    if node == context.identity.node {
        tls::close(&connection, Code::Malformed, "this node is its own upstream: relay.upstream");
        return None;
    }
    let welcome = ToEdge::Welcome(Welcome { node: context.identity.node, proof });
    tls::trust(&connection);
    send.write_chunk(welcome.encode()).await.ok()?;
    // What is said here decides how frames are understood: before all of them.
    send.set_priority(i32::MAX).ok()?;
    Some(Greeted { node, connection, send, recv, items })
}

impl Greeted {
    /// There is no place for it.
    pub(super) fn refuse(self, max: usize) {
        let words = format!("this node has {max} links, its limit");
        tracing::warn!(node = %self.node, "relay: an edge is refused: {words}");
        tls::close(&self.connection, Code::Full, &words);
    }

    /// Gives it what it asks for until the link ends.
    pub(super) async fn serve(self, context: &Arc<Context>, stop: CancellationToken) {
        let (node, peer) = (self.node, Shown::from(self.connection.remote_address()));
        tracing::info!(%peer, %node, "relay: an edge is connected");
        context.metrics.edges.inc();
        let why = answer(self, context, stop).await;
        context.metrics.edges.dec();
        tracing::info!(%peer, %node, "relay: an edge is gone: {why}");
    }
}

/// Answers until the link ends; says why it did.
async fn answer(greeted: Greeted, context: &Arc<Context>, stop: CancellationToken) -> String {
    let Greeted { connection, send, mut recv, mut items, .. } = greeted;
    let (say, said) = mpsc::channel(CONTROL_QUEUE);
    let tasks = TaskTracker::new();
    let ends = stop.child_token();
    tasks.spawn(write(send, said));
    tasks.spawn(tell_peers(context.identity.roster.clone(), say.clone(), ends.clone()));
    let place = context.identity.roster.join();
    let wanted = HashMap::new();
    let mut link = Link { context: context.clone(), connection, say, tasks, ends, place, wanted };
    let why = loop {
        let message = tokio::select! {
            () = stop.cancelled() => break "this node stops".to_owned(),
            message = next(&mut recv, &mut items) => message,
            opened = link.connection.accept_bi() => match opened {
                Ok(stream) => {
                    let given = rooms::give(link.context.clone(), stream);
                    link.tasks.spawn(link.ends.clone().run_until_cancelled_owned(given));
                    continue;
                }
                Err(error) => break error.to_string(),
            },
        };
        match message {
            Ok(Some(message)) => {
                if let Err(words) = link.handle(message).await {
                    break words;
                }
            }
            Ok(None) => break "it closed the link".to_owned(),
            Err(words) => break words,
        }
    };
    link.ends.cancel();
    tls::close(&link.connection, Code::Stopping, &why);
    let Link { say, tasks, .. } = link;
    drop(say);
    tasks.close();
    tasks.wait().await;
    why
}

struct Link {
    context: Arc<Context>,
    connection: Connection,
    say: mpsc::Sender<Bytes>,
    tasks: TaskTracker,
    ends: CancellationToken,
    /// Who is at the edge's side.
    place: Place,
    wanted: HashMap<SubscriptionId, Wanted>,
}

/// A subscription of this edge.
struct Wanted {
    ends: CancellationToken,
    /// Filled once the stream is found.
    keyframes: Arc<tokio::sync::Notify>,
}

impl Link {
    async fn handle(&mut self, message: ToOrigin) -> Result<(), String> {
        match message {
            ToOrigin::Hello(_) => return Err("it said hello twice".to_owned()),
            ToOrigin::Subscribe(subscribe) => self.subscribe(subscribe).await,
            ToOrigin::Unsubscribe(id) => {
                if let Some(wanted) = self.wanted.remove(&id) {
                    wanted.ends.cancel();
                }
            }
            ToOrigin::Keyframe(id) => {
                if let Some(wanted) = self.wanted.get(&id) {
                    wanted.keyframes.notify_one();
                }
            }
            ToOrigin::Ping(number) => {
                let now = self.context.clock.at(Instant::now());
                let _ = self.say.send(ToEdge::Pong(number, now).encode()).await;
            }
            ToOrigin::Peers(peers) => self.place.set(peers),
        }
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: Subscribe) {
        self.wanted.retain(|_, wanted| !wanted.ends.is_cancelled());
        let id = subscribe.id;
        if self.wanted.len() >= SUBSCRIPTIONS_MAX || self.wanted.contains_key(&id) {
            let words = format!("this node gives {SUBSCRIPTIONS_MAX} streams to one other, its limit");
            let _ = self.say.send(ToEdge::Refused(id, Refusal::Full, words).encode()).await;
            return;
        }
        let (ends, keyframes) = (self.ends.child_token(), Arc::default());
        self.wanted.insert(id, Wanted { ends: ends.clone(), keyframes: Arc::clone(&keyframes) });
        let (context, connection, say) = (self.context.clone(), self.connection.clone(), self.say.clone());
        self.tasks.spawn(async move {
            let given = give(&context, connection, &say, subscribe, &ends, &keyframes);
            let _ = ends.run_until_cancelled(given).await;
            ends.cancel();
        });
    }
}

/// All nodes that this one knows, now and at each change.
async fn tell_peers(roster: Arc<Roster>, say: mpsc::Sender<Bytes>, ends: CancellationToken) {
    let (mut changes, mut told) = (roster.changes(), None);
    let tell = async {
        loop {
            let peers = roster.for_edges();
            if told.as_ref() != Some(&peers) {
                let said = say.send(ToEdge::Peers(peers.clone()).encode()).await;
                told = Some(peers);
                if said.is_err() {
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = ends.run_until_cancelled(tell).await;
}

/// One subscription from its first answer to its last.
async fn give(
    context: &Context,
    connection: Connection,
    say: &mpsc::Sender<Bytes>,
    subscribe: Subscribe,
    ends: &CancellationToken,
    keyframes: &tokio::sync::Notify,
) {
    let id = subscribe.id;
    let stream = match find(context, &subscribe).await {
        Ok(stream) => stream,
        Err((why, words)) => {
            tracing::debug!(stream = %subscribe.stream, "relay: refused: {words}");
            let _ = say.send(ToEdge::Refused(id, why, words).encode()).await;
            return;
        }
    };
    tracing::info!(stream = %stream.id(), "relay: an edge pulls");
    context.metrics.subscriptions.inc();
    let feed = Feed::new(context, stream.clone(), connection, say.clone(), &subscribe);
    tokio::select! {
        () = feed.run() => {}
        () = ask_for_keyframes(&stream, keyframes) => {}
        () = ends.cancelled() => {}
    }
    context.metrics.subscriptions.dec();
    tracing::info!(stream = %stream.id(), "relay: an edge pulls no more");
}

async fn ask_for_keyframes(stream: &Stream, wanted: &tokio::sync::Notify) {
    loop {
        wanted.notified().await;
        stream.request_keyframe();
    }
}

/// The stream, pulled by this node itself if need be.
async fn find(context: &Context, subscribe: &Subscribe) -> Result<Arc<Stream>, (Refusal, String)> {
    let Subscribe { stream: id, path, .. } = subscribe;
    if path.contains(&context.identity.node) {
        let words = format!("{id} would come back to a node that asks for it: the upstreams form a loop");
        return Err((Refusal::Loop, words));
    }
    let nodes = path.len() + usize::from(context.depth(id));
    if path.is_empty() || nodes > DEPTH_MAX {
        let words = format!("{id} would pass {nodes} nodes; {DEPTH_MAX} are the limit");
        return Err((Refusal::TooDeep, words));
    }
    let here = context.hub.stream(id).filter(|stream| stream.state() != State::Ended);
    let nobody = || (Refusal::NoStream, format!("nobody publishes {id} now"));
    match (here, &context.edge) {
        (Some(stream), _) => Ok(stream),
        (None, None) => Err(nobody()),
        (None, Some(edge)) => {
            edge.want_for(id, path).await.map_err(|why| (Refusal::NoStream, why.to_string()))?;
            context.hub.stream(id).ok_or_else(nobody)
        }
    }
}

/// The next message; `None` at the end of the stream.
/// Cancelling loses nothing.
async fn next(recv: &mut RecvStream, items: &mut Items) -> Result<Option<ToOrigin>, String> {
    loop {
        if let Some(item) = items.poll().map_err(|error| error.to_string())? {
            return ToOrigin::decode(item).map(Some).map_err(|error| error.to_string());
        }
        match recv.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => items.handle_bytes(&chunk.bytes),
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Writes what anybody of this link has to say, in order.
async fn write(mut send: SendStream, mut said: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = said.recv().await {
        if send.write_chunk(bytes).await.is_err() {
            return;
        }
    }
}
