//! How much a viewer's path carries (decisions 10): estimated at the sender from the receiver's feedback on each packet.
//!
//! Call [`Bwe::sent`] for every packet, [`Bwe::feedback`] for every report, and read [`Bwe::estimate`] whenever there is a
//! choice to make. Nothing here holds back a packet.

mod delay;
mod overload;
mod probe;
mod rate;
mod received;
mod ring;

use super::{Prefetch, rtcp::TransportFeedback};
use delay::{Delay, Signal};
use probe::Prober;
use rate::{Observation, Rate};
use received::Received;
use ring::Ring;
use std::time::{Duration, Instant};
use unisono_base::Span;

pub use overload::Overload;

/// Packets whose losses are counted together, and the longest time they are waited for.
const LOSS_PACKETS: u32 = 20;
const LOSS_EVERY: Duration = Duration::from_millis(500);
/// A round trip while none is known.
const RTT_GUESS: Span = Span::from_millis(200);
/// Receiver reports count where there was no feedback for so long.
const FEEDBACK_SILENCE: Duration = Duration::from_secs(3);

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What it carries without a queue building up, all of RTP counted; 100 kbit/s at least.
    pub bits_per_second: u64,
    /// Share of packets lost lately, 0 to 1.
    pub loss: f32,
    /// Round trip by receiver reports, or else by the feedback, which then includes the receiver's delay of it.
    pub rtt: Option<Span>,
    /// How fast the queue on the path grows: milliseconds per second, negative while it empties.
    pub delay_gradient: f32,
    /// The queue on the path.
    pub queue: Span,
    /// How long what is on its way takes to arrive, at the rate at which it arrives: the queue that a packet sent now will
    /// find, the round trip and the time of the feedback.
    pub backlog: Span,
}

/// More than the media should be sent for a moment, to find out whether the path carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// At this rate, media included.
    pub bits_per_second: u64,
    /// So many packets, the next ones to be sent.
    pub packets: u16,
}

/// The estimator of one viewer's path.
#[derive(Debug)]
pub struct Bwe {
    ring: Ring,
    path: Box<Path>,
}

/// All that only feedback touches.
#[derive(Debug)]
struct Path {
    start: Instant,
    delay: Delay,
    received: Received,
    rate: Rate,
    prober: Prober,
    losses: Losses,
    rtt_reported: Option<Span>,
    rtt_fed_back: Option<Span>,
    last_feedback: Option<Instant>,
    /// Bytes sent behind the newest packet that was spoken of last.
    on_its_way: u64,
}

/// Losses of the window that is filling, and of the one before.
#[derive(Debug)]
struct Losses {
    received: u32,
    missing: u32,
    since: Instant,
    last: f32,
}

impl Bwe {
    /// Nothing is known but a first guess, bits per second.
    pub fn new(now: Instant, first_guess: u64) -> Self {
        let path = Path {
            start: now,
            delay: Delay::default(),
            received: Received::default(),
            rate: Rate::new(first_guess as f64),
            prober: Prober::new(),
            losses: Losses { received: 0, missing: 0, since: now, last: 0.0 },
            rtt_reported: None,
            rtt_fed_back: None,
            last_feedback: None,
            on_its_way: 0,
        };
        Self { ring: Ring::new(now), path: Box::new(path) }
    }

    /// Asks for the places of the packets that leave next.
    pub fn prefetch(&self, memory: &impl Prefetch) {
        self.ring.prefetch(memory);
    }

    /// Asks for what [`Self::feedback`] touches.
    pub fn prefetch_input(&self, memory: &impl Prefetch) {
        memory.prefetch(&*self.path);
        self.ring.prefetch_newest(memory);
    }

    /// A packet of `bytes` leaves now; returns its transport-wide number.
    pub fn sent(&mut self, now: Instant, bytes: usize) -> u16 {
        self.ring.push(now, bytes)
    }

