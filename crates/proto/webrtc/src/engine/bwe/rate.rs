//! What the path carries, by what is found out about its queue and its losses.
//!
//! Additive increase, multiplicative decrease after draft-ietf-rmcat-gcc-02 §5.5 and §6.

use super::delay::Signal;

/// Never less: sound, and a picture now and then. No estimate may stall them.
pub(super) const LEAST: f64 = 100_000.0;
/// Never more.
pub(super) const MOST: f64 = 100_000_000.0;
/// After an overuse: this part of what arrived.
const DECREASE: f64 = 0.85;
/// Growth per second where the end of the path is not near.
const GROWTH: f64 = 0.08;
/// Near it, one packet more per response: bits of a packet.
const STEP: f64 = 9_600.0;
/// What counts as near, as parts of the capacity seen last.
const NEAR: (f64, f64) = (0.8, 1.1);
/// What is sent tells nothing of what the path carries beyond this multiple of it.
const UNUSED: f64 = 1.5;
/// Losses below the first are the air's, above the second the queue's.
const LOSS: (f64, f64) = (0.02, 0.10);
/// While the queue is longer than this, milliseconds, nothing grows.
const QUEUE_HOLD: f64 = 100.0;
/// Longest step of growth, seconds: feedback that was away must not bring a jump.
const STEP_MAX: f64 = 0.5;

/// What is known when feedback has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// Since the estimator began.
    pub(super) seconds: f64,
    pub(super) signal: Signal,
    /// Milliseconds.
    pub(super) queue: f64,
    /// Bits per second that arrive; `None` as long as nobody can tell.
    pub(super) received: Option<f64>,
    /// Of a full window of packets; `None` in between.
    pub(super) loss: Option<f32>,
    /// Seconds.
    pub(super) rtt: f64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rate {
    bits: f64,
    /// What arrived when the path was overused last.
    capacity: Option<f64>,
    updated: f64,
    decreased: f64,
    /// Of the last full window.
    loss: f32,
}

impl Rate {
    pub(super) fn new(bits: f64) -> Self {
        Self { bits: bits.clamp(LEAST, MOST), capacity: None, updated: 0.0, decreased: f64::MIN, loss: 0.0 }
    }

    /// Bits per second.
    pub(super) fn bits(&self) -> f64 {
        self.bits
    }

    /// Since when it has not been lowered, seconds.
    pub(super) fn decreased(&self) -> f64 {
        self.decreased
    }

    pub(super) fn update(&mut self, seen: Observation) {
        let elapsed = (seen.seconds - self.updated).clamp(0.0, STEP_MAX);
        self.updated = seen.seconds;
        self.loss = seen.loss.unwrap_or(self.loss);
        // Once per time in which the path can answer.
        let response = seen.rtt + 0.1;
        let may_decrease = seen.seconds - self.decreased > response;
        if seen.signal == Signal::Overuse {
            if may_decrease {
                self.overused(seen);
            }
        } else if seen.loss.is_some_and(|loss| f64::from(loss) > LOSS.1) {
            if may_decrease {
                self.lower(seen.seconds, self.bits * (1.0 - 0.5 * f64::from(self.loss)));
            }
        } else if seen.signal == Signal::Normal && seen.queue < QUEUE_HOLD && f64::from(self.loss) <= LOSS.1 {
            self.grow(elapsed, response, seen.received);
        }
    }

    /// A probe came through at this rate.
    pub(super) fn probed(&mut self, bits: f64) {
        if bits > self.bits {
            self.bits = bits.min(MOST);
            self.capacity = None;
        }
    }

    fn overused(&mut self, seen: Observation) {
        let base = seen.received.unwrap_or(self.bits);
        // A sudden new capacity is believed at once, small changes only slowly.
        self.capacity = Some(match self.capacity {
            Some(last) if (0.7..1.4).contains(&(base / last)) => 0.8 * last + 0.2 * base,
            _ => base,
        });
        self.lower(seen.seconds, (DECREASE * base).min(self.bits));
    }

    fn lower(&mut self, seconds: f64, bits: f64) {
        self.bits = bits.max(LEAST);
        self.decreased = seconds;
    }

    fn grow(&mut self, elapsed: f64, response: f64, received: Option<f64>) {
        let near = |capacity: f64| capacity * NEAR.0 <= self.bits && self.bits <= capacity * NEAR.1;
        let is_careful = self.capacity.is_some_and(near) || f64::from(self.loss) > LOSS.0;
        let more = if is_careful { STEP / response } else { self.bits * GROWTH };
        let most = received.map_or(MOST, |received| (received * UNUSED + STEP).min(MOST));
        self.bits = (self.bits + more * elapsed).min(most.max(self.bits));
    }
}
