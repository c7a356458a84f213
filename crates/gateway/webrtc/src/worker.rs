//! A WebRTC worker: one thread, one task, one UDP socket, and the sessions that belong to it.
//!
//! The task sleeps until something happens: a datagram, a doorbell, a command, a deadline. Then it takes everything
//! that is there in one turn, sends what came of it, and sleeps again: one wake-up per frame, however many viewers.

mod moving;
mod reading;
mod turn;

use crate::{
    SessionId,
    audience::{Audiences, Round},
    bell::Target,
    command::Command,
    gateway::Shared,
    metrics::Reason,
    session::Session,
    tcp::link::TcpLink,
    way::Out,
};
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use reading::Reading;
use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread::JoinHandle,
    time::Instant,
};
use tokio::sync::{mpsc, watch};
use unisono_net::{Bound, Buckets, RecvBuffers, SendStats, Socket};

/// A turn without a pause: after this many the runtime gets to look at its sockets and timers.
const TURNS_PER_YIELD: u32 = 32;

/// Networks of unknown senders that are told apart at once; the quietest makes room.
const STRANGERS_MAX: usize = 4_096;

/// A datagram that another worker's socket received.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) from: SocketAddr,
    pub(crate) to: Option<IpAddr>,
    pub(crate) bytes: Bytes,
    /// That worker.
    pub(crate) by: usize,
}

/// A packet of an ICE-TCP connection whose first packet named the session.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) session: SessionId,
    pub(crate) link: Arc<TcpLink>,
    pub(crate) bytes: Bytes,
}

/// The receiving ends of a worker's mailbox.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) datagrams: mpsc::Receiver<Forwarded>,
    pub(crate) arrived: mpsc::Receiver<Arrived>,
}

/// See the module.
struct Worker {
    index: usize,
    shared: Arc<Shared>,
    out: Out,
    commands: mpsc::Receiver<Command>,
    datagrams: mpsc::Receiver<Forwarded>,
    arrived: mpsc::Receiver<Arrived>,
    sessions: HashMap<SessionId, Session>,
    /// This worker's part of the directory, to be read without a lock.
    ufrags: HashMap<String, SessionId>,
    peers: HashMap<SocketAddr, SessionId>,
    /// One entry per session that waits for a time.
    deadlines: BTreeSet<(Instant, SessionId)>,
    audiences: Audiences,
    /// Datagrams of senders that no session knows, by network.
    strangers: Buckets,
    reading: Reading,
    /// Scratch: what rang in this turn.
    rung: Vec<Target>,
    /// Scratch: what is done for the audience being served.
    round: Round,
    counters: Counters,
}

/// Handles of the metrics a worker touches per datagram.
struct Counters {
    unknown_peer: Counter,
    too_many_strangers: Counter,
    invalid: Counter,
    handover_full: Counter,
    /// This worker's part of all datagrams sent.
    packets: Counter,
    send_buffer_full: Counter,
    send_refused: Counter,
    tcp_too_slow: Counter,
    /// What was already counted of the batch's own figures.
    sent: SendStats,
    sent_by_tcp: SendStats,
}

/// Starts a worker; errors of its runtime and socket are reported here.
pub(crate) fn spawn(
    index: usize,
    bound: Bound,
    Inbox { commands, datagrams, arrived }: Inbox,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let socket = {
        let _inside = runtime.enter();
        Socket::new(bound)?
    };
    let metrics = &shared.metrics;
    let worker = Worker {
        index,
        out: Out::new(socket, &shared.candidates),
        commands,
        datagrams,
        arrived,
        sessions: HashMap::new(),
        ufrags: HashMap::new(),
        peers: HashMap::new(),
        deadlines: BTreeSet::new(),
        audiences: Audiences::default(),
        strangers: Buckets::new(shared.config.limits.strangers, STRANGERS_MAX),
        reading: Reading::default(),
        rung: Vec::new(),
        round: Round::default(),
        counters: Counters {
            unknown_peer: metrics.drops(Reason::unknown_peer),
            too_many_strangers: metrics.drops(Reason::too_many_strangers),
            invalid: metrics.drops(Reason::invalid),
            handover_full: metrics.drops(Reason::handover_full),
            packets: metrics.worker_packets(index),
            send_buffer_full: metrics.drops(Reason::send_buffer_full),
            send_refused: metrics.drops(Reason::send_refused),
            tcp_too_slow: metrics.drops(Reason::tcp_too_slow),
            sent: SendStats::default(),
            sent_by_tcp: SendStats::default(),
        },
        shared,
    };
    std::thread::Builder::new()
        .name(format!("webrtc-{index}"))
        .spawn(move || runtime.block_on(worker.run(stopped)))
}

impl Worker {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let bells = self.shared.mailboxes[self.index].bells.clone();
        let mut buffers = RecvBuffers::new();
        let mut turns = 0u32;
        loop {
            let deadline = self.deadlines.first().map(|(at, _)| tokio::time::Instant::from_std(*at));
            let wait = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let put_off_to = self.reading.put_off_to().map(tokio::time::Instant::from_std);
            let readable = async {
                if let Some(at) = put_off_to {
                    tokio::time::sleep_until(at).await;
                }
                self.out.socket.readable().await
            };
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                Some(command) = self.commands.recv() => self.command(command),
                Some(forwarded) = self.datagrams.recv() => self.take_over(&forwarded),
                Some(arrived) = self.arrived.recv() => self.take_in(arrived),
                () = bells.rung() => {}
                _ = readable => {}
                () = wait => {}
            }
            self.turn(&mut buffers);
            turns += 1;
            if turns.is_multiple_of(TURNS_PER_YIELD) {
                tokio::task::yield_now().await;
            }
        }
        self.farewell();
    }

    /// Tells every peer that it is over. What the socket does not take at once is not waited for.
    fn farewell(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            // Of the others each has somebody who waits, and learns that nobody answers any more.
            if let Command::Adopt(session) = command {
                self.adopt(*session);
            }
        }
        let all: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in all {
            self.end_session(id, "the server is shutting down");
        }
        self.out.batch.flush(&self.out.socket);
    }
}
