//! One received RTP stream: order, gaps and their repair, and what a receiver report says of it.

use super::{
    super::frames::{Frames, Part, Whole},
    header::Header,
    rtcp::{Block, LastReport},
};
use std::time::{Duration, Instant};

/// Gaps that are asked for at once; beyond it the oldest are left to the next keyframe.
const MISSING_MAX: usize = 512;
/// A packet that has not come by then is not asked for any more.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a packet is asked for, as in browsers.
const ASKS_MAX: u8 = 10;
/// Never asked for twice within less.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(20);

/// `sequence` past its 16 bits, by the highest number so far. The first is in cycle 1, so that the ones before it have a
/// number too.
pub(super) fn extend(highest: Option<u64>, sequence: u16) -> u64 {
    let Some(highest) = highest else { return (1 << 16) + u64::from(sequence) };
    let ahead = sequence.wrapping_sub(highest as u16) as i16;
    highest.saturating_add_signed(i64::from(ahead))
}

/// A packet's rollover count and number, as SRTP counts them: the first cycle is 0 (RFC 3711 §3.3.1).
pub(super) fn rollover(extended: u64) -> u64 {
    extended.saturating_sub(1 << 16)
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    extended: u64,
    since: Instant,
    asks: u8,
    next_ask: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) ssrc: u32,
    clock_rate: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// `(expected, received)` at the last report.
    reported: (u64, u64),
    missing: Vec<Missing>,
    frames: Frames,
    /// Arrival minus media time of the last packet, and its mean deviation times 16 (RFC 3550 §A.8).
    transit: Option<i64>,
    jitter: i64,
    report: Option<LastReport>,
}

/// What a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    New,
    Known,
}

impl Track {
    /// A stream that begins with this packet, which is yet to be given to [`Self::push`].
    pub(super) fn begin(header: &Header, clock_rate: u32) -> Self {
        let first = extend(None, header.sequence);
        Self {
            ssrc: header.ssrc,
            clock_rate,
            first,
            highest: first - 1,
            received: 0,
            reported: (0, 0),
            missing: Vec::new(),
            frames: Frames::begin_at(first),
            transit: None,
            jitter: 0,
            report: None,
        }
    }

    pub(super) fn extended(&self, sequence: u16) -> u64 {
        extend(Some(self.highest), sequence)
    }

    /// Takes a packet, resent or not; whole frames are then at [`Self::poll`].
    pub(super) fn push(&mut self, now: Instant, extended: u64, part: Part) -> Took {
        if extended > self.highest {
            let from = (self.highest + 1).max(extended.saturating_sub(MISSING_MAX as u64));
            for gap in from..extended {
                if self.missing.len() == MISSING_MAX {
                    self.missing.remove(0);
                }
                self.missing.push(Missing { extended: gap, since: now, asks: 0, next_ask: now });
            }
            self.highest = extended;
        } else {
            let Some(at) = self.missing.iter().position(|missing| missing.extended == extended) else {
                return Took::Known;
            };
            self.missing.remove(at);
        }
        self.received += 1;
        self.frames.push(extended, part);
        Took::New
    }

    /// The next whole frame.
    pub(super) fn poll(&mut self, now_us: u64) -> Option<Whole> {
        self.frames.poll(now_us)
    }

