//! The packets that the receiver has not spoken of yet, by their transport-wide number.

use crate::engine::Prefetch;
use std::time::{Duration, Instant};

/// Packets remembered at first: two seconds of 1.5 Mbit/s. Grows while packets younger than [`YOUNG`] would be forgotten.
const START: usize = 256;
/// At most: two seconds of 10 Mbit/s, 16 KiB.
const MAX: usize = 2_048;
/// Packets of a usual frame.
const PACKETS_AHEAD: usize = 8;
/// Packets of the last hundred milliseconds of an average stream, or more.
const PACKETS_SPOKEN_OF: usize = 32;
/// Feedback comes within a round trip and 100 ms.
const YOUNG: Duration = Duration::from_millis(1_500);

/// See the module.
#[derive(Debug)]
pub(super) struct Ring {
    /// As many as a power of two; the number's lower bits say where.
    slots: Vec<Slot>,
    next: u16,
    start: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    sent: Micros,
    bytes: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not sent, or settled.
    Free,
    InFlight,
    /// The receiver lacked it when it last spoke.
    Missing,
}

/// Microseconds since the estimator began; wraps after 71 minutes, so only distances count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Micros(u32);

/// A packet of ours that the receiver has spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) sent: Micros,
    pub(super) bytes: u16,
    /// It was reported missing before.
    pub(super) was_missing: bool,
}

impl Micros {
    /// Seconds from `earlier` to this, negative where it was later.
    pub(super) fn seconds_since(self, earlier: Self) -> f64 {
        f64::from(self.0.wrapping_sub(earlier.0) as i32) / 1e6
    }
}

impl Ring {
    pub(super) fn new(start: Instant) -> Self {
        Self { slots: Vec::new(), next: 0, start }
    }

    pub(super) fn at(&self, now: Instant) -> Micros {
        Micros(now.saturating_duration_since(self.start).as_micros() as u32)
    }

    /// The number the next packet will get.
    pub(super) fn next(&self) -> u16 {
        self.next
    }

    /// Remembers a packet; returns its number.
    pub(super) fn push(&mut self, now: Instant, bytes: usize) -> u16 {
        let sent = self.at(now);
        if self.is_short(sent) {
            self.grow();
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        let place = self.place(number);
        self.slots[place] = Slot { sent, bytes: bytes.min(u16::MAX.into()) as u16, state: State::InFlight };
        number
    }

    /// See [`Bwe::prefetch`](super::Bwe::prefetch).
    pub(super) fn prefetch(&self, memory: &impl Prefetch) {
        let start = usize::from(self.next) & self.slots.len().saturating_sub(1);
        let end = (start + PACKETS_AHEAD).min(self.slots.len());
        memory.prefetch(&self.slots[start.min(end)..end]);
    }

    /// The places of the packets that left last, which feedback speaks of.
    pub(super) fn prefetch_newest(&self, memory: &impl Prefetch) {
        let end = usize::from(self.next) & self.slots.len().saturating_sub(1);
        memory.prefetch(&self.slots[end.saturating_sub(PACKETS_SPOKEN_OF)..end]);
    }

    /// The receiver has it, or lacks it. `None` where that is no news: not one of ours, forgotten, said before.
    pub(super) fn settle(&mut self, number: u16, is_here: bool) -> Option<Settled> {
        let behind = usize::from(self.next.wrapping_sub(number));
        if behind == 0 || behind > self.slots.len() {
            return None;
        }
        let place = self.place(number);
        let Slot { sent, bytes, state } = self.slots[place];
        let (after, is_news) = match (state, is_here) {
            (State::Free, _) => (State::Free, false),
            (State::InFlight | State::Missing, true) => (State::Free, true),
            (State::InFlight, false) => (State::Missing, true),
            (State::Missing, false) => (State::Missing, false),
        };
        self.slots[place].state = after;
        is_news.then_some(Settled { sent, bytes, was_missing: state == State::Missing })
    }

    /// Bytes of the packets behind `number`, of which nothing can be known yet.
    pub(super) fn bytes_behind(&self, number: u16) -> u64 {
        let count = self.next.wrapping_sub(number).wrapping_sub(1).min(self.slots.len() as u16);
        let behind = (1..=count).map(|step| self.slots[self.place(number.wrapping_add(step))]);
        behind.map(|slot| u64::from(slot.bytes)).sum()
    }

    fn place(&self, number: u16) -> usize {
        usize::from(number) & (self.slots.len() - 1)
    }

    /// The next packet would take the place of one that may still be spoken of.
    fn is_short(&self, now: Micros) -> bool {
        if self.slots.is_empty() {
            return true;
        }
        let oldest = self.slots[self.place(self.next)];
        let is_young = now.seconds_since(oldest.sent) < YOUNG.as_secs_f64();
        oldest.state == State::InFlight && is_young && self.slots.len() < MAX
    }

    /// Twice as many; every packet keeps its number.
    fn grow(&mut self) {
        let free = Slot { sent: Micros(0), bytes: 0, state: State::Free };
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![free; (old.len() * 2).max(START)];
        for behind in 1..=old.len() {
            let number = self.next.wrapping_sub(behind as u16);
            let place = self.place(number);
            self.slots[place] = old[usize::from(number) & (old.len() - 1)];
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_and_each_packet_is_settled_once() {
        let start = Instant::now();
        let mut ring = Ring::new(start);
        for sent in 0..70_000u32 {
            let now = start + Duration::from_millis(sent.into());
            assert_eq!(ring.push(now, 1_200), sent as u16);
        }
        assert_eq!(ring.next(), (70_000 % 65_536) as u16);
        let last = ring.next().wrapping_sub(1);
        assert_eq!(ring.settle(last, false).map(|packet| packet.was_missing), Some(false));
        assert_eq!(ring.settle(last, false), None);
        assert_eq!(ring.settle(last, true).map(|packet| packet.was_missing), Some(true));
        assert_eq!(ring.settle(last, true), None);
        assert_eq!(ring.settle(ring.next(), true), None, "not sent yet");
        assert_eq!(ring.settle(last.wrapping_sub(30_000), true), None, "forgotten");
        assert_eq!(ring.slots.len(), MAX);
    }

    #[test]
    fn distances_hold_where_the_microseconds_wrap() {
        let ring = Ring::new(Instant::now());
        // 2^32 us are 4,294.967296 s.
        let [before, after] =
            [4_294_000, 4_295_000].map(|ms| ring.at(ring.start + Duration::from_millis(ms)));
        assert!((after.seconds_since(before) - 1.0).abs() < 1e-9);
        assert!((before.seconds_since(after) + 1.0).abs() < 1e-9);
    }

    #[test]
    fn it_grows_with_what_is_in_flight_and_forgets_nothing_then() {
        let start = Instant::now();
        let mut ring = Ring::new(start);
        for sent in 0..1_000u64 {
            ring.push(start + Duration::from_millis(sent), sent as usize);
        }
        assert_eq!(ring.slots.len(), 1_024);
        for number in 0..1_000u16 {
            assert_eq!(ring.settle(number, true).map(|packet| packet.bytes), Some(number));
        }
        // Slow streams stay small.
        let mut slow = Ring::new(start);
        for sent in 0..5_000u64 {
            slow.push(start + Duration::from_millis(10 * sent), 1);
        }
        assert_eq!(slow.slots.len(), START);
    }
}
