//! A worker's way out: control packets from a session's queue, media straight from its sealer into the train buffer.

use crate::{
    session::Link,
    tcp::link::{Pushed, TcpLink},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use unisono_net::{SendStats, Socket, TrainBatch};
use unisono_proto_webrtc::{HostCandidate, Path, Session, Transport, engine::Outlet};

/// Largest packet that a session makes: RTP stays below the usual MTU, and so does DTLS.
const PACKET_MAX: usize = 2_048;

/// A worker's socket and batch, and the addresses its sessions go by.
pub(crate) struct Out {
    pub(crate) socket: Socket,
    pub(crate) batch: TrainBatch,
    /// What went to TCP connections.
    pub(crate) sent_by_tcp: SendStats,
    /// Our UDP candidates; the first one of a family stands in for an address we did not advertise (NAT).
    candidates: Vec<SocketAddr>,
}

impl Out {
    pub(crate) fn new(socket: Socket, candidates: &[HostCandidate]) -> Self {
        let udp = candidates.iter().filter(|candidate| candidate.transport == Transport::Udp);
        let candidates = udp.map(|candidate| candidate.address).collect();
        Self { socket, batch: TrainBatch::new(), sent_by_tcp: SendStats::default(), candidates }
    }

    /// The candidate that a datagram to our address `to` from `from` belongs to.
    pub(crate) fn local_of(&self, from: SocketAddr, to: Option<IpAddr>) -> SocketAddr {
        let exact = self.candidates.iter().find(|c| Some(c.ip()) == to);
        let family = || self.candidates.iter().find(|c| c.is_ipv4() == from.is_ipv4());
        exact.or_else(family).copied().unwrap_or_else(|| self.socket.local_addr())
    }

    /// Into the outbox of a connection; where that is full, or is no more, the packet is lost as on any bad network.
    fn push_tcp(&mut self, connection: Option<&Arc<TcpLink>>, packet: &[u8]) {
        match connection.map_or(Pushed::Closed, |connection| connection.push(packet)) {
            Pushed::Queued => {
                self.sent_by_tcp.datagrams += 1;
                self.sent_by_tcp.bytes += packet.len() as u64;
            }
            Pushed::Full | Pushed::Closed => self.sent_by_tcp.dropped += 1,
        }
    }
}

/// The way to one session's peer.
///
/// Packets leave from the address that their peer talks to, which the system would not choose on a host with several.
pub(crate) struct Way<'a> {
    out: &'a mut Out,
    link: &'a Link,
}

impl<'a> Way<'a> {
    pub(crate) fn new(out: &'a mut Out, link: &'a Link) -> Self {
        Self { out, link }
    }

    /// Sends what a session has queued.
    pub(crate) fn drain(&mut self, core: &mut dyn Session) {
        while let Some(transmit) = core.poll_transmit() {
            let segment = transmit.segment_size.unwrap_or(transmit.bytes.len()).max(1);
            for packet in transmit.bytes.chunks(segment) {
                self.packet(&transmit.path, packet.len(), |place| place.copy_from_slice(packet));
            }
        }
    }

    fn source_for(&self, remote: SocketAddr) -> Option<IpAddr> {
        if let Some((_, source)) = self.link.last_way.get().filter(|(last, _)| *last == remote) {
            return source;
        }
        let source = self.link.peers.iter().find(|(peer, _)| *peer == remote).and_then(|(_, local)| *local);
        self.link.last_way.set(Some((remote, source)));
        source
    }
}

impl Outlet for Way<'_> {
    fn packet(&mut self, path: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        match path.transport {
            Transport::Udp => {
                let source = self.source_for(path.remote);
                let Out { socket, batch, .. } = &mut *self.out;
                if let Some(place) = batch.place(socket, path.remote, source, length) {
                    fill(place);
                }
            }
            Transport::Tcp => {
                let mut packet = [0; PACKET_MAX];
                let Some(place) = packet.get_mut(..length) else { return };
                fill(place);
                let connection = self.link.tcp.iter().rfind(|connection| connection.path == *path);
                self.out.push_tcp(connection, place);
            }
        }
    }
}
