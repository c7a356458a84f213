//! Packets on a TCP connection (RFC 4571 §2), which is how ICE-TCP carries STUN, DTLS and RTP alike (RFC 6544 §3):
//!
//! ```text
//!  0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-------------------------------+----------------
//! |            LENGTH             |  packet ...
//! +-------------------------------+----------------
//! ```

use bytes::{Buf, Bytes, BytesMut};

/// Longest packet taken. STUN, DTLS and RTP of a WebRTC peer fit into a datagram; a peer that announces more than twice
/// that is no WebRTC peer. It also keeps the first byte of a connection apart from that of TLS (22, RFC 8446 §5.1).
pub const PACKET_MAX: usize = 4_096;

/// The peer's fault: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than we read.
    #[error("a frame of {0} bytes; at most {PACKET_MAX} are taken")]
    TooLong(usize),
}

/// Takes a byte stream apart into packets. Holds less than one frame between calls.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    /// Takes what came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet; `None` until more came. Empty frames, which are allowed, are skipped.
    pub fn poll_packet(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            let Some(&[high, low]) = self.buffer.first_chunk::<2>() else { return Ok(None) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length > PACKET_MAX {
                return Err(FrameError::TooLong(length));
            }
            if self.buffer.len() < 2 + length {
                return Ok(None);
            }
            self.buffer.advance(2);
            if length > 0 {
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
        }
    }
}

/// Appends `packet` as a frame; false, and nothing appended, for one that no frame can hold.
pub fn encode_frame(packet: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else { return false };
    out.extend(length.to_be_bytes());
    out.extend_from_slice(packet);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_without_end_is_refused_before_it_is_read() {
        let mut deframer = Deframer::default();
        deframer.handle_bytes(&[0x16, 3]);
        assert_eq!(deframer.poll_packet(), Err(FrameError::TooLong(0x1603)), "a TLS record is no frame");
    }

    #[test]
    fn empty_frames_are_skipped() {
        let mut deframer = Deframer::default();
        deframer.handle_bytes(&[0, 0, 0, 0, 0, 1, 9]);
        assert_eq!(deframer.poll_packet(), Ok(Some(Bytes::from_static(&[9]))));
        assert_eq!(deframer.poll_packet(), Ok(None));
    }

    proptest! {
        #[test]
        fn packets_survive_however_tcp_cuts_them(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..1_500), 1..8),
            cut in 1usize..700,
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                prop_assert!(encode_frame(packet, &mut stream));
            }
            let (mut deframer, mut got) = (Deframer::default(), Vec::new());
            for chunk in stream.chunks(cut) {
                deframer.handle_bytes(chunk);
                while let Some(packet) = deframer.poll_packet().expect("well formed") {
                    got.push(packet.to_vec());
                }
            }
            prop_assert_eq!(got, packets);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut deframer = Deframer::default();
            deframer.handle_bytes(&bytes);
            while let Ok(Some(_)) = deframer.poll_packet() {}
            prop_assert!(nominating_never_panics(&bytes));
        }
    }

    fn nominating_never_panics(bytes: &[u8]) -> bool {
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend([0; 12]);
        request.extend(bytes);
        crate::route::nominating(&request).is_none_or(|_| true)
    }
}
