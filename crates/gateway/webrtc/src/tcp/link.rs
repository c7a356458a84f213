//! An ICE-TCP connection as the worker of its session sees it: a bounded outbox that never makes it wait.

use parking_lot::Mutex;
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;
use unisono_proto_webrtc::{Path, encode_frame};

/// Bytes that may wait for a connection beside the kernel's own buffer: a third of a second at 6 Mbit/s. What comes while
/// they wait is dropped, since media that waits longer is late.
const OUTBOX_BYTES_MAX: usize = 256 << 10;

/// See the module. Shared by the connection's task and the worker.
#[derive(Debug)]
pub(crate) struct TcpLink {
    pub(crate) path: Path,
    outbox: Mutex<Outbox>,
    wake: Notify,
    is_proven: AtomicBool,
}

#[derive(Debug, Default)]
struct Outbox {
    frames: Vec<u8>,
    is_closed: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// The peer reads too slowly.
    Full,
    /// The connection is over.
    Closed,
}

/// What the connection's task takes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    More,
    /// Nothing follows.
    Last,
}

impl TcpLink {
    pub(crate) fn new(remote: SocketAddr, local: SocketAddr) -> Self {
        Self {
            path: Path::tcp(remote, local),
            outbox: Mutex::default(),
            wake: Notify::new(),
            is_proven: AtomicBool::new(false),
        }
    }

    /// Queues a packet, whole or not at all.
    pub(crate) fn push(&self, packet: &[u8]) -> Pushed {
        let mut outbox = self.outbox.lock();
        if outbox.is_closed {
            return Pushed::Closed;
        }
        let was_empty = outbox.frames.is_empty();
        if outbox.frames.len() + packet.len() + 2 > OUTBOX_BYTES_MAX
            || !encode_frame(packet, &mut outbox.frames)
        {
            return Pushed::Full;
        }
        drop(outbox);
        // One wake-up for all packets of a turn.
        if was_empty {
            self.wake.notify_one();
        }
        Pushed::Queued
    }

    /// No more packets; what waits is still sent.
    pub(crate) fn close(&self) {
        self.outbox.lock().is_closed = true;
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.outbox.lock().is_closed
    }

    /// A binding request with the session's password came over it: it may stay.
    pub(crate) fn prove(&self) {
        self.is_proven.store(true, Ordering::Release);
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Acquire)
    }

    /// Waits for packets, or for the end.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Swaps what waits into `writing`, which must be empty.
    pub(crate) fn take(&self, writing: &mut Vec<u8>) -> Taken {
        let mut outbox = self.outbox.lock();
        std::mem::swap(&mut outbox.frames, writing);
        if outbox.is_closed { Taken::Last } else { Taken::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> TcpLink {
        let address = "127.0.0.1:1".parse().expect("an address");
        TcpLink::new(address, address)
    }

    #[test]
    fn a_peer_that_does_not_read_loses_packets_and_memory_stays_bounded() {
        let link = link();
        let queued = (0..1_000).filter(|_| link.push(&[7; 1_200]) == Pushed::Queued).count();
        assert_eq!(queued, OUTBOX_BYTES_MAX / 1_202);
        let mut writing = Vec::new();
        assert_eq!(link.take(&mut writing), Taken::More);
        assert_eq!(writing.len(), queued * 1_202, "whole frames only");
        assert_eq!(link.push(&[7; 1_200]), Pushed::Queued, "there is room again");
    }

    #[tokio::test]
    async fn closing_sends_what_waits_and_takes_nothing_more() {
        let link = link();
        link.push(b"bye");
        link.close();
        assert_eq!(link.push(b"late"), Pushed::Closed);
        link.woken().await;
        let mut writing = Vec::new();
        assert_eq!((link.take(&mut writing), &writing[..]), (Taken::Last, &b"\0\x03bye"[..]));
    }
}
