//! A stream that cannot be made smaller, on a path that becomes too thin for it: what arrives, and how late.

use crate::receiver::Receiver;
use std::time::{Duration, Instant};
use unisono_base::Span;
use unisono_proto_webrtc::engine::{
    bwe::{Bwe, Overload},
    rtcp::{self, Message},
};
use unisono_testkit::{Bottleneck, Link, LinkConfig};

const STEP: Duration = Duration::from_millis(1);
const BUDGET: Span = Span::from_millis(500);
const FEEDBACK_EVERY: u64 = 100;
/// Milliseconds between pictures, and between sounds.
const PICTURE_EVERY: u64 = 33;
const SOUND_EVERY: u64 = 20;
/// A keyframe is every 60th picture; bytes of both kinds: 1.5 Mbit/s.
const KEY_EVERY: u64 = 60;
const PICTURE: usize = 5_800;
const KEY: usize = 29_000;
const SOUND: usize = 160;
const PACKET: usize = 1_200;

/// What was sent, by its transport-wide number.
#[derive(Clone, Copy)]
struct Sent {
    at: u64,
    is_sound: bool,
}

struct World {
    start: Instant,
    ms: u64,
    bottleneck: Bottleneck,
    forth: Link<usize>,
    back: Link<Vec<u8>>,
    bwe: Bwe,
    overload: Overload,
    receiver: Receiver,
    sent: Vec<Sent>,
    /// Second in which it was sent, and milliseconds on the way.
    sounds: Vec<(u64, u64)>,
    /// Second of each picture left out.
    skipped: Vec<u64>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins at a real instant")]
    fn new(queue_max: Duration) -> Self {
        let start = Instant::now();
        let config =
            LinkConfig { delay: Duration::from_millis(20), jitter: Duration::ZERO, loss: 0.0, seed: 7 };
        Self {
            start,
            ms: 0,
            bottleneck: Bottleneck::new(4e6, queue_max),
            forth: Link::new(config),
            back: Link::new(config),
            bwe: Bwe::new(start, 10_000_000),
            overload: Overload::new(BUDGET),
            receiver: Receiver::default(),
            sent: Vec::new(),
            sounds: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64, bits_per_second: f64) {
        self.bottleneck.set_rate(self.now(), bits_per_second);
        for _ in 0..seconds * 1_000 {
            self.step();
            self.ms += 1;
        }
    }

    fn now(&self) -> Instant {
        self.start + STEP * self.ms as u32
    }

    fn step(&mut self) {
        let now = self.now();
        if self.ms.is_multiple_of(SOUND_EVERY) {
            self.send(SOUND, true);
        }
        if self.ms.is_multiple_of(PICTURE_EVERY) {
            self.picture((self.ms / PICTURE_EVERY).is_multiple_of(KEY_EVERY));
        }
        while let Some(number) = self.forth.receive(now) {
            self.receiver.arrive(number as u64, now - self.start + Duration::from_secs(1_000));
            let Sent { at, is_sound } = self.sent[number];
            if is_sound {
                self.sounds.push((at / 1_000, self.ms - at));
            }
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
            self.overload.judge(now, self.bwe.estimate());
        }
    }

    fn picture(&mut self, is_key: bool) {
        if !self.overload.takes(self.now(), is_key, || self.bwe.estimate()) {
            return self.skipped.push(self.ms / 1_000);
        }
        let bytes = if is_key { KEY } else { PICTURE };
        (0..bytes.div_ceil(PACKET)).for_each(|_| self.send(PACKET, false));
    }

    fn send(&mut self, bytes: usize, is_sound: bool) {
        let number = self.bwe.sent(self.now(), bytes);
        assert_eq!(number, self.sent.len() as u16);
        if let Some(left) = self.bottleneck.pass(self.now(), bytes) {
            self.forth.send(left, self.sent.len());
        }
        self.sent.push(Sent { at: self.ms, is_sound });
    }

    /// How late the sounds of these seconds were, milliseconds, in order of that.
    fn sounds(&self, from: u64, to: u64) -> Vec<u64> {
        let within = self.sounds.iter().filter(|(second, _)| (from..to).contains(second));
        let mut late: Vec<u64> = within.map(|(_, late)| *late).collect();
        late.sort_unstable();
        late
    }

    fn skipped(&self, from: u64, to: u64) -> usize {
        self.skipped.iter().filter(|second| (from..to).contains(second)).count()
    }
}

#[test]
fn a_path_too_thin_loses_pictures_and_keeps_sound_in_time() {
    let mut world = World::new(Duration::from_secs(5));
    world.run(10, 4e6);
    assert_eq!(world.skipped(0, 10), 0);
    world.run(30, 7e5);
    world.run(30, 4e6);
    let sounds = world.sounds(10, 40);
    assert_eq!(sounds.len(), 30 * 50, "none lost");
    let (most, latest) = (sounds[sounds.len() / 2], sounds[sounds.len() - 1]);
    assert!(most <= 500 && latest <= 2_000, "half of them within {most} ms, the latest {latest} ms late");
    let thin = world.skipped(10, 40);
    assert!((600..890).contains(&thin), "{thin} of 900 pictures left out");
    // The path is good again at 40 s, which the next try shows.
    assert_eq!(world.skipped(58, 70), 0, "all pictures again");
    assert!(world.sounds(58, 70).last() < Some(&200));
}

#[test]
fn a_short_queue_that_overflows_is_seen_by_its_losses() {
    let mut world = World::new(Duration::from_millis(300));
    world.run(10, 4e6);
    world.run(30, 7e5);
    world.run(30, 4e6);
    let thin = world.skipped(10, 40);
    assert!(thin > 300, "{thin} pictures left out");
    assert_eq!(world.skipped(58, 70), 0, "all pictures again");
}
