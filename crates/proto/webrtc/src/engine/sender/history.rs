//! Which packets belonged to which frame, and which of them were resent a moment ago.

use crate::engine::Prefetch;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use unisono_base::{MediaTime, Span};

/// Frames remembered: four seconds at 30 a second. A NACK for an older one is answered by the next keyframe.
pub(super) const FRAMES_MAX: usize = 128;
/// Resent packets remembered.
const RESENT_MAX: usize = 32;
/// A packet is not resent again for this long while no round trip is known, and never for longer.
const RESEND_GAP: Duration = Duration::from_millis(30);
const RESEND_GAP_MAX: Duration = Duration::from_millis(250);

/// A frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentFrame {
    /// In the stream's list of recent frames.
    pub(super) number: u64,
    pub(super) t: MediaTime,
    /// Extended sequence number of its first packet.
    pub(super) first_sequence: u64,
    /// RTP time.
    pub(super) timestamp: u32,
    /// Packets.
    pub(super) count: u16,
}

/// See the module. What it holds is allocated with its first frame and never grows.
#[derive(Debug)]
pub(super) struct History {
    frames: VecDeque<SentFrame>,
    frames_max: usize,
    /// A ring; the next one goes to `next`.
    resent: Vec<(u16, Instant)>,
    next: usize,
}

impl History {
    /// Zero: remembers nothing.
    pub(super) fn new(frames_max: usize) -> Self {
        Self { frames: VecDeque::new(), frames_max, resent: Vec::new(), next: 0 }
    }

    pub(super) fn push(&mut self, frame: SentFrame) {
        if self.frames_max == 0 || frame.count == 0 {
            return;
        }
        if self.frames.capacity() == 0 {
            self.frames.reserve_exact(self.frames_max);
        }
        if self.frames.len() == self.frames_max {
            self.frames.pop_front();
        }
        self.frames.push_back(frame);
    }

    /// Asks for the place of the next frame: that of the oldest one, or behind the newest.
    pub(super) fn prefetch(&self, memory: &impl Prefetch) {
        let is_full = self.frames.len() == self.frames_max;
        if let Some(frame) = if is_full { self.frames.front() } else { self.frames.back() } {
            memory.prefetch(frame);
        }
    }

    /// The frame that was sent last.
    pub(super) fn newest(&self) -> Option<SentFrame> {
        self.frames.back().copied()
    }

    /// The frame that packet `sequence` belonged to.
    pub(super) fn find(&self, sequence: u64) -> Option<SentFrame> {
        let after = self.frames.partition_point(|frame| frame.first_sequence <= sequence);
        let frame = *self.frames.get(after.checked_sub(1)?)?;
        (sequence < frame.first_sequence + u64::from(frame.count)).then_some(frame)
    }

    /// T of the newest frame whose last packet is `sequence` or before.
    pub(super) fn newest_within(&self, sequence: u64) -> Option<MediaTime> {
        let within = |frame: &SentFrame| frame.first_sequence + u64::from(frame.count) <= sequence + 1;
        let after = self.frames.partition_point(within);
        self.frames.get(after.checked_sub(1)?).map(|frame| frame.t)
    }

    /// False while the answer to an earlier NACK for it may still be on its way: three quarters of a round trip, since
    /// browsers ask once per round trip.
    pub(super) fn may_resend(&self, now: Instant, sequence: u16, rtt: Option<Span>) -> bool {
        let gap = rtt.map_or(RESEND_GAP, |rtt| Duration::from_micros(rtt.as_micros().max(0) as u64) * 3 / 4);
        let gap = gap.min(RESEND_GAP_MAX);
        let is_recent =
            |(of, at): &(u16, Instant)| *of == sequence && now.saturating_duration_since(*at) < gap;
        !self.resent.iter().any(is_recent)
    }

    pub(super) fn resent(&mut self, now: Instant, sequence: u16) {
        if self.resent.len() < RESENT_MAX {
            self.resent.reserve_exact(RESENT_MAX - self.resent.len());
            self.resent.push((sequence, now));
        } else {
            self.resent[self.next] = (sequence, now);
            self.next = (self.next + 1) % RESENT_MAX;
        }
    }
}
