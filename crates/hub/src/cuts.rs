//! Where segments begin. Decided once, at ingest (decisions 3), so that packaging can start late, on any node, and
//! still produce equal bytes.

use std::collections::VecDeque;
use unisono_base::{Epoch, MediaTime, Span};

/// A segment is cut at the first keyframe at least this long after the last cut. Two seconds, less the room that
/// the slew of T in the first ten seconds (5 %) and a jittery source need, so that a 2 s GOP always cuts.
const SEGMENT_MIN: Span = Span::from_millis(1_750);
/// Target duration of an epoch whose first GOP is short enough, and where a longer GOP is cut.
const TARGET: Span = Span::from_secs(4);
/// Target duration of an epoch whose first GOP exceeds [`TARGET`] (OBS "auto" is 8 s).
const TARGET_LONG_GOP: Span = Span::from_secs(10);
/// Cuts remembered; older ones are of no use to any ring.
const CUTS_MAX: usize = 64;
/// A lead track silent for this long no longer holds the other one back.
const LEAD_SILENCE_MAX: Span = Span::from_secs(2);

/// A segment border: segment `segment` holds the frames of every track with T at or after `t`, up to the next cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Run of the timeline; the first cut of an epoch is a discontinuity.
    pub epoch: Epoch,
    /// Segment number; consecutive while the stream lives, never reused after a restart.
    pub segment: u64,
    /// First T of the segment.
    pub t: MediaTime,
    /// False when it had to be made without a keyframe, because the GOP is longer than the target.
    pub independent: bool,
    /// Breaks (new epoch, new configuration of the lead track) between the stream's first segment and this one,
    /// the one at its own start included. Grows by at most one from cut to cut.
    pub discontinuities: u32,
}

/// The segment borders of a stream as they stand, and how far they are final.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Oldest first.
    pub list: VecDeque<Cut>,
    /// No cut will be added at a T below this one.
    pub horizon: Option<MediaTime>,
    /// EXT-X-TARGETDURATION of the current epoch; `None` until the first GOP tells (at most 4 s).
    pub target: Option<Span>,
}

/// Which track decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Video, or audio where there is no video.
    Lead,
    /// Audio beside video.
    Follower,
}

/// Of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) t: MediaTime,
    pub(crate) arrived: MediaTime,
}

/// Makes the cuts of one stream, over all its epochs.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    cuts: Cuts,
    epoch: Option<Epoch>,
    /// When the lead's newest frame arrived. Not its T: a follower may lie seconds ahead of it.
    lead_arrived: Option<MediaTime>,
}

impl Cutter {
    pub(crate) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// A new run of the timeline: the next lead frame cuts, and the target is open again.
    pub(crate) fn begin(&mut self, epoch: Epoch) {
        self.epoch = Some(epoch);
        self.lead_arrived = None;
        self.cuts.target = None;
    }

    /// Takes a frame in decode order and returns the segment in force at it.
    /// `reconfigured`: the lead's decoder configuration changes with it, so that it must start a segment.
    pub(crate) fn frame(&mut self, role: Role, at: At, key: bool, reconfigured: bool) -> u64 {
        let At { t, arrived } = at;
        match role {
            Role::Lead => {
                self.lead_arrived = Some(arrived);
                self.lead(t, key, reconfigured);
            }
            Role::Follower => self.follower(t, arrived),
        }
        self.cuts.list.iter().rev().find(|c| c.t <= t).or(self.cuts.list.front()).map_or(0, |c| c.segment)
    }

    fn lead(&mut self, t: MediaTime, key: bool, reconfigured: bool) {
        let Some(current) = self.current() else {
            self.cut(t, key, false);
            return self.move_horizon(t);
        };
        let since = t - current.t;
        if reconfigured {
            self.cut(t, key, true);
        } else if key && since >= SEGMENT_MIN {
            self.cuts.target.get_or_insert(if since > TARGET { TARGET_LONG_GOP } else { TARGET });
            self.cut(t, true, false);
        } else {
            // The first GOP tells the target: past 4 s without a key it can only be the long one.
            let is_first = self.cuts.target.is_none();
            if is_first && since > TARGET {
                self.cuts.target = Some(TARGET_LONG_GOP);
            }
            if since >= self.cuts.target.unwrap_or(TARGET_LONG_GOP) {
                self.cut(t, key, false);
            }
        }
        self.move_horizon(t);
    }

    /// A follower cuts only when the lead has fallen silent, so that sound goes on without a picture.
    fn follower(&mut self, t: MediaTime, arrived: MediaTime) {
        let Some(current) = self.current() else { return };
        let silent = self.lead_arrived.is_none_or(|lead| arrived - lead > LEAD_SILENCE_MAX);
        if !silent {
            return;
        }
        if t - current.t >= self.cuts.target.unwrap_or(TARGET_LONG_GOP) - LEAD_SILENCE_MAX {
            self.cuts.target.get_or_insert(TARGET);
            self.cut(t, false, false);
        }
        self.move_horizon(t - LEAD_SILENCE_MAX);
    }

    /// The newest cut, if it belongs to the running epoch.
    fn current(&self) -> Option<Cut> {
        self.cuts.list.back().copied().filter(|c| Some(c.epoch) == self.epoch)
    }

