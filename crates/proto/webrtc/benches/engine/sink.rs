//! Sockets that somebody reads, as far as the other core allows.

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use std::{
    io::IoSliceMut,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

/// Receiving sockets; more viewers than that share them.
const SOCKETS: usize = 64;
/// A train of the largest kind.
const READ_BYTES: usize = 65_536;

/// Whether the kernel may hand a receiver several datagrams as one (UDP GRO).
///
/// A remote receiver costs the sender nothing. On loopback its part of the kernel's work is done in the sender's name: without
/// gathering each train is taken apart again there, packet by packet, which is what that part mostly consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gathering {
    Off,
    On,
}

/// See the module.
pub(crate) struct Sink {
    pub(crate) addresses: Vec<SocketAddr>,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One receiver.
enum Receiver {
    Plain(UdpSocket),
    Gathering(UdpSocket, UdpSocketState),
}

impl Sink {
    pub(crate) fn new(gathering: Gathering) -> Self {
        let sockets: Vec<UdpSocket> = (0..SOCKETS)
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
                socket.set_nonblocking(true).expect("a socket");
                socket
            })
            .collect();
        let addresses = sockets.iter().map(|socket| socket.local_addr().expect("bound")).collect();
        let receivers: Vec<_> = sockets.into_iter().map(|socket| Receiver::new(socket, gathering)).collect();
        let (received, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (count, end) = (received.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; READ_BYTES];
            while !end.load(Ordering::Relaxed) {
                for receiver in &receivers {
                    let read: u64 = std::iter::from_fn(|| receiver.read(&mut buffer)).take(64).sum();
                    count.fetch_add(read, Ordering::Relaxed);
                }
            }
        });
        Self { addresses, received, stop, thread: Some(thread) }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Receiver {
    fn new(socket: UdpSocket, gathering: Gathering) -> Self {
        match gathering {
            Gathering::Off => Self::Plain(socket),
            Gathering::On => {
                let state = UdpSocketState::new(UdpSockRef::from(&socket)).expect("a socket");
                Self::Gathering(socket, state)
            }
        }
    }

    /// Datagrams of one read; `None` where there is nothing.
    fn read(&self, buffer: &mut [u8]) -> Option<u64> {
        match self {
            Self::Plain(socket) => socket.recv(buffer).ok().map(|_| 1),
            Self::Gathering(socket, state) => {
                let mut meta = [RecvMeta::default()];
                state.recv(UdpSockRef::from(socket), &mut [IoSliceMut::new(buffer)], &mut meta).ok()?;
                Some(meta[0].len.div_ceil(meta[0].stride.max(1)) as u64)
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it only reads");
        }
    }
}
