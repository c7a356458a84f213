//! What a packager is fed: borders and events. The gateway converts the hub's words into these.

use bytes::Bytes;
use std::collections::VecDeque;
use unisono_base::{Epoch, MediaTime, Span};

/// Borders remembered. At one a second this is two minutes, far beyond any ring.
const BORDERS_MAX: usize = 128;

/// A segment border, decided at ingest: the segment holds the frames of every track with T at or after `t`, up to the
/// next border of the same epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Run of the timeline.
    pub epoch: Epoch,
    /// Media sequence number; consecutive.
    pub segment: u64,
    /// First T of the segment.
    pub t: MediaTime,
    /// False when it was made without a keyframe.
    pub independent: bool,
    /// Discontinuity sequence number.
    pub discontinuities: u32,
}

/// The borders as they stand at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Oldest first.
    pub list: VecDeque<Cut>,
    /// No border will be added at a T below this one.
    pub horizon: Option<MediaTime>,
    /// EXT-X-TARGETDURATION of the newest epoch; `None` while its first group is open.
    pub target: Option<Span>,
}

/// One room event on its way into an `emsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The T it is bound to.
    pub at: MediaTime,
    /// How long it stays; zero for a point in time.
    pub duration: Span,
    /// Unique among the room's recent events.
    pub id: u32,
    /// UTF-8 JSON.
    pub json: Bytes,
}

/// Whether a track's first frame is the first it ever had, or merely the oldest still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing came before: its first segment is whole.
    Origin,
    /// Something may have come before: packaging starts at the next border.
    Middle,
}

/// All borders seen so far, of several snapshots.
#[derive(Debug, Default)]
pub(crate) struct Borders {
    list: VecDeque<Cut>,
    /// Target durations by epoch, newest last; at most as many as there are epochs in `list`.
    targets: VecDeque<(Epoch, Span)>,
    pub(crate) horizon: Option<MediaTime>,
}

impl Borders {
    pub(crate) fn merge(&mut self, cuts: &Cuts) {
        for cut in &cuts.list {
            if self.list.back().is_none_or(|last| cut.segment > last.segment) {
                self.list.push_back(*cut);
            }
        }
        while self.list.len() > BORDERS_MAX {
            self.list.pop_front();
        }
        self.horizon = self.horizon.max(cuts.horizon);
        if let (Some(target), Some(last)) = (cuts.target, cuts.list.back())
            && self.targets.back() != Some(&(last.epoch, target))
        {
            self.targets.push_back((last.epoch, target));
            if self.targets.len() > BORDERS_MAX {
                self.targets.pop_front();
            }
        }
    }

    /// The border in force at `t` of `epoch`.
    pub(crate) fn at(&self, epoch: Epoch, t: MediaTime) -> Option<Cut> {
        self.list.iter().rev().find(|c| c.epoch == epoch && c.t <= t).copied()
    }

    pub(crate) fn segment(&self, segment: u64) -> Option<Cut> {
        self.list.iter().rev().find(|c| c.segment == segment).copied()
    }

    pub(crate) fn target(&self, epoch: Epoch) -> Option<Span> {
        self.targets.iter().rev().find(|(e, _)| *e == epoch).map(|(_, target)| *target)
    }

    /// The newest target duration known of any epoch.
    pub(crate) fn newest_target(&self) -> Option<Span> {
        self.targets.back().map(|(_, target)| *target)
    }
}
