//! What counted viewers add up to on one thread.

use super::{super::histogram::Histogram, origins::Origins, shape::Recorder};
use std::{collections::BTreeMap, time::Duration};

/// Frames that wait for their origin on one thread; beyond it they count as unmatched.
const PENDING_MAX: usize = 1 << 20;
/// By then a full viewer has said when the frame was sent, or nobody will.
const ORIGIN_PATIENCE_US: u64 = 1_500_000;

/// Of which viewers a count is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Group {
    /// Those who play while something is measured.
    Playing,
    /// Those whose joining is measured.
    Joining,
}

/// What a steady window yields.
pub(in crate::bench) struct Counts {
    /// UDP payload received, of all kinds, before any is dropped on purpose.
    pub(in crate::bench) bytes: u64,
    /// Media packets that came, each once.
    pub(in crate::bench) packets: u64,
    /// Media packets that never came, repairs included.
    pub(in crate::bench) lost: u64,
    /// Of those that came, how many came only when asked for again.
    pub(in crate::bench) repaired: u64,
    /// Numbers asked for again.
    pub(in crate::bench) asked: u64,
    /// Datagrams dropped on purpose.
    pub(in crate::bench) dropped: u64,
    /// Whole frames of picture.
    pub(in crate::bench) frames: u64,
    /// Whole frames of which nobody said when they were sent.
    pub(in crate::bench) unmatched: u64,
    /// From the publisher's write, or the server's T, until this program had read the last packet of the frame.
    pub(in crate::bench) latency: Histogram,
    /// Rounds of the viewers' threads, from waking up to waiting again: what comes meanwhile waits so long, and that is
    /// what this program adds itself.
    pub(in crate::bench) rounds: Histogram,
    /// Viewers whose session ended before its time, by reason.
    pub(in crate::bench) broken: BTreeMap<String, u64>,
}

impl Counts {
    pub(in crate::bench) fn new() -> Self {
        Self {
            bytes: 0,
            packets: 0,
            lost: 0,
            repaired: 0,
            asked: 0,
            dropped: 0,
            frames: 0,
            unmatched: 0,
            latency: Histogram::new(),
            rounds: Histogram::new(),
            broken: BTreeMap::new(),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.bytes, other.bytes),
            (&mut self.packets, other.packets),
            (&mut self.lost, other.lost),
            (&mut self.repaired, other.repaired),
            (&mut self.asked, other.asked),
            (&mut self.dropped, other.dropped),
            (&mut self.frames, other.frames),
            (&mut self.unmatched, other.unmatched),
        ];
        pairs.into_iter().for_each(|(own, more)| *own += more);
        self.latency.merge(&other.latency);
        self.rounds.merge(&other.rounds);
        other.broken.iter().for_each(|(reason, count)| {
            *self.broken.entry(reason.clone()).or_default() += count;
        });
    }

    /// Lost packets of those that should have come.
    pub(in crate::bench) fn loss_percent(&self) -> f64 {
        let expected = self.packets + self.lost;
        if expected == 0 { 0.0 } else { self.lost as f64 * 100.0 / expected as f64 }
    }
}

/// A whole frame whose origin is not known yet. All times since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Pending {
    captured_us: u64,
    arrived_us: u64,
    group: Group,
}

/// The counts of a thread, while they grow.
pub(super) struct Tally {
    pub(super) is_measuring: bool,
    pub(super) recorder: Recorder,
    playing: Counts,
    joining: Counts,
    pending: Vec<Pending>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            is_measuring: false,
            recorder: Recorder::default(),
            playing: Counts::new(),
            joining: Counts::new(),
            pending: Vec::new(),
        }
    }

    /// Changes a group's counts, within the window only.
    pub(super) fn count(&mut self, group: Group, change: impl FnOnce(&mut Counts)) {
        if self.is_measuring {
            change(self.of(group));
        }
    }

    pub(super) fn broke(&mut self, group: Group, reason: String) {
        *self.of(group).broken.entry(reason).or_default() += 1;
    }

    /// A round of the thread took so long.
    pub(super) fn worked(&mut self, length: Duration) {
        self.count(Group::Playing, |counts| counts.rounds.record(length));
    }

    /// A whole frame; its latency is known later.
    pub(super) fn frame(&mut self, group: Group, captured_us: Option<u64>, arrived_us: u64) {
        if !self.is_measuring {
            return;
        }
        let has_room = self.pending.len() < PENDING_MAX;
        self.of(group).frames += 1;
        match captured_us {
            Some(captured_us) if has_room => {
                self.pending.push(Pending { captured_us, arrived_us, group });
            }
            _ => self.of(group).unmatched += 1,
        }
    }

    /// Looks for the origins of waiting frames. Without `origins` it is their time on the server's timeline.
    pub(super) fn resolve(&mut self, now_us: u64, origins: Option<&Origins>) {
        let pending = std::mem::take(&mut self.pending);
        match origins {
            Some(origins) => origins.look(|of| self.settle(pending, now_us, of)),
            None => self.settle(pending, now_us, &|captured_us| Some(captured_us)),
        }
    }

    fn settle(&mut self, mut pending: Vec<Pending>, now_us: u64, of: &dyn Fn(u64) -> Option<u64>) {
        pending.retain(|frame| {
            let counts = self.of(frame.group);
            let Some(sent_us) = of(frame.captured_us) else {
                let is_hopeless = now_us.saturating_sub(frame.arrived_us) > ORIGIN_PATIENCE_US;
                counts.unmatched += u64::from(is_hopeless);
                return !is_hopeless;
            };
            counts.latency.record(Duration::from_micros(frame.arrived_us.saturating_sub(sent_us)));
            false
        });
        self.pending = pending;
    }

    /// The counts of both groups since the last call.
    pub(super) fn take(&mut self) -> [Counts; 2] {
        [&mut self.playing, &mut self.joining].map(|counts| std::mem::replace(counts, Counts::new()))
    }

    fn of(&mut self, group: Group) -> &mut Counts {
        match group {
            Group::Playing => &mut self.playing,
            Group::Joining => &mut self.joining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_the_publishers_write_where_somebody_saw_it() {
        let origins = Origins::default();
        let mut tally = Tally::new();
        tally.frame(Group::Playing, Some(10_000_000), 10_005_000);
        tally.is_measuring = true;
        tally.frame(Group::Playing, Some(10_000_000), 10_005_000);
        tally.frame(Group::Joining, Some(10_033_000), 10_041_000);
        tally.frame(Group::Playing, None, 1);
        origins.learn(Some(10_000_000), 9_995_000);
        tally.resolve(10_100_000, Some(&origins));
        tally.resolve(10_041_001 + ORIGIN_PATIENCE_US, Some(&origins));
        let [playing, joining] = tally.take();
        assert_eq!((playing.frames, playing.unmatched, joining.frames, joining.unmatched), (2, 1, 1, 1));
        assert_eq!(playing.latency.report()["max"].as_f64(), Some(10.0));
    }

    #[test]
    fn without_origins_it_counts_from_the_timeline() {
        let mut tally = Tally::new();
        tally.is_measuring = true;
        tally.frame(Group::Playing, Some(10_000_000), 10_005_000);
        tally.resolve(0, None);
        let [playing, _] = tally.take();
        assert_eq!(playing.latency.report()["max"].as_f64(), Some(5.0));
    }
}
