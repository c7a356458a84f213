//! Sending more for a moment, to find out at once whether the path carries it: growth alone takes half a minute from one
//! layer to the next.

use super::{Probe, ring::Micros};

/// A probe lasts about so long, seconds.
const LASTS: f64 = 0.06;
/// Packets it takes to tell anything.
const PACKETS_MIN: u16 = 12;
/// Most that are sent for it.
const PACKETS_MAX: u16 = 200;
/// Bits of a packet.
const PACKET: f64 = 9_600.0;
/// After a probe, and after any decrease, nothing is probed for so long, seconds; doubled by each one that fails.
const PAUSE: (f64, f64) = (4.0, 60.0);
/// What did not arrive so quickly as it was sent has found the end of the path.
const SLOWER: f64 = 0.9;
/// The part of it that is believed then.
const BELIEVED: f64 = 0.95;
/// Given up after so long without the last packet, seconds.
const TIMEOUT: f64 = 3.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Prober {
    /// What somebody has a use for.
    wanted: f64,
    pause: f64,
    last: f64,
    running: Option<Running>,
}

/// A probe under way.
#[derive(Debug)]
struct Running {
    bits: f64,
    /// Number of its first packet.
    first: u16,
    packets: u16,
    began: f64,
    received: u16,
    bytes: f64,
    first_bytes: f64,
    last_bytes: f64,
    sent: Option<(Micros, Micros)>,
    arrived: (i32, i32),
}

impl Prober {
    pub(super) fn new() -> Self {
        Self { wanted: 0.0, pause: PAUSE.0, last: 0.0, running: None }
    }

    pub(super) fn want(&mut self, bits: f64) {
        self.wanted = bits;
    }

    /// Whether to begin one. `next` is the number of the next packet.
    pub(super) fn poll(&mut self, seconds: f64, bits: f64, decreased: f64, next: u16) -> Option<Probe> {
        if self.running.as_ref().is_some_and(|running| seconds - running.began > TIMEOUT) {
            self.finish(seconds, false);
        }
        let is_time = seconds - self.last.max(decreased) >= self.pause;
        if self.running.is_some() || !is_time || bits >= self.wanted {
            return None;
        }
        let target = (2.0 * bits).min(1.2 * self.wanted);
        let packets = ((target * LASTS / PACKET) as u16).clamp(PACKETS_MIN, PACKETS_MAX);
        self.running = Some(Running {
            bits: target,
            first: next,
            packets,
            began: seconds,
            received: 0,
            bytes: 0.0,
            first_bytes: 0.0,
            last_bytes: 0.0,
            sent: None,
            arrived: (0, 0),
        });
        Some(Probe { bits_per_second: target as u64, packets })
    }

    /// A packet arrived or not; in order of sending. The rate proven, once the probe's last packet is known of.
    pub(super) fn add(
        &mut self,
        seconds: f64,
        number: u16,
        arrived: Option<(Micros, u16, i32)>,
        before: f64,
    ) -> Option<f64> {
        let running = self.running.as_mut()?;
        let place = number.wrapping_sub(running.first);
        if place >= running.packets {
            return None;
        }
        if let Some((sent, bytes, at)) = arrived {
            running.count(sent, f64::from(bytes), at);
        }
        if place + 1 < running.packets {
            return None;
        }
        let found = running.rate();
        self.finish(seconds, found.is_some_and(|found| found > 1.05 * before));
        found
    }

    fn finish(&mut self, seconds: f64, has_helped: bool) {
        self.running = None;
        self.last = seconds;
        self.pause = if has_helped { PAUSE.0 } else { (2.0 * self.pause).min(PAUSE.1) };
    }
}

impl Running {
    fn count(&mut self, sent: Micros, bytes: f64, at: i32) {
        self.received += 1;
        self.bytes += bytes;
        self.last_bytes = bytes;
        match &mut self.sent {
            Some((_, last)) => *last = sent,
            None => {
                self.sent = Some((sent, sent));
                self.arrived = (at, at);
                self.first_bytes = bytes;
            }
        }
        if at.wrapping_sub(self.arrived.1) > 0 {
            self.arrived.1 = at;
        }
    }

    /// What came through, bits per second; `None` where too much was lost to tell.
    fn rate(&self) -> Option<f64> {
        let (first, last) = self.sent?;
        if u32::from(self.received) * 5 < u32::from(self.packets) * 4 {
            return None;
        }
        let sent_for = last.seconds_since(first);
        let arrived_for = f64::from(self.arrived.1.wrapping_sub(self.arrived.0)) / 4_000.0;
        if arrived_for < 0.002 {
            return None;
        }
        let arrived = (self.bytes - self.first_bytes) * 8.0 / arrived_for;
        let sent = if sent_for > 0.002 { (self.bytes - self.last_bytes) * 8.0 / sent_for } else { f64::MAX };
        let found = if arrived < SLOWER * sent { BELIEVED * arrived } else { sent };
        Some(found.min(self.bits))
    }
}
