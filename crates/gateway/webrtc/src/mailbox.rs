//! A worker as others reach it. Whatever is put into its mailbox wakes it.

use crate::{SessionId, bell::Bells, command::Command, tcp::link::TcpLink};
use bytes::Bytes;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::mpsc;
use unisono_net::{Poller, Waker};

/// Requests waiting for one worker; the next one is answered 503.
const COMMANDS_MAX: usize = 256;
/// Datagrams waiting for the worker they belong to; the next one is dropped and counted.
const FORWARDED_MAX: usize = 1_024;
/// TCP frames waiting for one worker; their connections wait with them.
const ARRIVED_MAX: usize = 512;

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

/// See the module.
pub(crate) struct Mailbox {
    commands: mpsc::Sender<Command>,
    datagrams: mpsc::Sender<Forwarded>,
    arrived: mpsc::Sender<Arrived>,
    waker: Waker,
    pub(crate) bells: Arc<Bells>,
    /// Sessions it has.
    pub(crate) load: Arc<AtomicUsize>,
}

/// The worker's side, and where it sleeps.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) datagrams: mpsc::Receiver<Forwarded>,
    pub(crate) arrived: mpsc::Receiver<Arrived>,
    pub(crate) poller: Poller,
}

/// The worker has no room for it now, or is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// Room for one command, which nobody else takes meanwhile.
pub(crate) struct Reserved<'a> {
    place: mpsc::Permit<'a, Command>,
    waker: &'a Waker,
}

impl Mailbox {
    /// A worker's mailbox and its side of it.
    pub(crate) fn new() -> io::Result<(Self, Inbox)> {
        let poller = Poller::new()?;
        let (commands, command_inbox) = mpsc::channel(COMMANDS_MAX);
        let (datagrams, datagram_inbox) = mpsc::channel(FORWARDED_MAX);
        let (arrived, arrived_inbox) = mpsc::channel(ARRIVED_MAX);
        let (waker, load) = (poller.waker(), Arc::default());
        let bells = Arc::new(Bells::new(waker.clone()));
        let mailbox = Self { commands, datagrams, arrived, waker, bells, load };
        let inbox =
            Inbox { commands: command_inbox, datagrams: datagram_inbox, arrived: arrived_inbox, poller };
        Ok((mailbox, inbox))
    }

    /// Whoever is sent now is the next.
    pub(crate) fn has_no_commands(&self) -> bool {
        self.commands.capacity() == self.commands.max_capacity()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(crate) fn command(&self, command: Command) -> Result<(), Unavailable> {
        self.reserve()?.send(command);
        Ok(())
    }

    pub(crate) fn reserve(&self) -> Result<Reserved<'_>, Unavailable> {
        let place = self.commands.try_reserve().map_err(|_| Unavailable)?;
        Ok(Reserved { place, waker: &self.waker })
    }

    pub(crate) fn forward(&self, forwarded: Forwarded) -> Result<(), Unavailable> {
        let sent = self.datagrams.try_send(forwarded).map_err(|_| Unavailable);
        self.waker.wake();
        sent
    }

    /// For another worker, which cannot wait.
    pub(crate) fn pass_on(&self, arrived: Arrived) -> Result<(), Unavailable> {
        let sent = self.arrived.try_send(arrived).map_err(|_| Unavailable);
        self.waker.wake();
        sent
    }

    /// Waits while the worker has no room.
    pub(crate) async fn arrive(&self, arrived: Arrived) -> Result<(), Unavailable> {
        let sent = self.arrived.send(arrived).await.map_err(|_| Unavailable);
        self.waker.wake();
        sent
    }

    /// The worker is to look around.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }
}

impl Reserved<'_> {
    pub(crate) fn send(self, command: Command) {
        self.place.send(command);
        self.waker.wake();
    }
}

impl Inbox {
    /// There is something to take.
    pub(crate) fn has_any(&self) -> bool {
        !(self.commands.is_empty() && self.datagrams.is_empty() && self.arrived.is_empty())
    }
}
