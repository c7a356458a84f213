//! The packets of one viewer as they came, so that a bare sender can send the same.

use std::time::Duration;

/// Packets recorded: about ten seconds at 1.5 Mbit/s.
const PACKETS_MAX: usize = 2_048;
/// Packets of one kind that come within less belong together.
const TOGETHER_US: u64 = 3_000;

/// Datagrams that are sent at once to each receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bench) struct Burst {
    /// Since the shape's beginning.
    pub(in crate::bench) at: Duration,
    /// UDP payload of each.
    pub(in crate::bench) sizes: Vec<u16>,
}

/// A stretch of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::bench) struct Shape {
    pub(in crate::bench) bursts: Vec<Burst>,
    pub(in crate::bench) length: Duration,
}

/// Takes the packets down.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    packets: Vec<(u64, u32, u16)>,
}

impl Recorder {
    pub(super) fn record(&mut self, arrived_us: u64, ssrc: u32, size: usize) {
        if self.packets.len() < PACKETS_MAX {
            self.packets.push((arrived_us, ssrc, size.min(65_000) as u16));
        }
    }

    /// What was recorded, in bursts in order of time.
    pub(super) fn take(&mut self) -> Shape {
        let mut packets = std::mem::take(&mut self.packets);
        packets.sort_by_key(|(at, ssrc, _)| (*ssrc, *at));
        let (Some(first), Some(last)) =
            (packets.iter().map(|p| p.0).min(), packets.iter().map(|p| p.0).max())
        else {
            return Shape::default();
        };
        let mut bursts: Vec<Burst> = Vec::new();
        let mut before: Option<(u64, u32)> = None;
        for (at, ssrc, size) in packets {
            let is_together = before.is_some_and(|(t, s)| s == ssrc && at - t < TOGETHER_US);
            before = Some((at, ssrc));
            match bursts.last_mut().filter(|_| is_together) {
                Some(burst) => burst.sizes.push(size),
                None => bursts.push(Burst { at: Duration::from_micros(at - first), sizes: vec![size] }),
            }
        }
        bursts.sort_by_key(|burst| burst.at);
        // One more frame's time, so that the next round begins as far behind as the others.
        let length = Duration::from_micros(last - first) + Duration::from_millis(20);
        Shape { bursts, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_burst_and_sound_between_its_packets_another() {
        let mut recorder = Recorder::default();
        for (at, ssrc, size) in
            [(0, 1, 1_200), (10, 2, 160), (500, 1, 1_200), (900, 1, 300), (33_000, 1, 700)]
        {
            recorder.record(1_000_000 + at, ssrc, size);
        }
        let shape = recorder.take();
        let bursts: Vec<_> =
            shape.bursts.iter().map(|burst| (burst.at.as_micros(), burst.sizes.clone())).collect();
        assert_eq!(bursts, [(0, vec![1_200, 1_200, 300]), (10, vec![160]), (33_000, vec![700])]);
        assert_eq!(shape.length, Duration::from_micros(53_000));
        assert_eq!(recorder.take(), Shape::default());
    }
}
