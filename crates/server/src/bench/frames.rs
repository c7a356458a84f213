//! A viewer's video packets put back into order and gathered into frames.

use std::{collections::BTreeMap, time::Instant};

/// Packets held back for a gap. Beyond it the gap counts as lost: about half a second at 1.5 Mbit/s, longer than any
/// repair takes.
const WAITING_MAX: usize = 128;

/// What matters of one RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) arrived: Instant,
    /// RTP marker: the last of its frame.
    pub(super) marker: bool,
    /// Begins an IDR slice.
    pub(super) key: bool,
    /// Send time, in the packet that carries the SEI.
    pub(super) sent: Option<u64>,
}

/// A frame of which every packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Arrival of its last packet in time, not in order.
    pub(super) arrived: Instant,
    pub(super) key: bool,
    pub(super) sent: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    next: Option<u64>,
    waiting: BTreeMap<u64, Part>,
    /// The frame being gathered; `None` while its start is unknown or lost.
    open: Option<Whole>,
    /// A marker was seen, so the next packet in order starts a frame.
    at_start: bool,
    lost: u64,
}

impl Frames {
    /// Takes a packet with its extended sequence number. Late duplicates are ignored.
    pub(super) fn push(&mut self, seq: u64, part: Part) {
        let next = *self.next.get_or_insert(seq);
        if seq >= next {
            self.waiting.insert(seq, part);
        }
    }

    /// The next whole frame.
    pub(super) fn poll(&mut self) -> Option<Whole> {
        loop {
            let next = self.next?;
            let Some(part) = self.waiting.remove(&next) else {
                if self.waiting.len() <= WAITING_MAX {
                    return None;
                }
                let (&first, _) = self.waiting.first_key_value()?;
                self.lost += first - next;
                self.next = Some(first);
                (self.open, self.at_start) = (None, false);
                continue;
            };
            self.next = Some(next + 1);
            if let Some(whole) = self.take(part) {
                return Some(whole);
            }
        }
    }

    /// Packets that never came, since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn take(&mut self, part: Part) -> Option<Whole> {
        // A send time or an IDR slice stands in the first packet of a frame, also where the one before got lost.
        if self.open.is_none() && (self.at_start || part.key || part.sent.is_some()) {
            self.open = Some(Whole { arrived: part.arrived, key: false, sent: None });
        }
        self.at_start = part.marker;
        if let Some(open) = &mut self.open {
            open.arrived = open.arrived.max(part.arrived);
            open.key |= part.key;
            open.sent = open.sent.or(part.sent);
        }
        if part.marker { self.open.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn part(start: Instant, ms: u64, marker: bool, sent: Option<u64>) -> Part {
        Part { arrived: start + Duration::from_millis(ms), marker, key: sent == Some(0), sent }
    }

    #[test]
    fn a_reordered_frame_is_whole_when_its_last_packet_is_there() {
        let start = Instant::now();
        let mut frames = Frames::default();
        frames.push(10, part(start, 0, false, Some(0)));
        frames.push(12, part(start, 1, true, None));
        assert_eq!(frames.poll(), None);
        frames.push(11, part(start, 5, false, None));
        let whole = frames.poll().expect("whole");
        assert!(whole.key && whole.sent == Some(0));
        assert_eq!(whole.arrived, start + Duration::from_millis(5));
        assert_eq!(frames.take_lost(), 0);
    }

    #[test]
    fn a_gap_that_never_closes_is_lost_and_spoils_its_frame_only() {
        let start = Instant::now();
        let mut frames = Frames::default();
        frames.push(0, part(start, 0, false, Some(0)));
        // Packet 1, which ended frame 0, is missing; then frames of one packet each.
        for seq in 2..200u64 {
            frames.push(seq, part(start, seq, true, Some(seq)));
        }
        let sent: Vec<_> = std::iter::from_fn(|| frames.poll()).map(|whole| whole.sent).collect();
        assert_eq!(frames.take_lost(), 1);
        assert_eq!(sent.first(), Some(&Some(2)));
        assert_eq!(sent.len(), 198);
    }
}
