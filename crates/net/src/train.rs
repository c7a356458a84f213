//! Trains: equal-sized packets for one peer in one system call (UDP GSO).

use crate::Socket;
use std::{
    io,
    net::{IpAddr, SocketAddr},
};

/// Packets per train (fan-out spec): a longer one gains nothing and bursts into the receiver's socket.
const TRAIN_MAX: usize = 16;
/// Largest payload of one UDP send, below what IPv4 allows.
const TRAIN_BYTES_MAX: usize = 60_000;
/// Trains that wait for each other. Sealing for a few peers in a row and then sending to them in a row keeps the processor's
/// caches on one of the two; many more would fill them, and keep the first peer waiting.
const TRAINS_MAX: usize = 8;
/// Room for as many of the usual length; beyond it they are sent earlier.
const BUFFER_BYTES: usize = 160_000;

/// What a [`TrainBatch`] has done since it was made; only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Datagrams the kernel took.
    pub datagrams: u64,
    /// Bytes in them, without IP and UDP headers.
    pub bytes: u64,
    /// System calls made for them.
    pub calls: u64,
    /// Datagrams dropped because the socket's send buffer was full.
    pub dropped: u64,
    /// Datagrams the kernel refused for another reason (no route, message too long).
    pub refused: u64,
}

/// Collects packets and sends those that can share a system call together.
///
/// A packet joins the train while it goes to the same peer, from the same local address, and has the length of
/// the first; one shorter packet may close it. A few trains are sent one after the other; call [`Self::flush`] when there is
/// nothing more to send now. Where the kernel has no segmentation offload every packet is sent by itself.
#[derive(Debug)]
pub struct TrainBatch {
    /// All of it is there from the start, so that a packet's place need not be cleared before it is written.
    buffer: Box<[u8]>,
    filled: usize,
    /// In the order of their bytes; the last one may grow.
    trains: Vec<Train>,
    stats: SendStats,
}

#[derive(Clone, Copy, Debug)]
struct Train {
    destination: SocketAddr,
    source: Option<IpAddr>,
    /// Of all its packets.
    bytes: usize,
    segment: usize,
    count: usize,
    /// A shorter packet came: the train ends with it.
    is_closed: bool,
}

impl TrainBatch {
    /// An empty batch.
    pub fn new() -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { buffer, filled: 0, trains: Vec::with_capacity(TRAINS_MAX), stats: SendStats::default() }
    }

    /// Queues a packet behind the others, sending what stands before it where there is no room.
    pub fn push(&mut self, socket: &Socket, destination: SocketAddr, source: Option<IpAddr>, packet: &[u8]) {
        if let Some(place) = self.place(socket, destination, source, packet.len()) {
            place.copy_from_slice(packet);
        }
    }

    /// Room for a packet of `length` bytes behind the others, to be written in place; what it holds until then is left from
    /// earlier packets. `None`, and nothing queued, for a length of 0 or beyond what UDP carries.
    pub fn place(
        &mut self,
        socket: &Socket,
        destination: SocketAddr,
        source: Option<IpAddr>,
        length: usize,
    ) -> Option<&mut [u8]> {
        if length == 0 || length > TRAIN_BYTES_MAX {
            return None;
        }
        if self.filled + length > self.buffer.len() {
            self.flush(socket);
        }
        let last = self.trains.last_mut().filter(|train| {
            !train.is_closed
                && train.count < TRAIN_MAX.min(socket.segments_max())
                && length <= train.segment
                && (train.destination, train.source) == (destination, source)
                && train.bytes + length <= TRAIN_BYTES_MAX
        });
        if let Some(train) = last {
            train.count += 1;
            train.bytes += length;
            train.is_closed = length < train.segment;
        } else {
            if self.trains.len() == TRAINS_MAX {
                self.flush(socket);
            }
            let new =
                Train { destination, source, bytes: length, segment: length, count: 1, is_closed: false };
            self.trains.push(new);
        }
        let start = self.filled;
        self.filled += length;
        Some(&mut self.buffer[start..self.filled])
    }

    /// Sends what is queued.
    pub fn flush(&mut self, socket: &Socket) {
        let mut rest = &self.buffer[..std::mem::take(&mut self.filled)];
        for train in self.trains.drain(..) {
            let (bytes, behind) = rest.split_at(train.bytes);
            rest = behind;
            train.send(socket, bytes, &mut self.stats);
        }
    }

    /// Counts since the batch was made.
    pub fn stats(&self) -> SendStats {
        self.stats
    }
}

