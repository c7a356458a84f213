//! One rendition's ring: groups of frames, bounded in time and bytes, one writer, many readers.

mod health;
#[cfg(test)]
mod tests;

pub use health::TrackHealth;

use bytes::Bytes;
use parking_lot::RwLock;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame, Kind};

/// What all frames of a group share. A group starts at a keyframe (video) or at a whole second (audio, data),
/// and wherever the epoch or the codec configuration changes.
#[derive(Debug)]
pub struct GroupHeader {
    /// Run of the timeline the group belongs to.
    pub epoch: Epoch,
    /// Video: counts up by one. Audio and data: `floor(T / 1 s)`. Never goes back.
    pub group: u64,
    /// Segment number at the group's first frame (decisions 3); see [`crate::Cuts`] for the exact borders.
    pub segment: u64,
    /// What the decoder needs for these frames.
    pub config: Arc<CodecConfig>,
}

/// Frames kept, however small they are: each costs a few hundred bytes besides its payload.
const FRAMES_MAX: usize = 65_536;

/// Bounds of a ring. Whichever is reached first drops the oldest frames, whole groups where possible.
#[derive(Clone, Copy, Debug)]
pub struct RingLimits {
    /// Media time kept behind the newest frame; the current group is kept beyond it.
    pub span: Span,
    /// Payload bytes kept, the current group included. A group that alone exceeds it loses its start: joiners
    /// wait for the next keyframe.
    pub bytes_max: usize,
}

/// A reader's place in one ring. Owned by the reader; a ring knows nothing of its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
}

impl Cursor {
    /// True at the very first frame the ring ever had: nothing came before it.
    pub fn is_origin(self) -> bool {
        self.next == 0
    }

    /// Number in its ring of the frame that it will give next, if nothing is skipped.
    pub fn next(self) -> u64 {
        self.next
    }

    /// Number in its ring of the frame that [`Ring::read`] gave last with this cursor; see [`Ring::frame`]. `None` at the origin.
    pub fn last_read(self) -> Option<u64> {
        self.next.checked_sub(1)
    }
}

/// What a reader finds at its cursor.
#[derive(Debug)]
pub enum Read {
    /// The next frame; the cursor moved past it.
    Frame {
        /// The frame, shared.
        frame: Arc<Frame>,
        /// The group it belongs to.
        group: Arc<GroupHeader>,
        /// Its place within the group, from 0.
        index: u32,
    },
    /// The cursor was moved forward over frames the reader will not get; read again.
    Skipped {
        /// How many frames.
        frames: u64,
        /// Why.
        reason: SkipReason,
    },
    /// Nothing new; wait for the doorbell.
    Pending,
    /// Nothing more will come from this ring.
    Ended(EndReason),
}

/// Why a reader lost frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// It was slower than the ring is long.
    TooSlow,
    /// The current group outgrew the byte limit; it continues at the next keyframe.
    GroupTooBig,
}

impl SkipReason {
    /// Label for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooSlow => "too_slow",
            Self::GroupTooBig => "group_too_big",
        }
    }
}

/// Why a ring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The stream is gone for good.
    StreamEnded,
    /// The publisher came back with another codec, or without this track; look at the stream's tracks again.
    CodecChanged,
}

/// See the module.
#[derive(Debug)]
pub struct Ring {
    kind: Kind,
    limits: RingLimits,
    reordered: AtomicBool,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Arc<Frame>>,
    /// Absolute index of `frames[0]`.
    first: u64,
    groups: VecDeque<Group>,
    bytes: usize,
    /// Absolute index of the first frame that a [`ReleaseGate`] holds back; readers see nothing from there on.
    hidden_from: Option<u64>,
    ended: Option<EndReason>,
    /// Absolute indices of frames whose payload is not what it was; some may be gone already.
    rewritten: BTreeSet<u64>,
    rewrites: u64,
}

#[derive(Debug)]
struct Group {
    header: Arc<GroupHeader>,
    /// Absolute index of its first frame, which may already be gone.
    start: u64,
}

impl Ring {
    /// An empty ring.
    pub fn new(kind: Kind, limits: RingLimits) -> Self {
        Self { kind, limits, reordered: AtomicBool::new(false), inner: RwLock::default() }
    }

    /// What it carries.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// True once the newest epoch had a frame whose T lies before that of its predecessor in decode order: B-frames.
    pub fn is_reordered(&self) -> bool {
        self.reordered.load(Ordering::Relaxed)
    }

    /// A cursor behind the newest frame: live from now.
    pub fn tail(&self) -> Cursor {
        Cursor { next: self.inner.read().shown_end() }
    }

    /// A cursor at the first frame of the newest group and that frame's T; `None` when there is no complete one.
    pub fn newest_group(&self) -> Option<(Cursor, MediaTime)> {
        let inner = self.inner.read();
        let group = inner.newest_shown().filter(|g| g.start >= inner.first)?;
        let frame = inner.frames.get((group.start - inner.first) as usize)?;
        Some((Cursor { next: group.start }, frame.t))
    }

