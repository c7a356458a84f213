//! A source that sends what the estimate allows, over a hop of some rate and a link of some delay and loss.

use crate::{Sample, receiver::Receiver};
use std::time::{Duration, Instant};
use unisono_proto_webrtc::engine::{
    bwe::{Bwe, Probe},
    rtcp::{self, Message},
};
use unisono_testkit::{Bottleneck, Link, LinkConfig};

const STEP: Duration = Duration::from_millis(1);
/// Milliseconds between feedbacks, as Chromium sends them.
const FEEDBACK_EVERY: u64 = 50;
/// Bytes of a packet on the wire.
const PACKET: usize = 1_200;
const FRAMES_PER_SECOND: f64 = 30.0;
/// A keyframe each two seconds, of so many times the bytes of another.
const KEY_EVERY: u64 = 60;
const KEY_SIZE: f64 = 5.0;
/// Of the estimate, what the source takes: layers never fit exactly.
const TAKEN: f64 = 0.9;
/// Longest queue of the hop.
const QUEUE_MAX: Duration = Duration::from_millis(400);

/// A path.
pub(crate) struct Hop {
    /// From so many seconds on, bits per second.
    pub(crate) steps: Vec<(f64, f64)>,
    pub(crate) delay_ms: u64,
    pub(crate) jitter_ms: u64,
    pub(crate) loss: f64,
    /// What the source could use.
    pub(crate) wanted: u64,
    pub(crate) seed: u64,
    /// What the receiver's clock reads at the start, seconds.
    pub(crate) clock: u64,
}

pub(crate) struct World {
    start: Instant,
    /// Milliseconds since.
    ms: u64,
    hop: Hop,
    bottleneck: Bottleneck,
    forth: Link<u64>,
    back: Link<Vec<u8>>,
    bwe: Bwe,
    receiver: Receiver,
    next_number: u64,
    frames: u64,
    /// Padding of a probe: how many are left, when the next one leaves, and how far they are apart.
    padding: (u16, f64, f64),
    sent_bytes: usize,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins at a real instant")]
    pub(crate) fn new(hop: Hop) -> Self {
        let start = Instant::now();
        let [delay, jitter] = [hop.delay_ms, hop.jitter_ms].map(Duration::from_millis);
        let config = LinkConfig { delay, jitter, loss: hop.loss, seed: hop.seed };
        let mut bwe = Bwe::new(start, 1_000_000);
        bwe.want(hop.wanted);
        Self {
            start,
            ms: 0,
            bottleneck: Bottleneck::new(hop.steps[0].1, QUEUE_MAX),
            forth: Link::new(config),
            back: Link::new(LinkConfig { loss: 0.0, ..config }),
            bwe,
            receiver: Receiver::default(),
            next_number: 0,
            frames: 0,
            padding: (0, 0.0, 0.0),
            sent_bytes: 0,
            hop,
        }
    }

    /// Runs until `until` seconds have passed.
    pub(crate) fn half_second(&mut self, until: f64) -> Sample {
        self.sent_bytes = 0;
        while (self.ms as f64) < until * 1e3 {
            self.step();
        }
        let estimate = self.bwe.estimate();
        Sample {
            at: until,
            hop: (self.bottleneck.rate() / 1e3) as u64,
            estimate: estimate.bits_per_second / 1_000,
            sent: (self.sent_bytes * 8 / 500) as u64,
            queue: self.bottleneck.queue(self.now()).as_millis() as u64,
            seen: (estimate.queue.as_micros() / 1_000) as u64,
            loss: estimate.loss * 100.0,
        }
    }

    fn now(&self) -> Instant {
        self.start + STEP * self.ms as u32
    }

    fn step(&mut self) {
        let (now, seconds) = (self.now(), self.ms as f64 / 1e3);
        if let Some((_, rate)) = self.hop.steps.iter().find(|(at, _)| *at == seconds) {
            self.bottleneck.set_rate(now, *rate);
        }
        while seconds * FRAMES_PER_SECOND >= self.frames as f64 {
            self.frame(now);
        }
        while self.padding.0 > 0 && self.padding.1 <= seconds {
            self.send(now, PACKET);
            self.padding = (self.padding.0 - 1, self.padding.1 + self.padding.2, self.padding.2);
        }
        while let Some(number) = self.forth.receive(now) {
            self.receiver.arrive(number, now - self.start + Duration::from_secs(self.hop.clock));
        }
        if self.ms.is_multiple_of(FEEDBACK_EVERY)
            && let Some(feedback) = self.receiver.feedback()
        {
            self.back.send(now, feedback);
        }
        while let Some(feedback) = self.back.receive(now) {
            for message in rtcp::read(&feedback) {
                let Message::TransportFeedback(report) = message else { panic!("feedback alone") };
                self.bwe.feedback(now, &report);
            }
        }
        if let Some(Probe { bits_per_second, packets }) = self.bwe.poll_probe(now) {
            self.padding = (packets, seconds, PACKET as f64 * 8.0 / bits_per_second as f64);
        }
        self.ms += 1;
    }

    fn frame(&mut self, now: Instant) {
        let estimate = self.bwe.estimate().bits_per_second.min(self.hop.wanted) as f64;
        let mean = estimate * TAKEN / 8.0 / FRAMES_PER_SECOND;
        let other = mean * KEY_EVERY as f64 / (KEY_EVERY as f64 - 1.0 + KEY_SIZE);
        let is_key = self.frames.is_multiple_of(KEY_EVERY);
        let bytes = (if is_key { other * KEY_SIZE } else { other }) as usize;
        self.frames += 1;
        (0..bytes / PACKET).for_each(|_| self.send(now, PACKET));
        self.send(now, bytes % PACKET + 40);
    }

    fn send(&mut self, now: Instant, bytes: usize) {
        let number = self.bwe.sent(now, bytes);
        assert_eq!(number, self.next_number as u16);
        self.sent_bytes += bytes;
        if let Some(left) = self.bottleneck.pass(now, bytes) {
            self.forth.send(left, self.next_number);
        }
        self.next_number += 1;
    }
}
