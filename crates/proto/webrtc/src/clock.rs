//! One clock for a publisher's audio and video.
//!
//! Each track's RTP time starts at a random point. Until sender reports arrive, tracks are aligned by arrival; then
//! by the NTP time of the reports (RFC 3550 §6.4.1), which gives the offset between them and nothing else: absolute
//! time is the server's. Corrections are slewed, so that time never runs backwards within a track. A track that has fallen far
//! behind has lost what lies in between, as the sound of a browser whose processor is busy: it steps forward at once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use unisono_base::Span;

/// Largest correction per elapsed media time: 5 %.
const SLEW_DIVISOR: i64 = 20;
/// Behind its reports and its arrival by more than this a track does not come back by slew: at 5 % it would take ten seconds, in
/// which it loses more.
const BEHIND_MAX: Span = Span::from_millis(500);
/// Differences between tracks beyond this, and not by arrival as well, are a broken report, not an offset.
const OFFSET_MAX: Span = Span::from_secs(10);

/// RTP time to the publisher's clock, for one track.
#[derive(Debug)]
pub(crate) struct TrackClock {
    rate: i64,
    /// Extended RTP time of the first packet.
    first: Option<i64>,
    /// Publisher's clock at `first`.
    offset: Span,
    last_pts: Option<Span>,
    report: Option<Report>,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    /// Microseconds since the Unix epoch on the sender's own clock.
    ntp: Span,
    /// Microseconds after `first`.
    at: Span,
}

impl TrackClock {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate.max(1)), first: None, offset: Span::ZERO, last_pts: None, report: None }
    }

    /// The publisher's clock at extended RTP time `rtp`, which arrived `since_start` after the session began.
    pub(crate) fn pts(&mut self, rtp: i64, since_start: Duration, target: Option<Span>) -> Span {
        if self.first.is_none() {
            self.first = Some(rtp);
            self.offset = target.unwrap_or(Span::from_micros(since_start.as_micros() as i64));
        }
        let raw = self.since_first(rtp);
        if let Some(target) = target {
            let correction = target - self.offset;
            // What a track has lost is missing in its arrival as well; a report alone may be wrong.
            let late = Span::from_micros(since_start.as_micros() as i64) - (raw + self.offset);
            let elapsed = self.last_pts.map_or(Span::ZERO, |last| raw + self.offset - last);
            let most = elapsed.as_micros().max(0) / SLEW_DIVISOR;
            let lost = correction.min(late);
            self.offset = self.offset
                + if lost > BEHIND_MAX {
                    lost
                } else if correction.abs() <= OFFSET_MAX {
                    Span::from_micros(correction.as_micros().clamp(-most, most))
                } else {
                    Span::ZERO
                };
        }
        let pts = raw + self.offset;
        self.last_pts = self.last_pts.max(Some(pts));
        pts
    }

    /// A sender report: the sender's clock read `ntp` at extended RTP time `rtp`.
    pub(crate) fn report(&mut self, ntp: SystemTime, rtp: i64) {
        let Ok(since) = ntp.duration_since(UNIX_EPOCH) else { return };
        if self.first.is_some() {
            self.report =
                Some(Report { ntp: Span::from_micros(since.as_micros() as i64), at: self.since_first(rtp) });
        }
    }

    /// The offset this track should have so that it agrees with `reference`, once both have reports.
    pub(crate) fn target_beside(&self, reference: &Self) -> Option<Span> {
        let (mine, theirs) = (self.report?, reference.report?);
        // Both clocks are read at the same sender time: theirs.ntp.
        let reference_pts = theirs.at + reference.offset;
        let my_raw = mine.at + (theirs.ntp - mine.ntp);
        Some(reference_pts - my_raw)
    }

    fn since_first(&self, rtp: i64) -> Span {
        let ticks = i128::from(rtp - self.first.unwrap_or(rtp));
        Span::from_micros((ticks * 1_000_000).div_euclid(i128::from(self.rate)) as i64)
    }
}

/// Unwraps 32-bit RTP time into one that never wraps, following jumps of less than half its range either way.
#[derive(Debug, Default)]
pub(crate) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    pub(crate) fn unwrap(&mut self, rtp: u32) -> i64 {
        let extended = self.peek(rtp);
        self.last = Some(extended);
        extended
    }

    /// Without moving on, for times that come from reports.
    pub(crate) fn peek(&self, rtp: u32) -> i64 {
        match self.last {
            Some(last) => last + i64::from(rtp.wrapping_sub(last as u32) as i32),
            None => i64::from(rtp),
        }
    }
}

