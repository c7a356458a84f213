//! A WebRTC worker: one thread, one UDP socket, and the sessions that belong to it.
//!
//! It sleeps until something happens: a datagram, a doorbell, a command, a deadline. Then it takes everything
//! that is there in one turn, sends what came of it, and sleeps again: one wake-up per frame, however many viewers.

mod deadlines;
mod moving;
mod reading;
mod sessions;
mod turn;

use crate::{
    SessionId,
    audience::{Audiences, Round},
    bell::Target,
    command::Command,
    gateway::Shared,
    mailbox::Inbox,
    metrics::Reason,
    way::Out,
};
use deadlines::Deadlines;
use prometheus_client::metrics::counter::Counter;
use reading::{Next, Reading};
use sessions::Sessions;
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::watch;
use unisono_net::{Bound, Buckets, RecvBuffers, SendStats, Socket, Until};

pub(crate) use deadlines::Due;
pub(crate) use sessions::Place;

/// A worker that the system refuses to put to sleep goes on at this pace.
const TROUBLED: Duration = Duration::from_millis(1);

/// Networks of unknown senders that are told apart at once; the quietest makes room.
const STRANGERS_MAX: usize = 4_096;

/// See the module.
struct Worker {
    index: usize,
    shared: Arc<Shared>,
    out: Out,
    inbox: Inbox,
    sessions: Sessions,
    /// This worker's part of the directory, to be read without a lock.
    ufrags: HashMap<String, SessionId>,
    /// Whose an address is, and where that session lies.
    peers: HashMap<SocketAddr, (SessionId, Place)>,
    deadlines: Deadlines,
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

/// Starts a worker; errors of its socket are reported here.
pub(crate) fn spawn(
    index: usize,
    bound: Bound,
    inbox: Inbox,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    let socket = Socket::new(bound)?;
    let metrics = &shared.metrics;
    let worker = Worker {
        index,
        out: Out::new(socket, &shared.candidates),
        inbox,
        sessions: Sessions::default(),
        ufrags: HashMap::new(),
        peers: HashMap::new(),
        deadlines: Deadlines::default(),
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
    thread::Builder::new().name(format!("webrtc-{index}")).spawn(move || worker.run(&stopped))
}

impl Worker {
    fn run(mut self, stopped: &watch::Receiver<bool>) {
        let mut buffers = RecvBuffers::new();
        while !*stopped.borrow() {
            self.sleep();
            self.turn(&mut buffers);
        }
        self.farewell();
    }

    /// Until there is something to do.
    fn sleep(&mut self) {
        if self.inbox.has_any() {
            return;
        }
        let deadline = self.deadlines.wakes_at();
        let until = match self.reading.next() {
            Next::AtOnce => return,
            Next::AsItComes => Until::Readable(deadline),
            Next::At(at) => Until::Time(deadline.map_or(at, |deadline| deadline.min(at))),
        };
        if let Err(error) = self.inbox.poller.sleep(&mut self.out.socket, until) {
            tracing::error!(%error, worker = self.index, "a WebRTC worker cannot wait for its socket");
            thread::sleep(TROUBLED);
        }
    }

    /// Tells every peer that it is over. What the socket does not take at once is not waited for.
    fn farewell(&mut self) {
        while let Ok(command) = self.inbox.commands.try_recv() {
            // Of the others each has somebody who waits, and learns that nobody answers any more.
            if let Command::Adopt(session) = command {
                self.adopt(*session);
            }
        }
        let all: Vec<SessionId> = self.sessions.ids().collect();
        for id in all {
            self.end_session(id, "the server is shutting down");
        }
        self.out.batch.flush(&self.out.socket);
    }
}
