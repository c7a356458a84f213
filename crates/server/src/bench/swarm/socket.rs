//! A viewer's own socket, read in batches.

use mio::{Interest, Registry, Token, net::UdpSocket};
use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::SockRef;
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
};

/// Datagrams of one system call.
const BATCH: usize = 32;
/// Nothing on the wire is longer where the kernel coalesces nothing.
const DATAGRAM_MAX: usize = 2_048;
/// A coalesced run.
const RUN_MAX: usize = 1 << 16;
/// Asked for; the administrator's limit (net.core.rmem_max) stands.
const RECEIVE_BYTES: usize = 1 << 20;

/// Whether the kernel gathers a train's packets again before the reader sees them (UDP GRO). On loopback that work is charged to the
/// sender, so that it changes the figures: off is what a thousand machines on the network are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Gro {
    /// Each packet by itself.
    Off,
    /// Coalesced runs.
    On,
}

/// See the module.
pub(super) struct Socket {
    io: UdpSocket,
}

impl Socket {
    /// A socket that speaks with `remote` only.
    pub(super) fn connected(remote: SocketAddr, gro: Gro) -> io::Result<Self> {
        let any = if remote.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        let socket = Self::bound(SocketAddr::new(any, 0), gro)?;
        socket.io.connect(remote)?;
        Ok(socket)
    }

    /// A socket at `local` that hears everybody.
    pub(super) fn bound(local: SocketAddr, gro: Gro) -> io::Result<Self> {
        let io = UdpSocket::bind(local)?;
        if gro == Gro::On {
            // What it sets on the socket is all that is wanted of it.
            UdpSocketState::new((&io).into())?;
        }
        // Best effort: what overflows is counted by the kernel and in the report.
        let _ = SockRef::from(&io).set_recv_buffer_size(RECEIVE_BYTES);
        Ok(Self { io })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.io, token, Interest::READABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // A socket that is closed leaves the selector anyway.
        let _ = registry.deregister(&mut self.io);
    }

    /// Sends one datagram; a full buffer loses it, as a network would.
    pub(super) fn send(&self, bytes: &[u8]) {
        let _ = self.io.send(bytes);
    }

    /// Reads one batch; `None` once there is nothing more.
    pub(super) fn read(&self, buffers: &mut Buffers) -> Option<Drained> {
        let mut chunks = buffers.memory.chunks_exact_mut(buffers.each);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        buffers.filled = 0;
        // Refused by the other side's kernel, or empty: the next read or the viewer's own patience will tell.
        buffers.filled =
            buffers.state.recv((&self.io).into(), &mut slices, &mut buffers.meta).ok()?.min(BATCH);
        Some(if buffers.filled < BATCH { Drained::Yes } else { Drained::Perhaps })
    }
}

/// Whether a batch was the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    Yes,
    Perhaps,
}

/// Memory of one batch, shared by all sockets of a thread.
pub(super) struct Buffers {
    /// Of a socket that is gone: it reads from any, and making one for a socket would turn coalescing on there.
    state: UdpSocketState,
    memory: Box<[u8]>,
    each: usize,
    meta: [RecvMeta; BATCH],
    filled: usize,
}

impl Buffers {
    pub(super) fn new(gro: Gro) -> io::Result<Self> {
        let nobody = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let state = UdpSocketState::new((&nobody).into())?;
        let each = if gro == Gro::On { RUN_MAX } else { DATAGRAM_MAX };
        let memory = vec![0; BATCH * each].into_boxed_slice();
        Ok(Self { state, memory, each, meta: [RecvMeta::default(); BATCH], filled: 0 })
    }

    /// The datagrams of the last batch.
    pub(super) fn datagrams(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let messages = self.memory.chunks_exact_mut(self.each).zip(&self.meta).take(self.filled);
        messages.flat_map(|(memory, meta)| {
            let length = meta.len.min(memory.len());
            memory[..length].chunks_mut(meta.stride.max(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_as_it_was_sent() {
        let home: SocketAddr = "127.0.0.1:0".parse().expect("valid");
        let receiver = Socket::bound(home, Gro::Off).expect("bound");
        let sender = Socket::connected(receiver.local_addr().expect("bound"), Gro::Off).expect("bound");
        (0..40u8).for_each(|n| sender.send(&vec![n; 100 + usize::from(n)]));
        let mut buffers = Buffers::new(Gro::Off).expect("a port");
        let mut got = Vec::new();
        while got.len() < 40 {
            if receiver.read(&mut buffers).is_some() {
                got.extend(buffers.datagrams().map(|bytes| bytes.to_vec()));
            }
        }
        for (n, bytes) in got.iter().enumerate() {
            assert_eq!(*bytes, vec![n as u8; 100 + n]);
        }
        assert!(receiver.read(&mut buffers).is_none());
    }
}
