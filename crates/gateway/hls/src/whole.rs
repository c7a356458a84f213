//! A first view that has every track which the stream names. A node that has just begun to pull a stream gets its past sound first and pictures a moment
//! later; whoever were told of sound alone would play sound alone for ever.

use std::time::{Duration, Instant};

/// A track that is named, and has nothing whole by then, is not waited for: its publisher may have switched it off.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a view has what the stream names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracks {
    /// All of it.
    All,
    /// Nothing of one of them.
    Some,
}

/// Holds the first views back while they lack a track, for five seconds at most; of those held the newest stays. What is seen already goes on: a
/// camera that is switched on later must not let the sound stand still.
#[derive(Debug)]
pub(crate) struct Whole<View> {
    /// Since when views lack a track.
    since: Option<Instant>,
    held: Option<View>,
    /// One was given.
    is_seen: bool,
}

impl<View> Default for Whole<View> {
    fn default() -> Self {
        Self { since: None, held: None, is_seen: false }
    }
}

impl<View> Whole<View> {
    /// A newer view.
    pub(crate) fn handle(&mut self, view: View, has: Tracks, now: Instant) {
        match has {
            Tracks::All => self.since = None,
            Tracks::Some => {
                self.since.get_or_insert(now);
            }
        }
        self.held = Some(view);
    }

    /// The newest view, once, when it may be seen.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<View> {
        let is_early = self.since.is_some_and(|since| now.saturating_duration_since(since) < PATIENCE);
        if is_early && !self.is_seen {
            return None;
        }
        self.is_seen |= self.held.is_some();
        self.held.take()
    }

    /// The stream is over: nothing more comes.
    pub(crate) fn end(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_a_track_is_held_for_a_while_and_the_newest_is_given_then() {
        let (start, mut whole) = (Instant::now(), Whole::default());
        let second = |s| start + Duration::from_secs(s);
        for s in 0..5 {
            whole.handle(s, Tracks::Some, second(s));
            assert_eq!(whole.poll(second(s)), None, "second {s}");
        }
        assert_eq!(whole.poll(second(5)), Some(4));
        assert_eq!(whole.poll(second(5)), None, "each once");
        whole.handle(6, Tracks::Some, second(6));
        assert_eq!(whole.poll(second(6)), Some(6), "it was waited for once");
    }

    #[test]
    fn what_has_all_that_is_named_is_given_at_once() {
        let (now, mut whole) = (Instant::now(), Whole::default());
        whole.handle(1, Tracks::Some, now);
        assert_eq!(whole.poll(now), None);
        whole.handle(2, Tracks::All, now);
        assert_eq!(whole.poll(now), Some(2));
        whole.handle(3, Tracks::Some, now);
        assert_eq!(whole.poll(now), Some(3), "a track that comes later holds up nothing");
        let mut ended = Whole::default();
        ended.handle(4, Tracks::Some, now);
        ended.end();
        assert_eq!(ended.poll(now), Some(4));
    }
}
