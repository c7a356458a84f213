//! Whoever wants to know which streams come and go, and who was refused.

use crate::Source;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};
use unisono_base::{KeyId, MediaTime, Span, StreamId};

/// Streams whose refusals are counted at once; more are neither logged nor told, only counted by the doors.
const REFUSALS_MAX: usize = 1_000;
/// One refusal per stream and this long is logged and told; the rest is a number in the next one.
const REFUSAL_EVERY: Span = Span::from_secs(10);

/// Is told what happens, in order, and must return at once: a lock of the stream may be held.
pub trait Watcher: Send + Sync {
    /// Somebody publishes a stream that nobody published before; also when a lost publisher is back.
    fn stream_up(&self, stream: &StreamId, source: &Source, key: &KeyId);
    /// Its publisher is gone, for `reason`: `unpublished`, `lost`, `closed` and the like.
    fn stream_down(&self, stream: &StreamId, reason: &'static str);
    /// Somebody was refused; at most once in 10 s per stream.
    fn publish_denied(&self, denial: &Denial);
}

/// A publisher that was sent away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What it asked for.
    pub stream: StreamId,
    /// The id of the key it showed, if it had the form of one; not believed.
    pub key: Option<KeyId>,
    /// `rtmp` or `whip`.
    pub protocol: &'static str,
    /// What it was told. Holds no secret.
    pub words: String,
    /// Refusals of this stream since the last one told, this one included.
    pub times: u64,
}

/// The one watcher of a hub, shared with its streams.
pub(crate) type WatcherSlot = Arc<OnceLock<Arc<dyn Watcher>>>;

/// When refusals of each stream were last told.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<StreamId, Refused>>);

struct Refused {
    told: MediaTime,
    silent: u64,
}

impl Refusals {
    /// How many refusals to tell of now; `None`: too soon after the last.
    pub(crate) fn count(&self, stream: &StreamId, now: MediaTime) -> Option<u64> {
        let mut all = self.0.lock();
        if let Some(known) = all.get_mut(stream) {
            known.silent += 1;
            if now - known.told < REFUSAL_EVERY {
                return None;
            }
            known.told = now;
            return Some(std::mem::take(&mut known.silent));
        }
        if all.len() >= REFUSALS_MAX {
            all.retain(|_, known| now - known.told < REFUSAL_EVERY);
            if all.len() >= REFUSALS_MAX {
                return None;
            }
        }
        all.insert(stream.clone(), Refused { told: now, silent: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str) -> StreamId {
        StreamId::local(format!("live/{name}").parse().expect("valid"))
    }

    #[test]
    fn refusals_are_told_once_in_ten_seconds_and_all_are_counted() {
        let refusals = Refusals::default();
        let at = |s: i64| MediaTime::from_micros(s * 1_000_000);
        assert_eq!(refusals.count(&stream("a"), at(0)), Some(1));
        assert_eq!(refusals.count(&stream("a"), at(1)), None);
        assert_eq!(refusals.count(&stream("b"), at(1)), Some(1));
        assert_eq!(refusals.count(&stream("a"), at(11)), Some(2));
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_forgotten() {
        let refusals = Refusals::default();
        let at = |s: i64| MediaTime::from_micros(s * 1_000_000);
        let told = (0..2_000).filter(|n| refusals.count(&stream(&n.to_string()), at(0)).is_some()).count();
        assert_eq!(told, REFUSALS_MAX);
        assert_eq!(refusals.count(&stream("later"), at(20)), Some(1));
    }
}
