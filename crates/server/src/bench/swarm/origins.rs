//! When each frame was written into the publisher's session, by its time on the server's timeline: the full viewers see both, in the
//! picture and in the header; the counted ones see the header only.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Frames remembered: over half a minute at 30 a second.
const FRAMES_MAX: usize = 1_024;
/// Two readings of one frame's time differ by less, two frames' times by more.
const SAME_US: u64 = 2_000;

/// See the module. Shared by all threads of the bench.
#[derive(Debug, Default)]
pub(in crate::bench) struct Origins(Mutex<BTreeMap<u64, u64>>);

impl Origins {
    /// The frame at `captured_us` on the timeline was sent at `sent_us`; both since the Unix epoch.
    pub(in crate::bench) fn learn(&self, captured_us: Option<u64>, sent_us: u64) {
        let Some(captured_us) = captured_us else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == FRAMES_MAX {
            known.pop_first();
        }
        known.insert(captured_us, sent_us);
    }

    /// Looks many frames up at once: `of(captured)` is when that one was sent.
    pub(super) fn look<T>(&self, work: impl FnOnce(&dyn Fn(u64) -> Option<u64>) -> T) -> T {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(&|captured| {
            let near = known.range(captured.saturating_sub(SAME_US)..=captured + SAME_US);
            near.min_by_key(|(at, _)| at.abs_diff(captured)).map(|(_, sent)| *sent)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_frame_within_rounding_is_found() {
        let origins = Origins::default();
        origins.learn(Some(1_000_000), 1);
        origins.learn(Some(1_033_333), 2);
        origins.learn(None, 3);
        origins.look(|of| {
            assert_eq!([999_999, 1_033_334, 1_010_000].map(of), [Some(1), Some(2), None]);
        });
    }

    #[test]
    fn old_frames_are_forgotten() {
        let origins = Origins::default();
        (0..2_000u64).for_each(|frame| origins.learn(Some(frame * 33_333), frame));
        origins.look(|of| assert_eq!((of(0), of(1_999 * 33_333)), (None, Some(1_999))));
    }
}
