//! Parts and segments as they are published, and the one that is still being filled.

use crate::{
    input::{Cut, Event},
    names::{FileName, Item},
};
use bytes::Bytes;
use std::sync::Arc;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Kind};
use unisono_mux::fmp4::{self, Chunking, Fragment, Message, Reference, Sample, id3_private};

/// `PART-TARGET`: no part is announced as longer.
pub const PART_TARGET: Span = Span::from_millis(500);
/// A part shorter than this must be the last of its segment or start with a keyframe (RFC 8216bis §4.4.4.9).
const PART_MIN_PERCENT: u64 = 85;
/// Owner of the PRIV frame in our `emsg`.
const PRIVATE_OWNER: &str = "unisono";
/// The media timeline counts from this long before the epoch, so that it is never negative
/// (docs/decisions/0002).
const TIMELINE_MARGIN_S: i64 = 86_400;

/// A part: one fragment.
#[derive(Debug)]
pub struct Part {
    /// `emsg* prft (moof mdat)+`.
    pub bytes: Bytes,
    /// As announced: never above [`PART_TARGET`].
    pub duration: Span,
    /// Decoding can start here.
    pub independent: bool,
}

/// A segment, whole or so far.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Where it begins, and its number.
    pub cut: Cut,
    /// T of its first frame, for PROGRAM-DATE-TIME; the border's T when it has none.
    pub t: MediaTime,
    /// Sum of what is in it.
    pub duration: Span,
    /// In order. None: the track was silent, the segment is a gap.
    pub parts: Vec<Arc<Part>>,
    /// `n` of the `init-{n}.mp4` that belongs to it.
    pub header: u32,
    /// Frames in it.
    pub frames: u32,
}

impl Segment {
    /// True when the track had nothing to say between the two borders.
    pub fn is_gap(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|p| p.bytes.len()).sum()
    }

    /// True when it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.is_gap()
    }

    pub(crate) fn header_name(&self, kind: Kind) -> FileName {
        FileName { epoch: self.cut.epoch, kind, item: Item::Header(self.header) }
    }

    pub(crate) fn name(&self, kind: Kind) -> FileName {
        FileName { epoch: self.cut.epoch, kind, item: Item::Segment(self.cut.segment) }
    }

    pub(crate) fn part_name(&self, kind: Kind, part: usize) -> FileName {
        FileName { epoch: self.cut.epoch, kind, item: Item::Part(self.cut.segment, part as u32) }
    }
}

/// A track's clock within one epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) rate: u32,
    origin: i64,
}

impl Clock {
    pub(crate) fn new(epoch: Epoch, rate: u32) -> Self {
        Self { rate, origin: (i64::from(epoch.0) - TIMELINE_MARGIN_S) * i64::from(rate) }
    }

    /// Ticks on the media timeline.
    pub(crate) fn ticks(&self, t: MediaTime) -> i64 {
        t.to_ticks(self.rate) - self.origin
    }

    pub(crate) fn span_to_ticks(&self, span: Span) -> i64 {
        (i128::from(span.as_micros()) * i128::from(self.rate) / 1_000_000) as i64
    }

    /// Rounded down to the microsecond.
    pub(crate) fn ticks_to_span(&self, ticks: i64) -> Span {
        Span::from_micros((i128::from(ticks) * 1_000_000 / i128::from(self.rate)) as i64)
    }
}

/// One frame with its place on the track's clock.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) t: MediaTime,
    pub(crate) arrived: MediaTime,
    /// Decode time in ticks.
    pub(crate) decode: i64,
    pub(crate) sample: Sample,
}

/// The segment being filled.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) segment: Segment,
    pub(crate) clock: Clock,
    chunking: Chunking,
    /// Decode time of the first sample; what the segment's duration counts from.
    start: Option<i64>,
    /// Decode time behind the last sample.
    pub(crate) next: i64,
    part: Vec<Timed>,
}

impl Open {
    /// A segment whose first frame, of a track with this configuration, is at `t`.
    pub(crate) fn new(cut: Cut, config: &CodecConfig, t: MediaTime) -> Self {
        let header = cut.discontinuities;
        let segment = Segment { cut, t, duration: Span::ZERO, parts: Vec::new(), header, frames: 0 };
        let clock = Clock::new(cut.epoch, fmp4::timescale(config));
        Self { segment, clock, chunking: Chunking::of(config), start: None, next: 0, part: Vec::new() }
    }

    /// Decode time of the segment's first sample.
    pub(crate) fn start(&self) -> Option<i64> {
        self.start
    }

