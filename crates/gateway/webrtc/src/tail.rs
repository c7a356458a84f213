//! What is new at the end of a ring, read once for all viewers that stand there.
//!
//! With a thousand viewers the ring's lock and the counts of what they share would cost as much as the sealing. A viewer
//! that stands elsewhere (it joins, catches up, was skipped ahead) reads the ring by itself.

use std::{cell::Cell, sync::Arc, time::Duration};
use unisono_base::MediaTime;
use unisono_hub::{Cursor, GroupHeader, Read, Ring};
use unisono_media::{Frame, Kind};

/// Frames of a ring in one turn; who wants more of them reads by itself.
const FRAMES_MAX: usize = 64;

/// The newest frames of one ring.
#[derive(Debug)]
pub(crate) struct Tail {
    ring: Arc<Ring>,
    from: Cursor,
    to: Cursor,
    frames: Vec<Fresh>,
    /// Somebody was served these frames.
    is_used: Cell<bool>,
}

/// A new frame.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) frame: Arc<Frame>,
    pub(crate) group: Arc<GroupHeader>,
    /// [`Cursor::last_read`] of it.
    pub(crate) number: u64,
}

impl Tail {
    /// Nothing new yet behind `cursor`.
    pub(crate) fn new(ring: Arc<Ring>, cursor: Cursor) -> Self {
        Self { ring, from: cursor, to: cursor, frames: Vec::new(), is_used: Cell::new(false) }
    }

    pub(crate) fn is_of(&self, ring: &Arc<Ring>) -> bool {
        Arc::ptr_eq(&self.ring, ring)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.ring.kind()
    }

    pub(crate) fn frames(&self) -> &[Fresh] {
        &self.frames
    }

    /// Where a viewer stands that has had all of [`Self::frames`].
    pub(crate) fn end(&self) -> Cursor {
        self.to
    }

    /// Reads what has come since. False when the ring is to be read otherwise: it has ended, or went on faster than this.
    pub(crate) fn read(&mut self) -> bool {
        self.clear();
        loop {
            match self.ring.read(&mut self.to) {
                Read::Frame { frame, group, .. } if self.frames.len() < FRAMES_MAX => {
                    let number = self.to.last_read().unwrap_or_default();
                    self.frames.push(Fresh { frame, group, number });
                }
                Read::Pending => return true,
                Read::Frame { .. } | Read::Skipped { .. } | Read::Ended(_) => return false,
            }
        }
    }

    /// Lets the frames go, which the ring may want to forget. False when there were some that nobody wanted.
    pub(crate) fn clear(&mut self) -> bool {
        let is_wanted = self.is_used.take() || self.frames.is_empty();
        self.frames.clear();
        self.from = self.to;
        is_wanted
    }

    /// Whether a viewer at `cursor` of `ring` gets just these frames, in time and without a look at the ring.
    pub(crate) fn serves(
        &self,
        ring: &Arc<Ring>,
        cursor: Cursor,
        clock: MediaTime,
        lag_max: Duration,
    ) -> bool {
        let is_late = |fresh: &Fresh| (clock - fresh.frame.arrived).as_micros() > lag_max.as_micros() as i64;
        let is_served = self.is_of(ring)
            && self.from == cursor
            && !self.ring.is_reordered()
            && !self.frames.first().is_some_and(is_late);
        if is_served {
            self.is_used.set(true);
        }
        is_served
    }
}
