//! SCTP by hand (RFC 9260): whole packets with a right checksum around chunks that may be anything.

use crate::line::Line;
use std::time::Duration;
use unisono_proto_webrtc::{EgressEvent, ViewerSession};

pub(crate) const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const COOKIE_ECHO: u8 = 10;
const STATE_COOKIE: u16 = 7;
/// Payload protocols of the data channel (RFC 8831 §8).
const DCEP: u32 = 50;
const TEXT: u32 = 51;
pub(crate) const PORTS: [u16; 2] = [5_000, 5_000];
/// What the server tags its packets to us with.
const OWN_TAG: u32 = 0x0102_0304;
const FIRST_TSN: u32 = 1_000;

/// An association of the insider's, with one channel.
pub(crate) struct Association {
    /// What packets to the server carry.
    pub(crate) tag: u32,
    pub(crate) tsn: u32,
    stream_sequence: u16,
}

impl Association {
    /// Shakes hands and opens a channel.
    pub(crate) fn open<S: ViewerSession>(line: &mut Line<S>) -> Self {
        line.send_inside(&packet(PORTS, 0, &init(OWN_TAG)));
        line.run(Duration::from_millis(50));
        let (tag, cookie) = line.inside.iter().find_map(|bytes| answered(bytes)).expect("INIT ACK");
        line.send_inside(&packet(PORTS, tag, &chunk(COOKIE_ECHO, 0, &cookie)));
        let mut own = Self { tag, tsn: FIRST_TSN, stream_sequence: 0 };
        let mut open = vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0];
        open.extend(b"unisono");
        own.send(line, DCEP, &open);
        line.run(Duration::from_millis(50));
        assert!(line.events.iter().any(|event| matches!(event, EgressEvent::Ready)), "{:?}", line.events);
        line.events.clear();
        own
    }

    /// Sends a message on its channel.
    fn send<S: ViewerSession>(&mut self, line: &mut Line<S>, protocol: u32, message: &[u8]) {
        let data = chunk(DATA, 3, &data(self.tsn, 0, self.stream_sequence, protocol, message));
        (self.tsn, self.stream_sequence) = (self.tsn.wrapping_add(1), self.stream_sequence + 1);
        line.send_inside(&packet(PORTS, self.tag, &data));
    }

    /// True where a text of ours is heard.
    pub(crate) fn is_heard<S: ViewerSession>(&mut self, line: &mut Line<S>, text: &str) -> bool {
        line.events.clear();
        self.send(line, TEXT, text.as_bytes());
        line.run(Duration::from_millis(50));
        line.events.iter().any(|event| matches!(event, EgressEvent::Message(heard) if heard == text))
    }
}

/// Value of an INIT chunk with its head: tag, window, streams, first TSN (§3.3.2).
pub(crate) fn init(tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend(100_000_u32.to_be_bytes());
    value.extend([0, 16, 0, 16]);
    value.extend(FIRST_TSN.to_be_bytes());
    chunk(INIT, 0, &value)
}

/// Value of a DATA chunk (§3.3.1).
pub(crate) fn data(tsn: u32, stream: u16, sequence: u16, protocol: u32, message: &[u8]) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(stream.to_be_bytes());
    value.extend(sequence.to_be_bytes());
    value.extend(protocol.to_be_bytes());
    value.extend(message);
    value
}

/// Tag and cookie of an INIT ACK (§3.3.3).
fn answered(packet: &[u8]) -> Option<(u32, Vec<u8>)> {
    let value = packet.get(12..).filter(|chunk| chunk[0] == INIT_ACK)?;
    let length = usize::from(u16::from_be_bytes([value[2], value[3]]));
    let tag = u32::from_be_bytes(*value.get(4..length)?.first_chunk()?);
    let mut parameters = value.get(20..length)?;
    loop {
        let &[k0, k1, l0, l1] = parameters.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if u16::from_be_bytes([k0, k1]) == STATE_COOKIE {
            return Some((tag, parameters.get(4..length)?.to_vec()));
        }
        parameters = parameters.get(length.next_multiple_of(4)..)?;
    }
}

/// One chunk, padded.
pub(crate) fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((value.len() as u16 + 4).to_be_bytes());
    chunk.extend(value);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// One packet: ports, verification tag, checksum, chunks (§3.1).
pub(crate) fn packet([from, to]: [u16; 2], tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = from.to_be_bytes().to_vec();
    packet.extend(to.to_be_bytes());
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let checksum = crc32c(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

/// CRC-32C, reflected (RFC 9260 appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(u32::MAX, step)
}
