//! One worker's UDP socket.

use crate::{Bound, RecvBuffers};
use mio::{Interest, Poll, Token, net::UdpSocket};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};

/// A non-blocking UDP socket with segmentation offload where the kernel has it. Belongs to one worker, which waits for it with a
/// [`Poller`](crate::Poller).
#[derive(Debug)]
pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Socket {
    /// Asks the system what the socket can do.
    pub fn new(bound: Bound) -> io::Result<Self> {
        let io = UdpSocket::from_std(bound.socket);
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self { io, state, local: bound.local })
    }

    /// Where it is bound; the address may be a wildcard.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn register(&mut self, poll: &Poll, token: Token) -> io::Result<()> {
        poll.registry().register(&mut self.io, token, Interest::READABLE)
    }

    pub(crate) fn deregister(&mut self, poll: &Poll) -> io::Result<()> {
        poll.registry().deregister(&mut self.io)
    }

    /// Reads what is there into `buffers`, replacing what they held; [`io::ErrorKind::WouldBlock`] when there is
    /// nothing. Errors that concern one peer (port unreachable) are the caller's to count and ignore.
    pub fn recv(&self, buffers: &mut RecvBuffers) -> io::Result<()> {
        buffers.fill(|slices, meta| self.state.recv(UdpSockRef::from(&self.io), slices, meta))
    }

    /// Datagrams one system call may carry; 1 without segmentation offload.
    pub(crate) fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends one datagram, or one train of `segment` sized ones. Never waits.
    pub(crate) fn send(
        &self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        contents: &[u8],
        segment: Option<usize>,
    ) -> io::Result<()> {
        let destination = match (self.local, destination) {
            // A dual-stack socket knows IPv4 peers by their mapped address.
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            _ => destination,
        };
        let src_ip = source.filter(|ip| ip.is_ipv4() == destination.is_ipv4());
        let transmit = Transmit { destination, ecn: None, contents, segment_size: segment, src_ip };
        self.state.try_send(UdpSockRef::from(&self.io), &transmit)
    }
}