    /// Packets given up since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        self.frames.take_lost()
    }

    /// Something is missing that may still come.
    pub(super) fn is_broken(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Numbers to ask for now.
    pub(super) fn poll_nack(&mut self, now: Instant, rtt: Duration) -> Vec<u16> {
        self.missing.retain(|missing| now.saturating_duration_since(missing.since) < PATIENCE);
        let mut asked = Vec::new();
        for missing in &mut self.missing {
            if missing.asks < ASKS_MAX && now >= missing.next_ask {
                missing.asks += 1;
                missing.next_ask = now + rtt.max(ASK_AGAIN_MIN);
                asked.push(missing.extended as u16);
            }
        }
        asked
    }

    /// Counts the packet into the jitter; `time` is its RTP time.
    pub(super) fn observe(&mut self, time: u32, arrived_us: u64) {
        let arrival = (u128::from(arrived_us) * u128::from(self.clock_rate) / 1_000_000) as u32;
        let transit = i64::from(arrival.wrapping_sub(time) as i32);
        if let Some(before) = self.transit.replace(transit) {
            let deviation = (transit - before).abs().min(i64::from(self.clock_rate));
            self.jitter += deviation - ((self.jitter + 8) >> 4);
        }
    }

    pub(super) fn reported(&mut self, report: LastReport) {
        self.report = Some(report);
    }

    /// The block of the report that is due now; what was lost counts from the last one.
    pub(super) fn report(&mut self, now: Instant) -> Block {
        let expected = self.highest + 1 - self.first;
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let due = expected - expected_before;
        let lost = due.saturating_sub(self.received - received_before);
        Block {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(due).unwrap_or(0).min(255) as u8,
            lost: expected.saturating_sub(self.received) as u32,
            highest: rollover(self.highest) as u32,
            jitter: (self.jitter >> 4) as u32,
            last_report: self.report.map_or(0, |report| report.ntp),
            delay: self.report.map_or(0, |report| report.delay(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16) -> Header {
        Header {
            payload_type: 108,
            marker: false,
            sequence,
            time: 0,
            ssrc: 7,
            length: 12,
            transport_sequence: None,
            captured_us: None,
        }
    }

    fn part(marker: bool) -> Part {
        Part { arrived_us: 1_000, marker, starts: false, key: false, stamp: Some(5) }
    }

    fn push(track: &mut Track, now: Instant, sequence: u16, marker: bool) -> Took {
        let extended = track.extended(sequence);
        track.push(now, extended, part(marker))
    }

    #[test]
    fn a_gap_is_asked_for_until_it_is_closed() {
        let (start, rtt) = (Instant::now(), Duration::from_millis(30));
        let mut track = Track::begin(&header(65_534), 90_000);
        for (sequence, marker) in [(65_534, false), (1, true)] {
            assert_eq!(push(&mut track, start, sequence, marker), Took::New);
        }
        assert_eq!(track.poll(1_000), None, "65535 and 0 are missing");
        assert_eq!(track.poll_nack(start, rtt), [65_535, 0]);
        assert_eq!(track.poll_nack(start + rtt / 2, rtt), [0u16; 0]);
        assert_eq!(push(&mut track, start, 65_535, false), Took::New);
        assert_eq!(push(&mut track, start, 65_535, false), Took::Known);
        assert_eq!(track.poll_nack(start + rtt, rtt), [0]);
        assert_eq!(push(&mut track, start, 0, false), Took::New);
        assert!(track.poll(1_000).is_some() && !track.is_broken());
        assert_eq!(track.take_lost(), 0);
    }

    #[test]
    fn what_never_comes_is_lost_once_and_the_stream_goes_on() {
        let start = Instant::now();
        let mut track = Track::begin(&header(10), 90_000);
        push(&mut track, start, 10, true);
        assert!(track.poll(1_000).is_some());
        push(&mut track, start, 12, true);
        assert_eq!(track.poll(1_000), None);
        let late = start + PATIENCE;
        assert!(track.poll_nack(late, ASK_AGAIN_MIN).is_empty());
        assert!(!track.is_broken());
        assert_eq!(track.poll(3_000_000), None, "12 may have begun with 11");
        assert_eq!((track.take_lost(), track.take_lost()), (1, 0));
        push(&mut track, late, 13, true);
        assert_eq!(track.poll(3_000_000).map(|whole| whole.stamp), Some(Some(5)));
    }

    #[test]
    fn a_report_tells_the_loss_since_the_last_one() {
        let start = Instant::now();
        let mut track = Track::begin(&header(0), 90_000);
        for sequence in [0, 1, 2, 4] {
            push(&mut track, start, sequence, false);
        }
        track.reported(LastReport { ntp: 77, at: start });
        let block = track.report(start + Duration::from_millis(500));
        assert_eq!((block.fraction_lost, block.lost, block.highest), (51, 1, 4));
        assert_eq!((block.last_report, block.delay), (77, 32_768));
        push(&mut track, start, 5, false);
        let block = track.report(start);
        assert_eq!((block.fraction_lost, block.lost, block.highest), (0, 1, 5));
    }

    #[test]
    fn jitter_is_zero_where_packets_keep_their_distance() {
        let mut track = Track::begin(&header(0), 90_000);
        (0..50u32).for_each(|n| track.observe(n * 3_000, u64::from(n) * 100_000 / 3));
        assert!(track.report(Instant::now()).jitter <= 1);
        (0..50u32)
            .for_each(|n| track.observe(n * 3_000, u64::from(n) * 100_000 / 3 + u64::from(n % 2) * 10_000));
        assert!(track.report(Instant::now()).jitter > 500);
    }
}
