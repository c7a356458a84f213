//! The link while it is up: the origin's proof, what it says handed to the pulls, groups read side by side.

use super::Shared;
use crate::{CONTROL_QUEUE, Code, Identity, SILENT_MAX, SILENT_ROUND_TRIPS, tls};
use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{Connection, RecvStream, SendStream};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep};
use unisono_proto_relay::{
    GroupDecoder, GroupHead, GroupItem, Hello, Items, MESSAGE_BYTES_MAX, NodeId, RelayedFrame,
    SubscriptionId, ToEdge, ToOrigin, Welcome,
};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// What waits to be taken in by one pull; who reads for it waits, and flow control makes the origin wait.
const INPUT_QUEUE: usize = 1_024;
/// The first pings come fast, so that the clock is known soon.
const PING_FIRST: Duration = Duration::from_millis(20);
const PINGS_FIRST: usize = 5;
const PING_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether anything came.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pings whose answer is awaited.
const PINGS_MAX: usize = 16;

/// For one pull.
#[derive(Debug)]
pub(super) enum Input {
    /// The origin says something.
    Told(ToEdge),
    /// A group begins.
    Head(GroupHead),
    /// Its next frame.
    Frame(GroupKey, RelayedFrame),
    /// Its stream is over: whole, or cut short.
    End(GroupKey, bool),
}

/// Names a group within a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupKey {
    pub(super) track: u32,
    /// Number of the first frame on its stream.
    pub(super) first: u64,
}

/// See the module.
pub(crate) struct Link {
    connection: Connection,
    node: NodeId,
    say: mpsc::Sender<Bytes>,
    /// Taken by [`Self::run`].
    ends: Mutex<Option<Ends>>,
    pulls: Mutex<HashMap<SubscriptionId, mpsc::Sender<Input>>>,
    next_id: AtomicU32,
    pings: Mutex<VecDeque<(u64, Instant)>>,
}

struct Ends {
    send: SendStream,
    recv: RecvStream,
    items: Items,
    said: mpsc::Receiver<Bytes>,
}

