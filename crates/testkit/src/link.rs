//! A link in virtual time: delay, jitter, loss and reordering from a seed, so that a failure repeats.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// How a link treats what is sent into it.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    /// One-way delay of every datagram.
    pub delay: Duration,
    /// Up to this much more, drawn for each datagram; reorders them.
    pub jitter: Duration,
    /// Chance of a loss, 0.0 to 1.0.
    pub loss: f64,
    /// Start of the random sequence.
    pub seed: u64,
}

/// One direction of a link. Put datagrams in with the time they leave, take them out when they arrive.
#[derive(Debug)]
pub struct Link<T> {
    config: LinkConfig,
    state: u64,
    sent: u64,
    in_flight: BinaryHeap<Reverse<InFlight<T>>>,
}

#[derive(Debug)]
struct InFlight<T> {
    at: Instant,
    order: u64,
    item: T,
}

impl<T> PartialEq for InFlight<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for InFlight<T> {}

impl<T> PartialOrd for InFlight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for InFlight<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<T> Link<T> {
    /// An empty link.
    pub fn new(config: LinkConfig) -> Self {
        Self {
            config,
            state: config.seed.wrapping_mul(2).wrapping_add(1),
            sent: 0,
            in_flight: BinaryHeap::new(),
        }
    }

    /// Sends `item` at `now`; it may be lost.
    pub fn send(&mut self, now: Instant, item: T) {
        self.sent += 1;
        if self.random() < self.config.loss {
            return;
        }
        let jitter = self.config.jitter.mul_f64(self.random());
        self.in_flight.push(Reverse(InFlight {
            at: now + self.config.delay + jitter,
            order: self.sent,
            item,
        }));
    }

    /// What has arrived by `now`, one at a time.
    pub fn receive(&mut self, now: Instant) -> Option<T> {
        let arrived = self.in_flight.peek().is_some_and(|Reverse(next)| next.at <= now);
        arrived.then(|| self.in_flight.pop()).flatten().map(|Reverse(next)| next.item)
    }

    /// When the next one arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse(next)| next.at)
    }

    /// Uniform in 0.0..1.0 (xorshift64*, Vigna 2016).
    fn random(&mut self) -> f64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}