    /// What the receiver got.
    pub fn feedback(&mut self, now: Instant, report: &TransportFeedback<'_>) {
        let path = &mut *self.path;
        path.last_feedback = Some(now);
        let seconds = path.seconds(now);
        let mut newest = None;
        for arrival in report.arrivals() {
            let Some(packet) = self.ring.settle(arrival.sequence, arrival.at.is_some()) else { continue };
            path.losses.count(arrival.at.is_some(), packet.was_missing);
            // Ticks wrap; only their distances count.
            let arrived = arrival.at.map(|at| (packet.sent, packet.bytes, at as i32));
            if let Some((sent, bytes, at)) = arrived {
                path.received.add(at, bytes);
                if !packet.was_missing {
                    path.delay.add(sent, at);
                }
                newest = Some((sent, arrival.sequence));
            }
            if let Some(proven) = path.prober.add(seconds, arrival.sequence, arrived, path.rate.bits()) {
                path.rate.probed(proven);
            }
        }
        if let Some((sent, number)) = newest {
            path.on_its_way = self.ring.bytes_behind(number);
            let micros = self.ring.at(now).seconds_since(sent) * 1e6;
            path.rtt_fed_back = Some(Span::from_micros(micros as i64));
        }
        path.update(now);
    }

    /// Loss and round trip by a receiver report. Loss counts for peers that give no feedback on each packet.
    pub fn reception(&mut self, now: Instant, loss: f32, rtt: Option<Span>) {
        let path = &mut *self.path;
        path.rtt_reported = rtt.or(path.rtt_reported);
        let is_fed_back =
            path.last_feedback.is_some_and(|last| now.saturating_duration_since(last) < FEEDBACK_SILENCE);
        if !is_fed_back {
            path.losses.last = loss.clamp(0.0, 1.0);
            let seen = path.observation(now, Signal::Normal, Some(path.losses.last));
            path.rate.update(Observation { queue: 0.0, received: None, ..seen });
        }
    }

    /// Somebody has a use for so many bits per second: probing goes up to there. Nothing is probed before.
    pub fn want(&mut self, bits_per_second: u64) {
        self.path.prober.want(bits_per_second as f64);
    }

    /// Whether more should be sent for a moment. Its packets are the next ones told to [`Self::sent`].
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let path = &mut *self.path;
        path.last_feedback?;
        if path.delay.signal() != Signal::Normal {
            return None;
        }
        let (bits, decreased) = (path.rate.bits(), path.rate.decreased());
        path.prober.poll(path.seconds(now), bits, decreased, self.ring.next())
    }

    /// True once the receiver has told of packets: before, an estimate is a guess.
    pub fn has_feedback(&self) -> bool {
        self.path.last_feedback.is_some()
    }

    /// What is known now.
    pub fn estimate(&self) -> Estimate {
        let path = &*self.path;
        Estimate {
            bits_per_second: path.rate.bits() as u64,
            loss: path.losses.last,
            rtt: path.rtt(),
            delay_gradient: path.delay.gradient() as f32,
            queue: Span::from_micros((path.delay.queue() * 1e3) as i64),
            backlog: path.backlog(),
        }
    }
}

impl Path {
    fn update(&mut self, now: Instant) {
        let loss = self.losses.full(now);
        let seen = self.observation(now, self.delay.signal(), loss);
        self.rate.update(seen);
    }

    fn observation(&self, now: Instant, signal: Signal, loss: Option<f32>) -> Observation {
        Observation {
            seconds: self.seconds(now),
            signal,
            queue: self.delay.queue(),
            received: self.received.bits_per_second(),
            loss,
            rtt: self.rtt().unwrap_or(RTT_GUESS).as_secs_f64().clamp(0.0, 2.0),
        }
    }

    fn backlog(&self) -> Span {
        let rate = self.received.bits_per_second().unwrap_or(self.rate.bits()).max(rate::LEAST);
        Span::from_micros((self.on_its_way as f64 * 8e6 / rate) as i64)
    }

    fn rtt(&self) -> Option<Span> {
        self.rtt_reported.or(self.rtt_fed_back)
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.start).as_secs_f64()
    }
}

impl Losses {
    fn count(&mut self, is_here: bool, was_missing: bool) {
        match (is_here, was_missing) {
            (true, false) => self.received += 1,
            // Counted as lost before; it was only late.
            (true, true) => {
                self.received += 1;
                self.missing = self.missing.saturating_sub(1);
            }
            (false, _) => self.missing += 1,
        }
    }

    /// Of a window that is full; begins the next.
    fn full(&mut self, now: Instant) -> Option<f32> {
        let packets = self.received + self.missing;
        let is_due = now.saturating_duration_since(self.since) >= LOSS_EVERY;
        if packets < LOSS_PACKETS || !is_due {
            return None;
        }
        self.last = self.missing as f32 / packets as f32;
        (self.received, self.missing, self.since) = (0, 0, now);
        Some(self.last)
    }
}
