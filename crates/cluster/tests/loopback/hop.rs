//! A UDP hop between two nodes: delay, loss and a bottleneck towards the edge, in real time, as QUIC needs it.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::UdpSocket, task::JoinHandle, time::sleep_until};
use unisono_testkit::{Bottleneck, Link, LinkConfig};

/// What a packet may wait for at the bottleneck.
const QUEUE_MAX: Duration = Duration::from_millis(200);

/// Lives as long as the test.
pub(crate) struct Hop {
    pub(crate) address: SocketAddr,
    /// Nothing comes to the edge any more, or to the origin.
    pub(crate) is_deaf: [Arc<AtomicBool>; 2],
    /// See [`Self::forget`].
    forgets: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// Length of a connection id as the library under test makes them.
const CID_BYTES: usize = 8;

impl Hop {
    /// Between one edge and `origin`: `one_way` of delay in each direction, `loss` and `bits_per_second` towards the edge.
    pub(crate) async fn new(origin: SocketAddr, one_way: Duration, loss: f64, bits_per_second: f64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let link = |loss| Link::new(LinkConfig { delay: one_way, jitter: Duration::ZERO, loss, seed: 7 });
        let bottleneck = Bottleneck::new(bits_per_second, QUEUE_MAX);
        let is_deaf: [Arc<AtomicBool>; 2] = Default::default();
        let forgets = Arc::new(AtomicBool::new(false));
        let state = State {
            socket,
            origin,
            edge: None,
            to_edge: link(loss),
            to_origin: link(0.0),
            bottleneck,
            is_deaf: is_deaf.clone(),
            forgets: forgets.clone(),
            known: HashSet::new(),
            dead: HashSet::new(),
        };
        Self { address, is_deaf, forgets, task: tokio::spawn(state.run()) }
    }

    /// From now on what goes to the edge, and to the origin, is lost.
    pub(crate) fn lose(&self, to_edge: bool, to_origin: bool) {
        self.is_deaf[0].store(to_edge, Ordering::SeqCst);
        self.is_deaf[1].store(to_origin, Ordering::SeqCst);
    }

    /// Lets nothing through any more of the connections there are, without a word; new ones pass. As a middlebox that has
    /// forgotten them.
    pub(crate) fn forget(&self) {
        self.forgets.store(true, Ordering::Relaxed);
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct State {
    socket: UdpSocket,
    origin: SocketAddr,
    edge: Option<SocketAddr>,
    to_edge: Link<Vec<u8>>,
    to_origin: Link<Vec<u8>>,
    bottleneck: Bottleneck,
    is_deaf: [Arc<AtomicBool>; 2],
    forgets: Arc<AtomicBool>,
    /// Connections by the ids of their packets with a short header (RFC 9000 §17.3.1).
    known: HashSet<[u8; CID_BYTES]>,
    dead: HashSet<[u8; CID_BYTES]>,
}

impl State {
    async fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        loop {
            let next = self.to_edge.next_arrival().into_iter().chain(self.to_origin.next_arrival()).min();
            tokio::select! {
                got = self.socket.recv_from(&mut buffer) => {
                    // An error is an ICMP message about a packet sent before.
                    let Ok((length, from)) = got else { continue };
                    self.take(&buffer[..length], from, Instant::now());
                }
                () = async { sleep_until(next.expect("asked for below").into()).await }, if next.is_some() => {}
            }
            self.give(Instant::now()).await;
        }
    }

    /// False for what belongs to a connection that is forgotten.
    fn passes(&mut self, datagram: &[u8]) -> bool {
        if self.forgets.swap(false, Ordering::Relaxed) {
            self.dead.extend(&self.known);
        }
        let is_long = datagram.first().is_none_or(|first| first & 0x80 != 0);
        let Some(cid) = datagram.get(1..=CID_BYTES).and_then(|cid| cid.try_into().ok()) else { return true };
        if is_long {
            return true;
        }
        self.known.insert(cid);
        !self.dead.contains(&cid)
    }

    fn take(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        let [edge, origin] = self.is_deaf.each_ref().map(|deaf| deaf.load(Ordering::SeqCst));
        let is_lost = if from == self.origin { edge } else { origin };
        if is_lost || !self.passes(datagram) {
            return;
        }
        if from != self.origin {
            self.edge = Some(from);
            self.to_origin.send(now, datagram.to_vec());
        } else if let Some(sent) = self.bottleneck.pass(now, datagram.len()) {
            self.to_edge.send(sent, datagram.to_vec());
        }
    }

    async fn give(&mut self, now: Instant) {
        while let Some(datagram) = self.to_origin.receive(now) {
            let _ = self.socket.send_to(&datagram, self.origin).await;
        }
        while let (Some(datagram), Some(edge)) = (self.to_edge.receive(now), self.edge) {
            let _ = self.socket.send_to(&datagram, edge).await;
        }
    }
}
