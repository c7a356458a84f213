//! A viewer's video packets put back into order and gathered into frames.

use std::collections::BTreeMap;

/// Packets held back for a gap. Beyond it the gap counts as lost: about two seconds at 1.5 Mbit/s, longer than any
/// repair takes, and what a joiner is sent at once.
const WAITING_MAX: usize = 512;
/// A gap that has kept packets waiting for so long counts as lost.
const WAITING_MAX_US: u64 = 1_000_000;

/// What matters of one RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Microseconds since the Unix epoch.
    pub(super) arrived_us: u64,
    /// RTP marker: the last of its frame.
    pub(super) marker: bool,
    /// Known to be the first of its frame, also where the one before got lost.
    pub(super) starts: bool,
    /// Begins an IDR slice, where the reader can see that.
    pub(super) key: bool,
    /// What tells the frame's time: the SEI's in the packet that carries it, or the header's in all of them.
    pub(super) stamp: Option<u64>,
}

/// A frame of which every packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Arrival of its last packet in time, not in order.
    pub(super) arrived_us: u64,
    pub(super) key: bool,
    pub(super) stamp: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    next: Option<u64>,
    /// The packet that was awaited; most come in order and never wait.
    ready: Option<Part>,
    waiting: BTreeMap<u64, Part>,
    /// The frame being gathered; `None` while its start is unknown or lost.
    open: Option<Whole>,
    /// A marker was seen, so the next packet in order starts a frame.
    at_start: bool,
    lost: u64,
}

impl Frames {
    /// The packet with number `first` is known to begin a frame.
    pub(super) fn begin_at(first: u64) -> Self {
        Self { next: Some(first), at_start: true, ..Self::default() }
    }

    /// Takes a packet with its extended sequence number. Late duplicates are ignored. Call [`Self::poll`] after each.
    pub(super) fn push(&mut self, seq: u64, part: Part) {
        let next = *self.next.get_or_insert(seq);
        if seq == next && self.ready.is_none() {
            self.ready = Some(part);
        } else if seq > next {
            self.waiting.insert(seq, part);
        }
    }

    /// The next whole frame. `now_us` is the time since the Unix epoch.
    pub(super) fn poll(&mut self, now_us: u64) -> Option<Whole> {
        loop {
            let next = self.next?;
            let awaited = self.ready.take().or_else(|| self.waiting.remove(&next));
            let Some(part) = awaited else {
                let (&first, waits) = self.waiting.first_key_value()?;
                let has_patience = now_us.saturating_sub(waits.arrived_us) < WAITING_MAX_US;
                if self.waiting.len() <= WAITING_MAX && has_patience {
                    return None;
                }
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
        if self.open.is_none() && (self.at_start || part.starts) {
            self.open = Some(Whole { arrived_us: part.arrived_us, key: false, stamp: None });
        }
        self.at_start = part.marker;
        if let Some(open) = &mut self.open {
            open.arrived_us = open.arrived_us.max(part.arrived_us);
            open.key |= part.key;
            open.stamp = open.stamp.or(part.stamp);
        }
        if part.marker { self.open.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(at_ms: u64, marker: bool, sent: Option<u64>) -> Part {
        let (starts, key) = (sent.is_some(), sent == Some(0));
        Part { arrived_us: at_ms * 1_000, marker, starts, key, stamp: sent }
    }

    #[test]
    fn a_reordered_frame_is_whole_when_its_last_packet_is_there() {
        let mut frames = Frames::default();
        frames.push(10, part(0, false, Some(0)));
        assert_eq!(frames.poll(0), None);
        frames.push(12, part(1, true, None));
        assert_eq!(frames.poll(1_000), None);
        frames.push(11, part(5, false, None));
        let whole = frames.poll(5_000).expect("whole");
        assert!(whole.key && whole.stamp == Some(0));
        assert_eq!(whole.arrived_us, 5_000);
        assert_eq!(frames.take_lost(), 0);
    }

    #[test]
    fn a_gap_that_never_closes_is_lost_and_spoils_its_frame_only() {
        let mut frames = Frames::default();
        frames.push(0, part(0, false, Some(0)));
        assert_eq!(frames.poll(0), None);
        // Packet 1, which ended frame 0, is missing; then frames of one packet each.
        for seq in 2..200u64 {
            frames.push(seq, part(seq, true, Some(seq)));
        }
        assert_eq!(frames.poll(900_000), None, "it may still come");
        let late = WAITING_MAX_US + 2_000;
        let sent: Vec<_> = std::iter::from_fn(|| frames.poll(late)).map(|whole| whole.stamp).collect();
        assert_eq!(frames.take_lost(), 1);
        assert_eq!(sent.first(), Some(&Some(2)));
        assert_eq!(sent.len(), 198);
    }

    #[test]
    fn without_a_word_on_starts_a_torn_frame_is_never_whole() {
        let mut frames = Frames::begin_at(5);
        let parts = [(5, true), (7, false), (8, true), (9, false), (10, true)];
        let mut whole = 0;
        for (seq, marker) in parts {
            frames.push(seq, Part { starts: false, stamp: Some(seq), ..part(0, marker, None) });
            whole += std::iter::from_fn(|| frames.poll(if seq == 10 { 2_000_000 } else { 0 })).count();
        }
        assert_eq!((whole, frames.take_lost()), (2, 1), "7 and 8 may have begun at 6");
    }
}