    fn cut(&mut self, t: MediaTime, independent: bool, reconfigured: bool) {
        let epoch = self.epoch.unwrap_or_default();
        // Consecutive within a playlist; a fresh stream starts at its epoch (Unix seconds), which is ahead of
        // every number an earlier process gave out, since a segment lasts more than a second.
        let last = self.cuts.list.back().copied();
        let segment = last.map_or(u64::from(epoch.0), |last| last.segment + 1);
        let discontinuities =
            last.map_or(0, |last| last.discontinuities + u32::from(reconfigured || last.epoch != epoch));
        self.push(Cut { epoch, segment, t, independent, discontinuities });
    }

    /// Borders and target decided at another node. One whose number is known already is passed over.
    pub(crate) fn take_over(&mut self, cuts: impl IntoIterator<Item = Cut>, target: Option<Span>) {
        for cut in cuts {
            if self.cuts.list.back().is_none_or(|last| cut.segment > last.segment) {
                self.epoch = Some(cut.epoch);
                self.push(cut);
            }
        }
        self.cuts.target = target;
    }

    fn push(&mut self, cut: Cut) {
        if self.cuts.list.len() == CUTS_MAX {
            self.cuts.list.pop_front();
        }
        self.cuts.list.push_back(cut);
    }

    pub(crate) fn move_horizon(&mut self, t: MediaTime) {
        self.cuts.horizon = self.cuts.horizon.max(Some(t));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(t: i64) -> MediaTime {
        MediaTime::from_micros(t * 1_000)
    }

    /// Of a frame that arrived at its T.
    fn at(t: i64) -> At {
        At { t: ms(t), arrived: ms(t) }
    }

    fn cuts_of(gop_ms: i64, until_ms: i64) -> Cuts {
        let mut cutter = Cutter::default();
        cutter.begin(Epoch(1_000));
        for t in (0..until_ms).step_by(40) {
            cutter.frame(Role::Lead, at(t), t % gop_ms == 0, false);
        }
        cutter.cuts.clone()
    }

    #[test]
    fn one_second_groups_make_two_second_segments() {
        let cuts = cuts_of(1_000, 7_000);
        let starts: Vec<_> = cuts.list.iter().map(|c| (c.segment, c.t)).collect();
        assert_eq!(starts, [(1_000, ms(0)), (1_001, ms(2_000)), (1_002, ms(4_000)), (1_003, ms(6_000))]);
        assert_eq!(cuts.target, Some(TARGET));
    }

    #[test]
    fn the_obs_auto_gop_gets_the_long_target_and_keeps_its_keyframes() {
        let cuts = cuts_of(8_320, 20_000);
        assert_eq!(cuts.target, Some(TARGET_LONG_GOP));
        assert!(cuts.list.iter().all(|c| c.independent));
        assert_eq!(cuts.list[1].t, ms(8_320));
    }

    #[test]
    fn an_endless_gop_is_cut_without_a_keyframe() {
        let cuts = cuts_of(1_000_000, 25_000);
        let list: Vec<_> = cuts.list.iter().map(|c| (c.t, c.independent)).collect();
        assert_eq!(list, [(ms(0), true), (ms(10_000), false), (ms(20_000), false)]);
    }

    #[test]
    fn a_new_epoch_continues_the_numbers() {
        let mut cutter = Cutter::default();
        cutter.begin(Epoch(1_000));
        cutter.frame(Role::Lead, at(0), true, false);
        cutter.begin(Epoch(1_005));
        assert_eq!(cutter.frame(Role::Lead, at(500), true, false), 1_001);
    }

    #[test]
    fn a_new_configuration_cuts_at_once_and_counts_as_a_break() {
        let mut cutter = Cutter::default();
        cutter.begin(Epoch(1_000));
        cutter.frame(Role::Lead, at(0), true, false);
        cutter.frame(Role::Lead, at(500), true, true);
        cutter.begin(Epoch(1_001));
        cutter.frame(Role::Lead, at(600), true, true);
        let breaks: Vec<_> = cutter.cuts.list.iter().map(|c| (c.t, c.discontinuities)).collect();
        assert_eq!(breaks, [(ms(0), 0), (ms(500), 1), (ms(600), 2)]);
    }

    #[test]
    fn sound_goes_on_when_the_picture_stops() {
        let mut cutter = Cutter::default();
        cutter.begin(Epoch(1_000));
        cutter.frame(Role::Lead, at(0), true, false);
        for t in (0..30_000).step_by(20) {
            cutter.frame(Role::Follower, at(t), true, false);
        }
        assert!(cutter.cuts.list.len() > 3);
        assert!(cutter.cuts.horizon > Some(ms(27_000)));
    }

    #[test]
    fn sound_that_lies_ahead_of_the_picture_does_not_cut_in_its_place() {
        let mut cutter = Cutter::default();
        cutter.begin(Epoch(1_000));
        for now in (0..30_000).step_by(20) {
            let ahead = At { t: ms(now + 3_000), arrived: ms(now) };
            cutter.frame(Role::Follower, ahead, true, false);
            if now % 40 == 0 {
                cutter.frame(Role::Lead, at(now), now % 2_000 == 0, false);
            }
        }
        assert!(cutter.cuts.list.len() > 12 && cutter.cuts.list.iter().all(|cut| cut.independent));
    }
}
