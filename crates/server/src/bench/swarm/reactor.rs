//! One thread with many viewers: a selector, and a look at each viewer ten times a second, at those under way more often.

use super::{
    counted::{Arrival, Counted, Ticket},
    counts::{Counts, Tally},
    dtls::Identity,
    origins::Origins,
    shape::Shape,
    socket::{Buffers, Drained, Gro, Socket},
};
use crate::bench::stamp::unix_micros;
use anyhow::Context;
use mio::{Events, Poll, Token, Waker};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Between two looks at the viewers that are under way: handshakes, gaps.
const TICK: Duration = Duration::from_millis(10);
/// Every viewer is looked at once in so many ticks.
const TURNS: usize = 10;
const EVENTS: usize = 1_024;
/// Batches read from one socket before the next one has its turn; the rest waits for the next tick.
const BATCHES_MAX: usize = 8;
pub(super) const WAKER: Token = Token(usize::MAX);

/// What the thread is asked for.
pub(super) enum Command {
    Watch(Box<Ticket>),
    /// Ends without a word to the server.
    Leave(u64),
    /// Opens or closes the window in which is counted.
    Measure(bool),
    /// The counts of both groups, and the packets of one viewer, since the last time.
    Collect(oneshot::Sender<([Counts; 2], Shape)>),
    /// Sockets at this address that only read, instead of viewers.
    Receive {
        count: usize,
        at: IpAddr,
        tell: oneshot::Sender<anyhow::Result<Vec<SocketAddr>>>,
    },
    /// Closes those; tells how many bytes they read.
    EndReceivers(oneshot::Sender<u64>),
}

enum Seat {
    Free,
    Viewer(Socket, Box<Counted>),
    Receiver(Socket),
}

/// See the module.
pub(super) struct Reactor {
    poll: Poll,
    commands: Receiver<Command>,
    identity: Identity,
    origins: Option<Arc<Origins>>,
    gro: Gro,
    buffers: Buffers,
    seats: Vec<Seat>,
    free: Vec<usize>,
    by_number: HashMap<u64, usize>,
    /// Seats under way. May name one that is free again.
    urgent: Vec<usize>,
    tally: Tally,
    received_bytes: u64,
    turn: usize,
}

impl Reactor {
    pub(super) fn new(
        commands: Receiver<Command>,
        identity: Identity,
        origins: Option<Arc<Origins>>,
        gro: Gro,
    ) -> anyhow::Result<(Self, Waker)> {
        let poll = Poll::new().context("no selector")?;
        let waker = Waker::new(poll.registry(), WAKER).context("no waker")?;
        let reactor = Self {
            poll,
            commands,
            identity,
            origins,
            gro,
            buffers: Buffers::new(gro).context("no receive buffers")?,
            seats: Vec::new(),
            free: Vec::new(),
            by_number: HashMap::new(),
            urgent: Vec::new(),
            tally: Tally::new(),
            received_bytes: 0,
            turn: 0,
        };
        Ok((reactor, waker))
    }