    /// A cursor at the oldest group that is still whole.
    pub fn oldest_group(&self) -> Option<Cursor> {
        let inner = self.inner.read();
        let mut groups = inner.groups.iter().take_while(|g| g.start < inner.shown_end());
        groups.find(|g| g.start >= inner.first).map(|g| Cursor { next: g.start })
    }

    /// Configuration of the newest group; `None` before the first frame.
    pub fn config(&self) -> Option<Arc<CodecConfig>> {
        self.inner.read().newest_shown().map(|g| g.header.config.clone())
    }

    /// Payload bytes of the newest group so far.
    pub fn newest_group_bytes(&self) -> usize {
        let inner = self.inner.read();
        let Some(group) = inner.newest_shown() else { return 0 };
        let start = group.start.max(inner.first);
        let count = inner.shown_end().saturating_sub(start) as usize;
        inner.frames.iter().skip((start - inner.first) as usize).take(count).map(|f| f.payload.len()).sum()
    }

    /// T of the newest frame.
    pub fn newest(&self) -> Option<MediaTime> {
        self.inner.read().newest_frame().map(|f| f.t)
    }

    /// How far `cursor` lies behind the newest frame, in media time; zero at the tail.
    pub fn lag(&self, cursor: Cursor) -> Span {
        let inner = self.inner.read();
        let Some(newest) = inner.newest_frame().filter(|_| cursor.next < inner.shown_end()) else {
            return Span::ZERO;
        };
        match inner.frames.get(cursor.next.saturating_sub(inner.first) as usize) {
            Some(next) => newest.dts - next.dts,
            None => Span::ZERO,
        }
    }

    /// Reads at the cursor and moves it.
    pub fn read(&self, cursor: &mut Cursor) -> Read {
        let inner = self.inner.read();
        if cursor.next < inner.first {
            let whole = inner.newest_shown().filter(|g| g.start >= inner.first);
            let (to, reason) = match whole {
                Some(group) => (group.start, SkipReason::TooSlow),
                None => (inner.shown_end(), SkipReason::GroupTooBig),
            };
            let frames = to - cursor.next;
            cursor.next = to;
            return Read::Skipped { frames, reason };
        }
        let shown = (cursor.next < inner.shown_end()).then_some((cursor.next - inner.first) as usize);
        let Some(frame) = shown.and_then(|index| inner.frames.get(index)) else {
            return inner.ended.map_or(Read::Pending, Read::Ended);
        };
        let group = inner.group_of(cursor.next);
        let read = Read::Frame {
            frame: frame.clone(),
            group: group.header.clone(),
            index: (cursor.next - group.start) as u32,
        };
        cursor.next += 1;
        read
    }

    /// The frame of a number from [`Cursor::last_read`], as long as the ring keeps it: what a viewer lost is sent again from here.
    pub fn frame(&self, number: u64) -> Option<(Arc<Frame>, Arc<GroupHeader>)> {
        let inner = self.inner.read();
        if number < inner.first || number >= inner.shown_end() {
            return None;
        }
        let frame = inner.frames.get((number - inner.first) as usize)?;
        Some((frame.clone(), inner.group_of(number).header.clone()))
    }

    /// Moves the cursor to the start of the newest whole group if that lies ahead of it; returns the frames left
    /// out, or `None` (and the cursor stays) when there is no such group.
    pub fn skip_to_newest_group(&self, cursor: &mut Cursor) -> Option<u64> {
        let (to, _) = self.newest_group()?;
        (to.next > cursor.next).then(|| {
            let frames = to.next - cursor.next;
            *cursor = to;
            frames
        })
    }

    /// Appends a frame, opening a group when it is the first of `header`. Called by the one writer. `is_held`: it and
    /// what follows stay hidden until [`Self::release`].
    pub(crate) fn append(&self, frame: Frame, new_group: Option<GroupHeader>, is_held: bool) {
        let mut inner = self.inner.write();
        if is_held && inner.hidden_from.is_none() {
            inner.hidden_from = Some(inner.end());
        }
        if let Some(header) = new_group {
            // Another publisher, or another setting of its encoder, may have none.
            if inner.groups.back().is_none_or(|group| group.header.epoch != header.epoch) {
                self.reordered.store(false, Ordering::Relaxed);
            }
            let start = inner.end();
            inner.groups.push_back(Group { header: Arc::new(header), start });
        } else if inner.frames.back().is_some_and(|previous| frame.t < previous.t) && self.kind == Kind::Video
        {
            self.reordered.store(true, Ordering::Relaxed);
        }
        inner.bytes += frame.payload.len();
        inner.frames.push_back(Arc::new(frame));
        inner.trim(self.limits);
    }

