//! The time of each frame on the server's timeline. Senders say it now and then (abs-capture-time, twice a second is enough), and
//! receivers count on from there by the RTP time, as that extension wants it.

/// Of H.264 and all other pictures (RFC 6184 §8.2.1).
const RATE: i64 = 90_000;

/// See the module; of one RTP stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capture(Option<(u32, u64)>);

impl Capture {
    /// Microseconds since the Unix epoch of the frame with this RTP time; `said`: what its packet says itself. `None` before
    /// anything was said.
    pub(super) fn of(&mut self, time: u32, said: Option<u64>) -> Option<u64> {
        if let Some(said) = said {
            self.0 = Some((time, said));
        }
        let (from, at) = self.0?;
        let ticks = i64::from(time.wrapping_sub(from) as i32);
        Some(at.saturating_add_signed(ticks * 1_000_000 / RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_between_two_that_say_it_are_known_by_their_rtp_time() {
        let mut capture = Capture::default();
        assert_eq!(capture.of(7, None), None);
        assert_eq!(capture.of(u32::MAX - 2_999, Some(1_000_000)), Some(1_000_000));
        assert_eq!(capture.of(0, None), Some(1_033_333), "over the wrap");
        assert_eq!(capture.of(3_000, None), Some(1_066_666));
        assert_eq!(capture.of(u32::MAX - 5_999, None), Some(966_667), "one that was late");
        assert_eq!(capture.of(9_000, Some(5_000_000)), Some(5_000_000), "a new epoch");
        assert_eq!(capture.of(12_000, None), Some(5_033_333));
    }
}