    /// Works until nobody can ask for anything any more.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut next_tick = Instant::now();
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            // Interrupted by a signal: the next round does what this one did not.
            let _ = self.poll.poll(&mut events, Some(wait));
            let woke = Instant::now();
            if !self.obey() {
                return;
            }
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.read(event.token().0);
            }
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.tick();
            }
            // What comes meanwhile waits at most so long.
            self.tally.worked(woke.elapsed());
        }
    }

    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.execute(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Whoever asked may be gone; then nobody is told.
    fn execute(&mut self, command: Command) {
        match command {
            Command::Watch(ticket) => self.watch(*ticket),
            Command::Leave(number) => {
                if let Some(&seat) = self.by_number.get(&number) {
                    self.vacate(seat);
                }
            }
            Command::Measure(is_on) => self.tally.is_measuring = is_on,
            Command::Collect(tell) => {
                self.tally.resolve(u64::MAX, self.origins.as_deref());
                let _ = tell.send((self.tally.take(), self.tally.recorder.take()));
            }
            Command::Receive { count, at, tell } => {
                let _ = tell.send(self.receive(count, at));
            }
            Command::EndReceivers(tell) => {
                for seat in 0..self.seats.len() {
                    if matches!(self.seats[seat], Seat::Receiver(_)) {
                        self.vacate(seat);
                    }
                }
                let _ = tell.send(std::mem::take(&mut self.received_bytes));
            }
        }
    }

    fn watch(&mut self, ticket: Ticket) {
        let remote = ticket.answer.remote;
        let opened =
            Socket::connected(remote, self.gro).with_context(|| format!("no socket towards {remote}"));
        match opened {
            Ok(socket) => {
                let number = ticket.number;
                let mut viewer = Box::new(Counted::new(Instant::now(), ticket));
                viewer.is_recorded = self.by_number.is_empty();
                let seat = self.seat(Seat::Viewer(socket, viewer));
                self.by_number.insert(number, seat);
                self.urgent.push(seat);
                self.look_after(seat, Instant::now());
            }
            Err(error) => {
                let _ = ticket.tell.send(Err(error));
            }
        }
    }

    fn receive(&mut self, count: usize, at: IpAddr) -> anyhow::Result<Vec<SocketAddr>> {
        let mut addresses = Vec::with_capacity(count);
        for _ in 0..count {
            let socket = Socket::bound(SocketAddr::new(at, 0), self.gro).context("no socket")?;
            addresses.push(socket.local_addr()?);
            self.seat(Seat::Receiver(socket));
        }
        Ok(addresses)
    }

    fn seat(&mut self, mut who: Seat) -> usize {
        let seat = self.free.pop().unwrap_or(self.seats.len());
        if let Seat::Viewer(socket, _) | Seat::Receiver(socket) = &mut who {
            // Without the selector it would hear nothing, and the join's patience says so.
            if let Err(error) = socket.register(self.poll.registry(), Token(seat)) {
                tracing::warn!(%error, "a socket was not registered");
            }
        }
        if seat == self.seats.len() {
            self.seats.push(who);
        } else {
            self.seats[seat] = who;
        }
        seat
    }

    fn vacate(&mut self, seat: usize) -> Option<Box<Counted>> {
        match std::mem::replace(&mut self.seats[seat], Seat::Free) {
            Seat::Free => None,
            Seat::Receiver(mut socket) => {
                socket.deregister(self.poll.registry());
                self.free.push(seat);
                None
            }
            Seat::Viewer(mut socket, viewer) => {
                socket.deregister(self.poll.registry());
                self.free.push(seat);
                self.by_number.remove(&viewer.number);
                Some(viewer)
            }
        }
    }

    /// Reads what a socket has, and lets its viewer answer.
    fn read(&mut self, seat: usize) {
        for _ in 0..BATCHES_MAX {
            match self.read_batch(seat) {
                Ok(Drained::Perhaps) => {}
                Ok(Drained::Yes) => return,
                Err(error) => return self.broke(seat, error),
            }
        }
        // The selector tells of news only.
        self.urgent.push(seat);
    }

    fn read_batch(&mut self, seat: usize) -> anyhow::Result<Drained> {
        let Some(place) = self.seats.get_mut(seat) else { return Ok(Drained::Yes) };
        let (Seat::Viewer(socket, _) | Seat::Receiver(socket)) = place else { return Ok(Drained::Yes) };
        let Some(drained) = socket.read(&mut self.buffers) else { return Ok(Drained::Yes) };
        let now = Instant::now();
        let Seat::Viewer(socket, viewer) = place else {
            self.received_bytes += self.buffers.datagrams().map(|bytes| bytes.len() as u64).sum::<u64>();
            return Ok(drained);
        };
        let was_urgent = viewer.is_urgent();
        let at = Arrival { now, at_us: unix_micros() };
        for bytes in self.buffers.datagrams() {
            viewer.handle(at, bytes, &mut self.tally, &mut |bytes| socket.send(bytes))?;
        }
        viewer.speak(now, &self.identity, &mut self.tally, &mut |bytes| socket.send(bytes))?;
        if viewer.is_urgent() && !was_urgent {
            self.urgent.push(seat);
        }
        Ok(drained)
    }

    fn look_after(&mut self, seat: usize, now: Instant) {
        let Some(Seat::Viewer(socket, viewer)) = self.seats.get_mut(seat) else { return };
        let looked =
            viewer.handle_timeout(now, &self.identity, &mut self.tally, &mut |bytes| socket.send(bytes));
        if let Err(error) = looked {
            self.broke(seat, error);
        }
    }

    fn broke(&mut self, seat: usize, error: anyhow::Error) {
        let Some(viewer) = self.vacate(seat) else { return };
        let group = viewer.group;
        if let Some(error) = viewer.end(error) {
            tracing::debug!(error = format!("{error:#}"), "a viewer broke off");
            self.tally.broke(group, format!("{error:#}"));
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let mut urgent = std::mem::take(&mut self.urgent);
        urgent.sort_unstable();
        urgent.dedup();
        for seat in urgent {
            self.read(seat);
            self.look_after(seat, now);
            if matches!(self.seats.get(seat), Some(Seat::Viewer(_, viewer)) if viewer.is_urgent()) {
                self.urgent.push(seat);
            }
        }
        self.turn = (self.turn + 1) % TURNS;
        for seat in (self.turn..self.seats.len()).step_by(TURNS) {
            self.look_after(seat, now);
        }
        if self.turn == 0 {
            self.tally.resolve(unix_micros(), self.origins.as_deref());
        }
    }
}
