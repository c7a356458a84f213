//! How far ahead of what it has got through a peer may send. SCTP's window counts bytes of messages, and what waits for a
//! missing chunk keeps its whole packet and is sorted with every other one that waits: sixty thousand chunks of one byte
//! within a window of 64 KiB could hold as many packets, and a worker for seconds.

use std::ops::ControlFlow;

/// Chunks: more than a browser has on its way with the longest messages we take. Beyond it a packet counts as lost, and comes again.
const AHEAD_MAX: u32 = 512;
/// Before the chunks: ports, tag, checksum (RFC 9260 §3.1).
const COMMON_HEADER: usize = 12;
/// Chunk types (RFC 9260 §3.2).
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
/// Where the first TSN lies in the value of INIT and INIT ACK (§3.3.2).
const FIRST_TSN: usize = 12;

/// What the peer knows that we have.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Cumulative TSN of our last SACK; before it the one before the peer's first.
    acknowledged: Option<u32>,
}

impl Ahead {
    /// True where a packet of the peer may be looked at.
    pub(super) fn allows(&mut self, packet: &[u8]) -> bool {
        each_chunk(packet, |kind, value| match (kind, self.acknowledged) {
            (INIT | INIT_ACK, None) => {
                self.acknowledged = u32_at(value, FIRST_TSN).map(|first| first.wrapping_sub(1));
                ControlFlow::Continue(())
            }
            (DATA, Some(acknowledged)) => match u32_at(value, 0) {
                // Half of all numbers lie behind (§1.6): what came before is answered and not kept.
                Some(tsn) if (AHEAD_MAX + 1..1 << 31).contains(&tsn.wrapping_sub(acknowledged)) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        })
        .is_continue()
    }

    /// A packet of ours leaves.
    pub(super) fn note_sent(&mut self, packet: &[u8]) {
        let _ = each_chunk(packet, |kind, value| {
            if kind == SACK {
                self.acknowledged = u32_at(value, 0).or(self.acknowledged);
            }
            ControlFlow::<()>::Continue(())
        });
    }
}

/// Type and value of each chunk; ends at the first one whose length does not fit.
fn each_chunk(packet: &[u8], mut look: impl FnMut(u8, &[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
    let mut rest = packet.get(COMMON_HEADER..).unwrap_or_default();
    while let Some(&[kind, _, high, low]) = rest.first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = rest.get(4..length) else { break };
        look(kind, value)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    ControlFlow::Continue(())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = vec![0; COMMON_HEADER];
        for (kind, value) in chunks {
            packet.extend([*kind, 0]);
            packet.extend((value.len() as u16 + 4).to_be_bytes());
            packet.extend(*value);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        packet
    }

    fn data(tsn: u32) -> Vec<u8> {
        packet(&[(DATA, &[&tsn.to_be_bytes()[..], &[0; 8], b"x"].concat())])
    }

    #[test]
    fn the_window_moves_with_what_we_acknowledge_and_wraps() {
        let mut ahead = Ahead::default();
        assert!(ahead.allows(&data(77)), "nothing is known yet");
        let first = u32::MAX - 10;
        let value = [&[0; FIRST_TSN][..], &first.to_be_bytes()].concat();
        assert!(ahead.allows(&packet(&[(INIT, &value)])));
        assert!(ahead.allows(&data(first)));
        assert!(ahead.allows(&data(first.wrapping_add(AHEAD_MAX - 1))));
        assert!(!ahead.allows(&data(first.wrapping_add(AHEAD_MAX))));
        assert!(ahead.allows(&data(first.wrapping_sub(5))), "a copy of what came");
        let acknowledged = first.wrapping_add(20);
        ahead.note_sent(&packet(&[(SACK, &acknowledged.to_be_bytes()), (DATA, &[0; 16])]));
        assert!(ahead.allows(&data(acknowledged.wrapping_add(AHEAD_MAX))));
        assert!(!ahead.allows(&data(acknowledged.wrapping_add(AHEAD_MAX + 1))));
        let hidden = packet(&[(9, &[1, 2, 3]), (DATA, &acknowledged.wrapping_add(9_999).to_be_bytes())]);
        assert!(!ahead.allows(&hidden), "behind another chunk");
    }

    #[test]
    fn lengths_that_lie_end_the_look() {
        let mut ahead = Ahead { acknowledged: Some(5) };
        for bytes in [&[][..], &[0; 11], &[0; 16], &[&[0; 12][..], &[0, 0, 0xff, 0xff, 1]].concat()] {
            assert!(ahead.allows(bytes));
            ahead.note_sent(bytes);
        }
        assert_eq!(ahead.acknowledged, Some(5));
    }
}
