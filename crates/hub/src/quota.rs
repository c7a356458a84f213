//! What each key uses against what it may use.

use crate::{State, Stream};
use parking_lot::RwLock;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{KeyId, Quota, StreamId};

/// A bitrate counts once it was measured over this long: a keyframe alone is no offence.
const WINDOW: Duration = Duration::from_secs(5);
/// Streams of one limited key whose viewers wait for it to come back. A person changes a stream's name a few times; who does it a
/// thousand times in half a minute would fill the hub.
const LOST_MAX: usize = 16;

/// A key has reached one of its limits. The words are for whoever is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverQuota {
    /// [`Quota::streams_max`].
    #[error("key {key} publishes {max} streams already, its limit (max-streams); stop one, or ask for more")]
    Streams {
        /// Whose limit.
        key: KeyId,
        /// The limit.
        max: u32,
    },
    /// [`Quota::bitrate_max_kbps`].
    #[error(
        "key {key} may send {max_kbps} kbit/s in a stream (max-bitrate) and sent {kbps} kbit/s over 5 s; lower the \
         encoder's bitrate"
    )]
    Bitrate {
        /// Whose limit.
        key: KeyId,
        /// The limit.
        max_kbps: u32,
        /// What came.
        kbps: u64,
    },
    /// [`Quota::viewers_max`].
    #[error("the publisher of this stream (key {key}) may have {max} viewers, and has them (max-viewers)")]
    Viewers {
        /// Whose limit.
        key: KeyId,
        /// The limit.
        max: u32,
    },
}

/// The keys that have limits.
#[derive(Debug, Default)]
pub(crate) struct Quotas(RwLock<HashMap<KeyId, Quota>>);

impl Quotas {
    pub(crate) fn replace(&self, quotas: impl IntoIterator<Item = (KeyId, Quota)>) {
        let limited = quotas.into_iter().filter(|(_, quota)| !quota.is_unlimited()).collect();
        *self.0.write() = limited;
    }

    fn of(&self, key: &KeyId) -> Option<Quota> {
        self.0.read().get(key).copied()
    }

    /// May `key` publish `id` beside what it publishes in `streams`?
    pub(crate) fn admit_stream<'a>(
        &self,
        key: &KeyId,
        id: &StreamId,
        streams: impl Iterator<Item = &'a Arc<Stream>>,
    ) -> Result<(), OverQuota> {
        let Some(max) = self.of(key).and_then(|quota| quota.streams_max) else { return Ok(()) };
        let others = streams.filter(|stream| stream.id() != id && stream.key() == *key);
        let (live, lost) = others.fold((0, 0_usize), |(live, lost), stream| match stream.state() {
            State::Live { .. } => (live + 1, lost),
            State::Lost => (live, lost + 1),
            State::Ended => (live, lost),
        });
        let is_room = live < max as usize && lost < LOST_MAX;
        if is_room { Ok(()) } else { Err(OverQuota::Streams { key: key.clone(), max }) }
    }

    pub(crate) fn viewers_max(&self, key: &KeyId) -> Option<u32> {
        self.of(key)?.viewers_max
    }

    /// May the streams of `key`, watched by so many, have one viewer more?
    pub(crate) fn admit_viewer(&self, key: &KeyId, max: u32, watching: usize) -> Result<(), OverQuota> {
        if watching < max as usize { Ok(()) } else { Err(OverQuota::Viewers { key: key.clone(), max }) }
    }

    /// May `key` send this much in one stream? `None` is a rate not measured over the whole window yet.
    pub(crate) fn admit_rate(&self, key: &KeyId, rate_bps: Option<u64>) -> Result<(), OverQuota> {
        let limit = self.of(key).and_then(|quota| quota.bitrate_max_kbps);
        let (Some(max_kbps), Some(rate_bps)) = (limit, rate_bps) else { return Ok(()) };
        let kbps = rate_bps / 1_000;
        if kbps <= u64::from(max_kbps) {
            return Ok(());
        }
        Err(OverQuota::Bitrate { key: key.clone(), max_kbps, kbps })
    }
}

/// Bytes taken in over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// When it was looked at, and how many bytes there had been; oldest first, one older than the window.
    looks: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// Notes the total; the rate once the window is full.
    pub(crate) fn look(&mut self, now: Instant, bytes: u64) -> Option<u64> {
        self.looks.push_back((now, bytes));
        let is_old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) >= WINDOW;
        while self.looks.get(1).is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.front().is_some_and(is_old).then(|| self.rate_bps()).flatten()
    }

    /// Begins anew: the publisher is gone.
    pub(crate) fn forget(&mut self) {
        self.looks.clear();
    }

    /// Bits per second over what is known.
    pub(crate) fn rate_bps(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.looks.front()?, self.looks.back()?);
        let micros = to.saturating_duration_since(*from).as_micros() as u64;
        (micros > 0).then(|| after.saturating_sub(*before).saturating_mul(8_000_000) / micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_once_the_window_is_full() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        for second in 0..5 {
            let rate = meter.look(start + Duration::from_secs(second), second * 125_000);
            assert_eq!(rate, None, "after {second} s");
        }
        assert_eq!(meter.look(start + Duration::from_secs(5), 625_000), Some(1_000_000));
        assert_eq!(meter.look(start + Duration::from_secs(6), 625_000), Some(800_000), "a pause counts");
        meter.forget();
        assert_eq!(meter.rate_bps(), None);
    }

    #[test]
    fn each_limit_is_named_and_none_is_no_limit() {
        let quotas = Quotas::default();
        let key = KeyId::new("k1");
        assert_eq!(quotas.admit_rate(&key, Some(u64::MAX)), Ok(()));
        let quota = Quota { bitrate_max_kbps: Some(100), viewers_max: Some(2), ..Quota::default() };
        quotas.replace([(key.clone(), quota)]);
        assert_eq!(quotas.admit_rate(&key, Some(100_999)), Ok(()));
        let words = quotas.admit_rate(&key, Some(200_000)).expect_err("twice").to_string();
        assert!(words.contains("max-bitrate") && words.contains("200 kbit/s"), "{words}");
        assert_eq!(quotas.admit_viewer(&key, 2, 1), Ok(()));
        assert!(quotas.admit_viewer(&key, 2, 2).expect_err("full").to_string().contains("max-viewers"));
        quotas.replace([]);
        assert_eq!(quotas.admit_rate(&key, Some(200_000)), Ok(()), "taken back");
    }
}
