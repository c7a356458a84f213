//! Receive buffers, and the datagrams in them.

use quinn_udp::RecvMeta;
use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

/// Messages per system call, as many as [`quinn_udp`] takes. Each may be a coalesced run of up to 64 datagrams (GRO).
const MESSAGES: usize = quinn_udp::BATCH_SIZE;
/// Largest message, coalesced or not.
const MESSAGE_BYTES: usize = 1 << 16;

/// One received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender. IPv4 even where a dual-stack socket received it.
    pub from: SocketAddr,
    /// The local address it was sent to, where the system tells.
    pub to: Option<IpAddr>,
    /// Contents.
    pub bytes: &'a [u8],
}

/// Memory for one read of a socket, reused for every read: two megabytes of addresses, of which the system provides what has
/// been read into.
#[derive(Debug)]
pub struct RecvBuffers {
    memory: Box<[u8]>,
    meta: [RecvMeta; MESSAGES],
    filled: usize,
}

impl RecvBuffers {
    /// Empty buffers.
    pub fn new() -> Self {
        let memory = vec![0; MESSAGES * MESSAGE_BYTES].into_boxed_slice();
        Self { memory, meta: [RecvMeta::default(); MESSAGES], filled: 0 }
    }

    /// True when the last read filled every message: there may be more. Otherwise nothing was left.
    pub fn is_full(&self) -> bool {
        self.filled == MESSAGES
    }

    /// The datagrams of the last read, coalesced ones taken apart again.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let messages = self.memory.chunks_exact(MESSAGE_BYTES).zip(&self.meta).take(self.filled);
        messages.flat_map(|(memory, meta)| {
            let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let to = meta.dst_ip.map(|ip| ip.to_canonical());
            let length = meta.len.min(MESSAGE_BYTES);
            // An empty datagram has stride 0, which `chunks` does not take.
            memory[..length].chunks(meta.stride.max(1)).map(move |bytes| Datagram { from, to, bytes })
        })
    }

    pub(crate) fn fill(
        &mut self,
        read: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.filled = 0;
        let mut chunks = self.memory.chunks_exact_mut(MESSAGE_BYTES);
        let mut slices: [IoSliceMut<'_>; MESSAGES] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        self.filled = read(&mut slices, &mut self.meta)?.min(MESSAGES);
        Ok(())
    }
}

impl Default for RecvBuffers {
    fn default() -> Self {
        Self::new()
    }
}
