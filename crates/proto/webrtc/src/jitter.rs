//! Puts a track's packets back in order and gives up on the lost ones after a bounded wait.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::rtp::Ssrc;
use unisono_mux::rtp::VideoFormat;

/// Packets held while one before them is missing. A 4 Mbit/s picture sends 256 packets in about 0.6 s.
const PACKETS_MAX: usize = 512;

/// A packet as it left SRTP, with its sequence number extended.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Each counts its own sequence numbers.
    pub(crate) ssrc: Ssrc,
    pub(crate) sequence: u64,
    /// RTP timestamp as on the wire.
    pub(crate) time: u32,
    pub(crate) marker: bool,
    pub(crate) arrived: Instant,
    /// Of video.
    pub(crate) format: Option<VideoFormat>,
    pub(crate) payload: Arc<[u8]>,
}

/// What comes out, in order.
#[derive(Debug)]
pub(crate) enum Output {
    Packet(Packet),
    /// This many packets are given up; what follows does not continue what came before.
    Lost(u64),
    /// The same, and what follows is of another SSRC: its RTP time begins anew. Of the one before, so many were held.
    Anew(u64),
}

/// See the module. At the bound of packets or time the hole is given up.
#[derive(Debug)]
pub(crate) struct Jitter {
    wait_max: Duration,
    ssrc: Option<Ssrc>,
    next: Option<u64>,
    held: BTreeMap<u64, Packet>,
    /// To be told, after another SSRC came: packets given up for it.
    anew: Option<u64>,
}

impl Jitter {
    pub(crate) fn new(wait_max: Duration) -> Self {
        Self { wait_max, ssrc: None, next: None, held: BTreeMap::new(), anew: None }
    }

    /// Takes a packet; duplicates and ones already given up are ignored.
    pub(crate) fn push(&mut self, packet: Packet) {
        if self.ssrc.replace(packet.ssrc).is_some_and(|before| before != packet.ssrc) {
            *self.anew.get_or_insert(0) += self.held.len() as u64;
            self.held.clear();
            self.next = None;
        }
        if self.next.is_none_or(|next| packet.sequence >= next) {
            self.held.entry(packet.sequence).or_insert(packet);
        }
    }

    /// The next output at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Output> {
        if let Some(packets) = self.anew.take() {
            return Some(Output::Anew(packets));
        }
        let (&first, oldest) = self.held.first_key_value()?;
        let next = *self.next.get_or_insert(first);
        if first > next {
            let waited = now.saturating_duration_since(oldest.arrived);
            if waited < self.wait_max && self.held.len() < PACKETS_MAX {
                return None;
            }
            self.next = Some(first);
            return Some(Output::Lost(first - next));
        }
        self.next = Some(first + 1);
        self.held.pop_first().map(|(_, packet)| Output::Packet(packet))
    }

    /// When [`Self::pop`] gives up on the hole at the front.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (&first, oldest) = self.held.first_key_value()?;
        (Some(first) != self.next).then(|| oldest.arrived + self.wait_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(sequence: u64, arrived: Instant) -> Packet {
        packet_of(1, sequence, arrived)
    }

    fn packet_of(ssrc: u32, sequence: u64, arrived: Instant) -> Packet {
        let payload = Arc::from([0u8]);
        Packet { ssrc: ssrc.into(), sequence, time: 0, marker: false, arrived, format: None, payload }
    }

    fn drain(jitter: &mut Jitter, now: Instant) -> Vec<Result<u64, u64>> {
        std::iter::from_fn(|| jitter.pop(now))
            .map(|output| match output {
                Output::Packet(packet) => Ok(packet.sequence),
                Output::Lost(count) | Output::Anew(count) => Err(count),
            })
            .collect()
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_hole_is_waited_for_and_then_given_up() {
        let now = start();
        let mut jitter = Jitter::new(Duration::from_millis(500));
        [10, 11, 13, 14].into_iter().for_each(|s| jitter.push(packet(s, now)));
        assert_eq!(drain(&mut jitter, now), [Ok(10), Ok(11)]);
        assert_eq!(jitter.deadline(), Some(now + Duration::from_millis(500)));
        assert_eq!(drain(&mut jitter, now + Duration::from_millis(499)), []);
        assert_eq!(drain(&mut jitter, now + Duration::from_millis(500)), [Err(1), Ok(13), Ok(14)]);
        jitter.push(packet(12, now));
        assert_eq!(drain(&mut jitter, now), [], "too late");
    }

    #[test]
    fn the_window_is_bounded_in_packets() {
        let now = start();
        let mut jitter = Jitter::new(Duration::from_secs(60));
        jitter.push(packet(0, now));
        drain(&mut jitter, now);
        (2..2 + PACKETS_MAX as u64).for_each(|s| jitter.push(packet(s, now)));
        assert_eq!(drain(&mut jitter, now).len(), PACKETS_MAX + 1);
    }

    #[test]
    fn another_ssrc_counts_from_anywhere_and_is_told_once() {
        let now = start();
        let mut jitter = Jitter::new(Duration::from_millis(500));
        [70_000, 70_001, 70_003, 70_004].into_iter().for_each(|s| jitter.push(packet_of(1, s, now)));
        assert_eq!(drain(&mut jitter, now), [Ok(70_000), Ok(70_001)]);
        jitter.push(packet_of(2, 9, now));
        assert!(matches!(jitter.pop(now), Some(Output::Anew(2))), "what was held is given up");
        jitter.push(packet_of(2, 10, now));
        assert_eq!(drain(&mut jitter, now), [Ok(9), Ok(10)]);
        assert_eq!(jitter.deadline(), None);
    }

    proptest! {
        #[test]
        fn any_order_comes_out_in_order(order in Just((0u64..60).collect::<Vec<_>>()).prop_shuffle()) {
            let now = start();
            let mut jitter = Jitter::new(Duration::from_secs(1));
            jitter.next = Some(0);
            let mut out = Vec::new();
            for sequence in order {
                jitter.push(packet(sequence, now));
                out.extend(drain(&mut jitter, now));
            }
            prop_assert_eq!(out, (0u64..60).map(Ok).collect::<Vec<_>>());
        }
    }
}
