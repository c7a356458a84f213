//! The groups of one track, which arrive side by side and in any order, as one run of frames again.
//!
//! A group is waited for as long as nothing newer has come. Once something has, it gets some patience more; then what is
//! missing is given up, so that delay stays bounded where the link is too thin for everything.

use crate::group::{GroupHead, RelayedFrame};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_media::Kind;

/// Payload bytes that wait here; beyond it what is missing is given up at once.
const BYTES_MAX: usize = 64 << 20;
/// Groups that wait here; likewise.
const GROUPS_MAX: usize = 256;

/// Where to go on when something is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// At the newest group of which something has come: a picture must catch up.
    CatchUp,
    /// At the next group of which something has come: sound leaves out as little as it can.
    GoOn,
}

impl From<Kind> for Missing {
    fn from(kind: Kind) -> Self {
        if kind == Kind::Video { Self::CatchUp } else { Self::GoOn }
    }
}

/// What comes out, in order.
#[derive(Debug)]
pub enum Piece {
    /// The next frame.
    Frame {
        /// Its group.
        head: Arc<GroupHead>,
        /// Its index in the group.
        index: u32,
        /// The frame.
        frame: RelayedFrame,
    },
    /// So many frames between the last and the next one will not come.
    Lost(u64),
}

/// See the module.
#[derive(Debug)]
pub struct Assembly {
    missing: Missing,
    patience: Duration,
    /// Number of the next frame.
    next: u64,
    /// By the number of their first frame.
    groups: BTreeMap<u64, Group>,
    bytes: usize,
    /// Since when something newer waits for the rest of the current group, or for what is missing. A trickle of frames does
    /// not prolong it.
    waits_since: Option<Instant>,
}

#[derive(Debug)]
struct Group {
    head: Arc<GroupHead>,
    frames: VecDeque<RelayedFrame>,
    /// Frames of it that have come out.
    taken: u32,
    /// Its stream is over; false in it: before its end.
    over: Option<bool>,
}

impl Group {
    fn ends_at(&self) -> u64 {
        self.head.first + u64::from(self.taken) + self.frames.len() as u64
    }
}

impl Assembly {
    /// Of a track whose first frame to come has the number `first`.
    pub fn new(first: u64, missing: Missing, patience: Duration) -> Self {
        Self { missing, patience, next: first, groups: BTreeMap::new(), bytes: 0, waits_since: None }
    }

    /// A group begins. False where it comes too late to be of use: its stream can be stopped.
    pub fn handle_head(&mut self, head: GroupHead) -> bool {
        let is_wanted = head.first >= self.next && !self.groups.contains_key(&head.first);
        if is_wanted {
            let group = Group { head: Arc::new(head), frames: VecDeque::new(), taken: 0, over: None };
            self.groups.insert(group.head.first, group);
        }
        is_wanted
    }

    /// The next frame of the group that began with the number `first`. False where nobody waits for it any more.
    pub fn handle_frame(&mut self, first: u64, frame: RelayedFrame) -> bool {
        let Some(group) = self.groups.get_mut(&first).filter(|group| group.over.is_none()) else {
            return false;
        };
        self.bytes += frame.frame.payload.len();
        group.frames.push_back(frame);
        true
    }

    /// The group's stream is over: `is_whole`, or cut short.
    pub fn handle_end(&mut self, first: u64, is_whole: bool) {
        if let Some(group) = self.groups.get_mut(&first) {
            group.over.get_or_insert(is_whole);
        }
    }

    /// The next piece, if it is there. `seen`: control messages of the subscription taken in so far.
    pub fn poll(&mut self, now: Instant, seen: u64) -> Option<Piece> {
        loop {
            let Some((&first, group)) = self.groups.range_mut(..=self.next).next_back() else {
                return self.give_up(now);
            };
            if let Some(front) = group.frames.front() {
                if front.after > seen {
                    return None;
                }
                let (head, index) = (group.head.clone(), group.head.index.saturating_add(group.taken));
                let frame = group.frames.pop_front()?;
                group.taken += 1;
                self.bytes -= frame.frame.payload.len();
                self.next += 1;
                return Some(Piece::Frame { head, index, frame });
            }
            if group.over == Some(true) && group.ends_at() == self.next {
                self.groups.remove(&first);
                self.waits_since = None;
                continue;
            }
            return self.give_up(now);
        }
    }