    /// Would a sample from `decode` to `end` make the open part longer than a part may be?
    pub(crate) fn overfills(&self, end: i64) -> bool {
        self.part.first().is_some_and(|first| end - first.decode > self.limit())
    }

    /// The open part is long enough to end before a keyframe, so that the next one is independent.
    pub(crate) fn may_end_at(&self, decode: i64) -> bool {
        self.part.first().is_some_and(|first| {
            (decode - first.decode) as u64 * 100 >= self.limit() as u64 * PART_MIN_PERCENT
        })
    }

    /// Lets the last sample last until `decode`, over a hole.
    pub(crate) fn stretch_to(&mut self, decode: i64) {
        if let Some(last) = self.part.last_mut() {
            self.next = decode.max(last.decode + 1);
            last.sample.duration = (self.next - last.decode) as u32;
        }
    }

    /// Sound: whether the next segment, which begins at `at`, goes on from here. What is left over or lacking then is what slew
    /// made: less than a sample before the last one, and what that one adds. More is a hole in the source, and stays one.
    pub(crate) fn goes_on_at(&self, at: i64) -> bool {
        self.part.last().is_some_and(|last| at - self.next <= 2 * i64::from(last.sample.duration))
    }

    /// Sound: the last sample lasts until `at`, where the next segment begins.
    pub(crate) fn join(&mut self, at: i64) {
        let Some(last) = self.part.last() else { return };
        if at - last.decode < i64::from(last.sample.duration) / 2 && self.part.len() > 1 {
            // Most of its place is the next segment's.
            self.part.pop();
            self.segment.frames -= 1;
        }
        self.stretch_to(at);
    }

    /// Takes the last sample out of the open part, to begin the next one with it. `None` where it is the only one.
    pub(crate) fn split_last(&mut self) -> Option<Timed> {
        if self.part.len() < 2 {
            return None;
        }
        let last = self.part.pop()?;
        self.segment.frames -= 1;
        self.next = last.decode;
        Some(last)
    }

    pub(crate) fn push(&mut self, timed: Timed) {
        self.start.get_or_insert(timed.decode);
        self.next = timed.decode + i64::from(timed.sample.duration);
        self.segment.frames += 1;
        self.part.push(timed);
    }

    /// Ends the open part: encodes it with the events that `take_events` gives for it. Returns when its frames had
    /// arrived, or `None` when it has no frame.
    pub(crate) fn end_part(
        &mut self,
        take_events: impl FnOnce(MediaTime) -> Vec<Event>,
    ) -> Result<Option<Vec<MediaTime>>, fmp4::Error> {
        let timed = std::mem::take(&mut self.part);
        let Some(first) = timed.first() else { return Ok(None) };
        let newest = timed.iter().map(|f| f.t).max().unwrap_or(first.t);
        let messages: Vec<_> = take_events(newest).iter().map(|event| self.message(event)).collect();
        let presentation = first.decode + i64::from(first.sample.composition_offset);
        let reference = Reference { ntp: first.t.to_ntp(), media_time: presentation.max(0) as u64 };
        let decode_time = first.decode.max(0) as u64;
        let independent = first.sample.is_sync;
        let length = self.next - first.decode;
        let (arrived, samples): (Vec<_>, Vec<_>) = timed.into_iter().map(|f| (f.arrived, f.sample)).unzip();
        // Rising over three weeks of segments, then it wraps: up to 32 parts, and up to 128 chunks in each.
        let sequence = (self.segment.cut.segment as u32) << 12 | (self.segment.parts.len() as u32 & 31) << 7;
        let (messages, samples, chunking) = (&messages[..], &samples[..], self.chunking);
        let bytes = Fragment { sequence, decode_time, reference, messages, samples, chunking }.encode()?;
        let duration = self.clock.ticks_to_span(length).min(PART_TARGET);
        self.segment.parts.push(Arc::new(Part { bytes, duration, independent }));
        let whole = self.next - self.start.unwrap_or(self.next);
        self.segment.duration = self.clock.ticks_to_span(whole);
        Ok(Some(arrived))
    }

    fn message(&self, event: &Event) -> Message {
        Message {
            timescale: self.clock.rate,
            at: self.clock.ticks(event.at).max(0) as u64,
            duration: u32::try_from(self.clock.span_to_ticks(event.duration)).unwrap_or(u32::MAX),
            id: event.id,
            data: id3_private(PRIVATE_OWNER, &event.json),
        }
    }

    fn limit(&self) -> i64 {
        self.clock.span_to_ticks(PART_TARGET)
    }
}