/// `now - start`, zero if the clock was read out of order.
pub(crate) fn since(start: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER_CLOCK: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn rtp_time_unwraps_both_ways() {
        let mut unwrapper = Unwrapper::default();
        assert_eq!(unwrapper.unwrap(u32::MAX - 10), i64::from(u32::MAX) - 10);
        assert_eq!(unwrapper.unwrap(5), i64::from(u32::MAX) + 6);
        assert_eq!(unwrapper.unwrap(u32::MAX), i64::from(u32::MAX), "a late packet");
    }

    #[test]
    fn reports_bring_audio_onto_the_clock_of_the_video_without_a_step_back() {
        let (mut video, mut audio) = (TrackClock::new(90_000), TrackClock::new(48_000));
        video.pts(1_000, Duration::from_millis(100), None);
        // The sound of the same moment arrives 60 ms later.
        audio.pts(500, Duration::from_millis(160), None);
        let ntp = UNIX_EPOCH + SENDER_CLOCK;
        video.report(ntp, 1_000);
        audio.report(ntp, 500);
        let mut last = Span::ZERO;
        for packet in 1..200i64 {
            let rtp = 500 + packet * 960;
            let target = audio.target_beside(&video);
            let pts = audio.pts(rtp, Duration::from_millis(160 + packet as u64 * 20), target);
            assert!(pts > last, "never backwards");
            last = pts;
        }
        let expected = Span::from_millis(100 + 199 * 20);
        assert!((last - expected).abs() <= Span::from_micros(50), "{last:?} {expected:?}");
    }

    #[test]
    fn sound_that_loses_half_of_its_time_is_never_far_behind_the_video() {
        let (mut video, mut audio) = (TrackClock::new(90_000), TrackClock::new(48_000));
        let (mut last, mut worst) = (Span::from_millis(-1), Span::ZERO);
        for ms in 0..60_000i64 {
            let since = Duration::from_millis(ms as u64);
            // The sender's clock of sound stands still in every other second, until it is no longer busy.
            let heard = if ms < 30_000 { ms / 2_000 * 1_000 + (ms % 2_000).min(1_000) } else { ms - 15_000 };
            if ms % 1_000 == 0 {
                video.report(UNIX_EPOCH + SENDER_CLOCK + since, ms * 90);
                audio.report(UNIX_EPOCH + SENDER_CLOCK + since, heard * 48);
            }
            let picture = video.pts(ms * 90, since, None);
            if heard % 20 == 0 && (ms >= 30_000 || ms % 2_000 <= 1_000) {
                let pts = audio.pts(heard * 48, since, audio.target_beside(&video));
                assert!(pts > last, "never backwards: {pts} after {last}");
                last = pts;
                worst = worst.max((picture - pts).abs());
            }
        }
        assert!(worst <= Span::from_millis(1_600), "{worst}");
        assert!((last - Span::from_secs(60)).abs() <= Span::from_millis(30), "{last}: together again");
    }

    #[test]
    fn a_report_that_is_wrong_and_a_late_first_picture_move_sound_slowly() {
        // The first picture arrives a second later than the sound of its moment; then the sender's clock is set three seconds on, between
        // a report of the sound and one of the picture.
        for (late, wrong) in [(1_000, 0), (0, 3_000), (0, 60_000)] {
            let (mut video, mut audio) = (TrackClock::new(90_000), TrackClock::new(48_000));
            video.pts(0, Duration::from_millis(100 + late), None);
            audio.pts(0, Duration::from_millis(100), None);
            video.report(UNIX_EPOCH + SENDER_CLOCK, 0);
            audio.report(UNIX_EPOCH + SENDER_CLOCK + Duration::from_millis(wrong), 0);
            let mut last = Span::from_millis(100);
            for packet in 1..50i64 {
                let since = Duration::from_millis(100 + packet as u64 * 20);
                let pts = audio.pts(packet * 960, since, audio.target_beside(&video));
                let step = pts - last;
                assert!(
                    step >= Span::from_millis(19) && step <= Span::from_millis(21),
                    "{step}, {late} ms late, {wrong} ms wrong"
                );
                last = pts;
            }
        }
    }

    #[test]
    fn sound_that_stood_still_for_long_comes_back_to_the_picture() {
        let (mut video, mut audio) = (TrackClock::new(90_000), TrackClock::new(48_000));
        let seconds = |s: i64| Duration::from_secs(s as u64);
        for clock in [&mut video, &mut audio] {
            clock.pts(0, Duration::ZERO, None);
            clock.report(UNIX_EPOCH + SENDER_CLOCK, 0);
        }
        // Its track was taken away for 20 s, in which its RTP time stood.
        video.pts(20 * 90_000, seconds(20), None);
        video.report(UNIX_EPOCH + SENDER_CLOCK + seconds(20), 20 * 90_000);
        audio.report(UNIX_EPOCH + SENDER_CLOCK + seconds(20), 0);
        let pts = audio.pts(960, seconds(20) + Duration::from_millis(20), audio.target_beside(&video));
        assert_eq!(pts, Span::from_millis(20_020));
    }
}