    /// Shows hidden frames up to the first that is still held. True if there were any.
    pub(crate) fn release(&self, is_held: impl Fn(MediaTime) -> bool) -> bool {
        if self.inner.read().hidden_from.is_none() {
            return false;
        }
        let mut inner = self.inner.write();
        let Some(from) = inner.hidden_from else { return false };
        let hidden = inner.frames.iter().skip(from.saturating_sub(inner.first) as usize);
        let free = hidden.take_while(|frame| !is_held(frame.t)).count() as u64;
        let first_held = from.max(inner.first) + free;
        inner.hidden_from = (first_held < inner.end()).then_some(first_held);
        free > 0
    }

    /// Puts other payloads in the place of those for which `change` gives one. Who has read a frame before keeps what it read.
    pub(crate) fn rewrite(&self, change: impl Fn(&Bytes) -> Option<Bytes>) {
        let mut inner = self.inner.write();
        let inner = &mut *inner;
        for (number, frame) in (inner.first..).zip(&mut inner.frames) {
            let Some(payload) = change(&frame.payload) else { continue };
            if payload == frame.payload {
                continue;
            }
            inner.bytes = inner.bytes - frame.payload.len() + payload.len();
            *frame = Arc::new(frame.with_payload(payload));
            inner.rewritten.insert(number);
            inner.rewrites += 1;
        }
        inner.rewritten = inner.rewritten.split_off(&inner.first);
    }

    /// The frames here whose payload is not what it was, with the number behind each, where there are more changes than the
    /// `seen` ones; and how many there have been.
    pub fn rewritten(&self, seen: u64) -> (u64, Vec<(u64, Arc<Frame>)>) {
        let inner = self.inner.read();
        if inner.rewrites == seen {
            return (seen, Vec::new());
        }
        let frame = |number: u64| {
            let place = usize::try_from(number.checked_sub(inner.first)?).ok()?;
            Some((number + 1, inner.frames.get(place)?.clone()))
        };
        (inner.rewrites, inner.rewritten.iter().filter_map(|number| frame(*number)).collect())
    }

    /// Frames are missing between what is here and what comes next: takes out what is here, and leaves out a number, so
    /// that every reader, also one at the tail, is told.
    pub(crate) fn begin_behind_a_gap(&self) {
        let mut inner = self.inner.write();
        inner.first = inner.end() + 1;
        inner.frames.clear();
        inner.groups.clear();
        (inner.bytes, inner.hidden_from) = (0, None);
    }

    /// A cursor at the frame of this number, as long as the ring keeps it or it is the next one.
    pub fn at(&self, number: u64) -> Option<Cursor> {
        let inner = self.inner.read();
        (number >= inner.first && number <= inner.shown_end()).then_some(Cursor { next: number })
    }

    /// A cursor behind the frame of this epoch, group and index, as long as the ring keeps it.
    pub fn behind(&self, epoch: Epoch, group: u64, index: u32) -> Option<Cursor> {
        let inner = self.inner.read();
        let found = inner.groups.iter().find(|g| g.header.epoch == epoch && g.header.group == group)?;
        let next = found.start + u64::from(index) + 1;
        (next > inner.first && next <= inner.shown_end()).then_some(Cursor { next })
    }

    /// Nothing more will come. What is hidden still is never shown.
    pub(crate) fn end(&self, reason: EndReason) {
        let mut inner = self.inner.write();
        if let Some(from) = inner.hidden_from.take() {
            let keep = from.saturating_sub(inner.first) as usize;
            inner.frames.truncate(keep);
            inner.groups.retain(|group| group.start < from);
            inner.bytes = inner.frames.iter().map(|frame| frame.payload.len()).sum();
        }
        inner.ended.get_or_insert(reason);
    }
}

impl Inner {
    /// Absolute index behind the newest frame.
    fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Absolute index behind the newest frame that readers may see.
    fn shown_end(&self) -> u64 {
        self.hidden_from.unwrap_or_else(|| self.end()).max(self.first)
    }

    /// The newest group of which a frame may be seen.
    fn newest_shown(&self) -> Option<&Group> {
        let end = self.shown_end();
        self.groups.iter().rev().find(|group| group.start < end)
    }

    fn newest_frame(&self) -> Option<&Arc<Frame>> {
        self.frames.get((self.shown_end() - self.first).checked_sub(1)? as usize)
    }

    fn group_of(&self, index: u64) -> &Group {
        let after = self.groups.partition_point(|g| g.start <= index);
        &self.groups[after - 1]
    }

    fn trim(&mut self, limits: RingLimits) {
        while self.is_over(limits) {
            let Some(gone) = self.frames.pop_front() else { return };
            self.bytes -= gone.payload.len();
            self.first += 1;
            while self.groups.get(1).is_some_and(|next| next.start <= self.first) {
                self.groups.pop_front();
            }
        }
    }

    fn is_over(&self, limits: RingLimits) -> bool {
        if self.frames.len() <= 1 {
            return false;
        }
        let oldest_group_is_current = self.groups.len() == 1;
        let (Some(first), Some(last)) = (self.frames.front(), self.frames.back()) else { return false };
        let is_full = self.bytes > limits.bytes_max || self.frames.len() > FRAMES_MAX;
        is_full || (!oldest_group_is_current && last.dts - first.dts > limits.span)
    }
}