impl Train {
    fn send(&self, socket: &Socket, bytes: &[u8], stats: &mut SendStats) {
        let segment = (self.count > 1).then_some(self.segment);
        let result = socket.send(self.destination, self.source, bytes, segment);
        let lost_offload = result.is_err() && self.count > 1 && socket.segments_max() == 1;
        if lost_offload {
            // The driver refused the train; from now on packets go one by one, beginning with these.
            for packet in bytes.chunks(self.segment) {
                let result = socket.send(self.destination, self.source, packet, None);
                stats.count(&result, 1, packet.len());
            }
        } else {
            stats.count(&result, self.count as u64, bytes.len());
        }
    }
}

impl Default for TrainBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl SendStats {
    fn count(&mut self, result: &io::Result<()>, datagrams: u64, bytes: usize) {
        self.calls += 1;
        match result {
            Ok(()) => {
                self.datagrams += datagrams;
                self.bytes += bytes as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.dropped += datagrams,
            Err(error) => {
                self.refused += datagrams;
                tracing::debug!(%error, "datagram refused by the system");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Poller, RecvBuffers, Until, bind_shared};

    fn socket() -> Socket {
        let bound = bind_shared("127.0.0.1:0".parse().expect("address"), 1).expect("free");
        Socket::new(bound.into_iter().next().expect("one")).expect("attached")
    }

    fn receive(socket: &mut Socket, count: usize) -> Vec<Vec<u8>> {
        let (mut buffers, mut poller) = (RecvBuffers::new(), Poller::new().expect("descriptors"));
        let mut all = Vec::new();
        while all.len() < count {
            poller.sleep(socket, Until::Readable(None)).expect("open");
            match socket.recv(&mut buffers) {
                Ok(()) => all.extend(buffers.datagrams().map(|d| d.bytes.to_vec())),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        all
    }

    #[test]
    fn a_frame_of_equal_packets_is_few_calls_and_arrives_as_it_was() {
        let (sender, mut receiver) = (socket(), socket());
        let packets: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i; if i == 39 { 300 } else { 1_200 }]).collect();
        let mut batch = TrainBatch::new();
        for packet in &packets {
            batch.push(&sender, receiver.local_addr(), None, packet);
        }
        batch.flush(&sender);
        assert_eq!(receive(&mut receiver, 40), packets);
        let stats = batch.stats();
        assert_eq!((stats.datagrams, stats.dropped, stats.refused), (40, 0, 0));
        if sender.segments_max() > 1 {
            assert_eq!(stats.calls, 3, "trains of 16, 16 and 8");
        }
    }

    #[test]
    fn lengths_and_peers_are_never_mixed_up() {
        let (sender, mut one, mut two) = (socket(), socket(), socket());
        let mut batch = TrainBatch::new();
        let plan = [(0, 100), (0, 100), (0, 40), (0, 100), (1, 100), (0, 200), (0, 201)];
        for (i, (to, length)) in plan.into_iter().enumerate() {
            let destination = [&one, &two][to].local_addr();
            batch.push(&sender, destination, None, &vec![i as u8; length]);
        }
        batch.flush(&sender);
        let lengths = |all: Vec<Vec<u8>>| all.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(receive(&mut one, 6)), [100, 100, 40, 100, 200, 201]);
        assert_eq!(lengths(receive(&mut two, 1)), [100]);
    }

    #[test]
    fn a_packet_is_written_in_its_place() {
        let (sender, mut receiver) = (socket(), socket());
        let mut batch = TrainBatch::new();
        for (fill, length) in [(7, 300), (8, 300), (9, 20)] {
            let place = batch.place(&sender, receiver.local_addr(), None, length).expect("room");
            place.fill(fill);
        }
        assert!(batch.place(&sender, receiver.local_addr(), None, 0).is_none());
        assert!(batch.place(&sender, receiver.local_addr(), None, 65_536).is_none());
        batch.flush(&sender);
        assert_eq!(receive(&mut receiver, 3), [vec![7; 300], vec![8; 300], vec![9; 20]]);
    }

    #[test]
    fn the_local_address_of_a_datagram_is_told() {
        let bound = bind_shared("0.0.0.0:0".parse().expect("address"), 1).expect("free");
        let mut wildcard = Socket::new(bound.into_iter().next().expect("one")).expect("attached");
        let sender = socket();
        let mut batch = TrainBatch::new();
        let to = SocketAddr::new([127, 0, 0, 1].into(), wildcard.local_addr().port());
        batch.push(&sender, to, None, b"x");
        batch.flush(&sender);
        let mut buffers = RecvBuffers::new();
        let mut poller = Poller::new().expect("descriptors");
        poller.sleep(&mut wildcard, Until::Readable(None)).expect("open");
        wildcard.recv(&mut buffers).expect("one");
        let datagram = buffers.datagrams().next().expect("one");
        assert_eq!((datagram.from, datagram.to), (sender.local_addr(), Some(to.ip())));
    }
}