    /// When patience ends; `None` while nothing waits.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waits_since.map(|since| since + self.patience)
    }

    /// Leaves out what is missing if something newer has waited for it long enough.
    fn give_up(&mut self, now: Instant) -> Option<Piece> {
        let behind = self.next;
        let mut newer = self.groups.range(behind + 1..).filter(|(_, group)| !group.frames.is_empty());
        let target = match self.missing {
            Missing::CatchUp => newer.next_back(),
            Missing::GoOn => newer.next(),
        };
        let Some((&target, _)) = target.or_else(|| self.cut_short(behind)) else {
            self.waits_since = None;
            return None;
        };
        let since = *self.waits_since.get_or_insert(now);
        let is_full = self.bytes > BYTES_MAX || self.groups.len() > GROUPS_MAX;
        if !is_full && now.saturating_duration_since(since) < self.patience {
            return None;
        }
        let kept = self.groups.split_off(&target);
        let gone = std::mem::replace(&mut self.groups, kept);
        self.bytes -=
            gone.values().flat_map(|group| &group.frames).map(|f| f.frame.payload.len()).sum::<usize>();
        (self.next, self.waits_since) = (target, None);
        Some(Piece::Lost(target - behind))
    }

    /// The current group will not go on: whatever begins next is what is waited for, even while it has no frame yet.
    fn cut_short(&self, behind: u64) -> Option<(&u64, &Group)> {
        let (_, current) = self.groups.range(..=behind).next_back()?;
        (current.over.is_some()).then(|| self.groups.range(behind + 1..).next()).flatten()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test begins at some instant")]
mod tests {
    use super::*;
    use crate::SubscriptionId;
    use bytes::Bytes;
    use unisono_base::{Epoch, MediaTime};
    use unisono_media::{CodecConfig, Frame};

    const PATIENCE: Duration = Duration::from_millis(500);

    fn head(first: u64) -> GroupHead {
        GroupHead {
            id: SubscriptionId(1),
            track: 1,
            epoch: Epoch(1),
            group: first,
            segment: 1,
            first,
            index: 0,
            config: Arc::new(CodecConfig::Events),
        }
    }

    fn frame(after: u64) -> RelayedFrame {
        let t = MediaTime::from_micros(0);
        RelayedFrame { frame: Frame::new(t, t, Bytes::from_static(b"x")), after, horizon: None }
    }

    /// Numbers of the frames that come out, and losses as negative numbers.
    fn drain(assembly: &mut Assembly, now: Instant, seen: u64) -> Vec<i64> {
        std::iter::from_fn(|| {
            Some(match assembly.poll(now, seen)? {
                Piece::Frame { head, index, .. } => (head.first + u64::from(index)) as i64,
                Piece::Lost(count) => -(count as i64),
            })
        })
        .collect()
    }

    fn group(assembly: &mut Assembly, first: u64, frames: u64, is_over: bool) {
        assembly.handle_head(head(first));
        (0..frames).for_each(|_| assert!(assembly.handle_frame(first, frame(0))));
        if is_over {
            assembly.handle_end(first, true);
        }
    }

    #[test]
    fn groups_that_come_newest_first_go_out_in_order() {
        let (mut assembly, now) = (Assembly::new(10, Missing::CatchUp, PATIENCE), Instant::now());
        group(&mut assembly, 16, 2, false);
        group(&mut assembly, 13, 3, true);
        assert_eq!(drain(&mut assembly, now, 0), []);
        group(&mut assembly, 10, 3, true);
        assert_eq!(drain(&mut assembly, now, 0), [10, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(assembly.poll_timeout(), None, "nothing is missing");
    }

    #[test]
    fn a_picture_that_is_late_is_left_out_up_to_the_newest_keyframe() {
        let (mut assembly, now) = (Assembly::new(0, Missing::CatchUp, PATIENCE), Instant::now());
        group(&mut assembly, 0, 2, false);
        group(&mut assembly, 5, 5, true);
        group(&mut assembly, 10, 1, false);
        assert_eq!(drain(&mut assembly, now, 0), [0, 1]);
        assert_eq!(assembly.poll_timeout(), Some(now + PATIENCE));
        assert_eq!(drain(&mut assembly, now + PATIENCE, 0), [-8, 10]);
        assert!(!assembly.handle_frame(0, frame(0)), "too late");
        assert!(!assembly.handle_head(head(5)), "too late");
    }

    #[test]
    fn sound_leaves_out_as_little_as_it_can() {
        let (mut assembly, now) = (Assembly::new(0, Missing::GoOn, PATIENCE), Instant::now());
        group(&mut assembly, 0, 2, false);
        assembly.handle_end(0, false);
        group(&mut assembly, 5, 5, true);
        group(&mut assembly, 10, 1, false);
        assert_eq!(drain(&mut assembly, now, 0), [0, 1]);
        assert_eq!(drain(&mut assembly, now + PATIENCE, 0), [-3, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_frame_waits_for_the_border_it_stands_behind() {
        let (mut assembly, now) = (Assembly::new(0, Missing::CatchUp, PATIENCE), Instant::now());
        assembly.handle_head(head(0));
        assembly.handle_frame(0, frame(2));
        assert_eq!(drain(&mut assembly, now, 1), []);
        assert_eq!(drain(&mut assembly, now, 2), [0]);
    }

    #[test]
    fn a_group_is_waited_for_while_nothing_newer_has_come() {
        let (mut assembly, now) = (Assembly::new(0, Missing::CatchUp, PATIENCE), Instant::now());
        group(&mut assembly, 0, 1, false);
        assert_eq!(drain(&mut assembly, now, 0), [0]);
        assert_eq!(drain(&mut assembly, now + 100 * PATIENCE, 0), []);
        assembly.handle_frame(0, frame(0));
        assert_eq!(drain(&mut assembly, now + 100 * PATIENCE, 0), [1]);
    }
}