impl Link {
    /// Proves this node and takes the origin's proof.
    pub(super) async fn greet(connection: Connection, identity: &Identity) -> Result<Arc<Self>, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let material = tls::material(&connection).ok_or("the connection ended")?;
        let (mut send, mut recv) = connection.open_bi().await.map_err(|error| words(&error))?;
        let hello = Hello { node: identity.node, proofs: identity.secrets.prove(&material) };
        send.write_chunk(ToOrigin::Hello(hello).encode()).await.map_err(|error| words(&error))?;
        let mut items = Items::new(MESSAGE_BYTES_MAX);
        let Some(ToEdge::Welcome(Welcome { node, proof })) = next(&mut recv, &mut items).await? else {
            tls::close(&connection, Code::Malformed, "the first message is a welcome");
            return Err("it does not answer as a relay does".to_owned());
        };
        if !identity.secrets.accept(&material, &proof) {
            let words = "it does not know the secret: somebody else answers at the upstream's address";
            tls::close(&connection, Code::Secret, words);
            return Err(words.to_owned());
        }
        let (say, said) = mpsc::channel(CONTROL_QUEUE);
        Ok(Arc::new(Self {
            connection,
            node,
            say,
            ends: Mutex::new(Some(Ends { send, recv, items, said })),
            pulls: Mutex::default(),
            next_id: AtomicU32::new(1),
            pings: Mutex::default(),
        }))
    }

    /// The node at the other end.
    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// A place for what comes of a new subscription. It ends when the link does.
    pub(super) fn open(&self) -> (SubscriptionId, mpsc::Receiver<Input>) {
        let id = SubscriptionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let (send, receive) = mpsc::channel(INPUT_QUEUE);
        if self.connection.close_reason().is_none() {
            self.pulls.lock().insert(id, send);
        }
        (id, receive)
    }

    /// Nothing more of it is wanted.
    pub(super) async fn leave(&self, id: SubscriptionId) {
        self.pulls.lock().remove(&id);
        self.say(ToOrigin::Unsubscribe(id)).await;
    }

    /// A stream of its own beside the control stream.
    pub(crate) async fn open_stream(&self) -> Result<(SendStream, RecvStream), String> {
        self.connection.open_bi().await.map_err(|error| error.to_string())
    }

    /// Says something to the origin; lost where the link is.
    pub(super) async fn say(&self, message: ToOrigin) {
        let _ = self.say.send(message.encode()).await;
    }

    /// Runs the link until it ends; says why it did. `is_timed` is called when the clock is known better.
    pub(super) async fn run(self: &Arc<Self>, shared: &Arc<Shared>, is_timed: impl Fn()) -> String {
        let Some(Ends { send, recv, items, said }) = self.ends.lock().take() else {
            return "it ran already".to_owned();
        };
        tokio::select! {
            why = self.listen(recv, items, shared, is_timed) => why,
            () = write(send, said) => "it takes no more messages".to_owned(),
            why = self.take_groups(shared) => why,
            () = self.ping(shared) => "no more pings".to_owned(),
            () = self.tell_peers(shared) => "no more news".to_owned(),
        }
    }

    /// Completes once nothing came for a while: a sign of life comes four times a second.
    pub(super) async fn silent(&self) {
        let (mut datagrams, mut since) = (self.datagrams(), Instant::now());
        loop {
            sleep(LOOK_EVERY).await;
            let now = self.datagrams();
            if now != datagrams {
                (datagrams, since) = (now, Instant::now());
            }
            let silent_max = SILENT_MAX.max(self.connection.rtt() * SILENT_ROUND_TRIPS);
            if since.elapsed() >= silent_max {
                return;
            }
        }
    }

    /// Completes when something came.
    pub(super) async fn heard(&self) {
        let before = self.datagrams();
        while self.datagrams() == before {
            sleep(LOOK_EVERY).await;
        }
    }

    /// So many came.
    fn datagrams(&self) -> u64 {
        self.connection.stats().udp_rx.datagrams
    }

    /// Ends it; every pull learns of it.
    pub(super) fn close(&self) {
        tls::close(&self.connection, Code::Stopping, "");
        self.pulls.lock().clear();
    }

    async fn listen(
        &self,
        mut recv: RecvStream,
        mut items: Items,
        shared: &Shared,
        is_timed: impl Fn(),
    ) -> String {
        loop {
            let message = match next(&mut recv, &mut items).await {
                Ok(Some(message)) => message,
                Ok(None) => return "it was closed".to_owned(),
                Err(words) => return words,
            };
            if let ToEdge::Pong(number, t) = message {
                let mut pings = self.pings.lock();
                if let Some(at) = pings.iter().position(|(sent, _)| *sent == number)
                    && let Some((_, sent)) = pings.remove(at)
                {
                    drop(pings);
                    shared.timeline.lock().handle_pong(sent, t, Instant::now());
                    is_timed();
                }
            } else if let Some(id) = message.subscription() {
                self.hand(id, Input::Told(message)).await;
            } else {
                match message {
                    ToEdge::Peers(peers) => shared.identity.roster.set_above(peers),
                    _ => return "it said welcome twice".to_owned(),
                }
            }
        }
    }

    /// False where nobody takes it.
    async fn hand(&self, id: SubscriptionId, input: Input) -> bool {
        let pull = self.pulls.lock().get(&id).cloned();
        match pull {
            Some(pull) => pull.send(input).await.is_ok(),
            None => false,
        }
    }

    async fn take_groups(self: &Arc<Self>, shared: &Arc<Shared>) -> String {
        loop {
            match self.connection.accept_uni().await {
                Ok(recv) => {
                    let (link, shared) = (self.clone(), shared.clone());
                    // Ends with its stream, and that with the connection.
                    tokio::spawn(async move {
                        if let Err(words) = link.read_group(recv, &shared).await {
                            tracing::warn!("relay: {words}");
                            tls::close(&link.connection, Code::Malformed, &words);
                        }
                    });
                }
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Errors for what the origin should not have sent.
    async fn read_group(&self, mut recv: RecvStream, shared: &Shared) -> Result<(), String> {
        let (mut decoder, mut head) = (GroupDecoder::default(), None);
        let is_whole = loop {
            while let Some(item) = decoder.poll().map_err(|error| error.to_string())? {
                let (id, input) = match item {
                    GroupItem::Head(found) => {
                        head = Some((found.id, GroupKey { track: found.track, first: found.first }));
                        (found.id, Input::Head(found))
                    }
                    GroupItem::Frame(frame) => {
                        let Some((id, group)) = head else { return Ok(()) };
                        shared.metrics.bytes_in.inc_by(frame.frame.payload.len() as u64);
                        (id, Input::Frame(group, frame))
                    }
                };
                if !self.hand(id, input).await {
                    let _ = recv.stop(Code::Late.into());
                    return Ok(());
                }
            }
            match recv.read_chunk(CHUNK, true).await {
                Ok(Some(chunk)) => decoder.handle_bytes(&chunk.bytes),
                Ok(None) => break decoder.is_whole(),
                Err(_) => break false,
            }
        };
        if let Some((id, group)) = head {
            self.hand(id, Input::End(group, is_whole)).await;
        }
        Ok(())
    }

    /// Who is at this side of the link, now and at each change.
    async fn tell_peers(&self, shared: &Shared) {
        let roster = &shared.identity.roster;
        let (mut changes, mut told) = (roster.changes(), None);
        loop {
            let peers = roster.for_upstream();
            if told.as_ref() != Some(&peers) {
                self.say(ToOrigin::Peers(peers.clone())).await;
                told = Some(peers);
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn note_ping(&self, number: u64) {
        let mut pings = self.pings.lock();
        pings.push_back((number, Instant::now()));
        if pings.len() > PINGS_MAX {
            pings.pop_front();
        }
    }

    async fn ping(&self, shared: &Shared) {
        for number in 0u64.. {
            self.note_ping(number);
            self.say(ToOrigin::Ping(number)).await;
            shared.metrics.rtt.set(self.connection.rtt().as_secs_f64());
            let is_first = number < PINGS_FIRST as u64;
            sleep(if is_first { PING_FIRST } else { PING_EVERY }).await;
        }
    }
}

/// The next message; `None` at the end of the stream.
async fn next(recv: &mut RecvStream, items: &mut Items) -> Result<Option<ToEdge>, String> {
    loop {
        if let Some(item) = items.poll().map_err(|error| error.to_string())? {
            return ToEdge::decode(item).map(Some).map_err(|error| error.to_string());
        }
        match recv.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => items.handle_bytes(&chunk.bytes),
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
    }
}

async fn write(mut send: SendStream, mut said: mpsc::Receiver<Bytes>) {
    // What is said here is small and decides what comes.
    let _ = send.set_priority(i32::MAX);
    while let Some(bytes) = said.recv().await {
        if send.write_chunk(bytes).await.is_err() {
            return;
        }
    }
}
