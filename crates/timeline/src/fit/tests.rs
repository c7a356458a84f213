use super::*;
use proptest::prelude::*;

const START: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

fn ms(ms: i64) -> Span {
    Span::from_millis(ms)
}

/// Numbers that look random and are the same each time (SplitMix64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as i64
    }
}

/// Frames of a source as they are sent: 30 fps and 21.3 ms of sound, pts in the order of decoding.
fn source(seconds: i64, b_frames: bool) -> Vec<(Track, Span, Span)> {
    let mut frames = Vec::new();
    for i in 0..seconds * 30 {
        // I P B B: the P is sent before the two B-frames it follows on the screen.
        let order = if b_frames { i / 3 * 3 + [2, 0, 1][i as usize % 3] } else { i };
        frames.push((
            Track::Video,
            Span::from_micros(order * 100_000 / 3),
            Span::from_micros(i * 100_000 / 3),
        ));
    }
    for i in 0..seconds * 46 {
        let pts = Span::from_micros(i * 64_000 / 3);
        frames.push((Track::Audio, pts, pts));
    }
    frames.sort_by_key(|(_, _, sent)| *sent);
    frames
}

/// Runs a source of `drift_ppm` (its clock runs fast) through a network of 40 ms and up to `jitter` more each.
/// Gives pts, T and the moment each frame was sent on the node's clock.
fn run(
    frames: &[(Track, Span, Span)],
    drift_ppm: i64,
    jitter: Span,
    fit: &mut Fit,
) -> Vec<(Span, Stamp, MediaTime)> {
    let mut noise = Noise(7);
    let stamp = |(track, pts, sent): &(Track, Span, Span)| {
        let true_sent = START + Span::from_micros(sent.as_micros() * (1_000_000 - drift_ppm) / 1_000_000);
        let arrival = true_sent + ms(40) + Span::from_micros(noise.below(jitter.as_micros()));
        (*pts, fit.stamp(*track, Span::from_secs(9_999) + *pts, arrival), true_sent)
    };
    frames.iter().map(stamp).collect()
}

#[test]
fn the_first_frame_is_stamped_with_its_arrival() {
    let mut fit = Fit::new();
    assert_eq!(fit.stamp(Track::Video, Span::from_secs(77), START), Stamp { t: START, breaks: false });
    assert_eq!(fit.shift(Span::from_secs(76)), START - Span::from_secs(1), "a DTS");
}

#[test]
fn jitter_of_the_network_is_not_in_t_after_ten_seconds() {
    for b_frames in [false, true] {
        let stamps = run(&source(60, b_frames), 0, ms(80), &mut Fit::new());
        assert!(stamps.iter().all(|(_, stamp, _)| !stamp.breaks));
        let settled = stamps.iter().filter(|(pts, ..)| *pts > Span::from_secs(10));
        let anchors: Vec<_> = settled.map(|(pts, stamp, _)| (stamp.t - START) - *pts).collect();
        let spread = |part: &[Span]| *part.iter().max().expect("some") - *part.iter().min().expect("some");
        let jitter = anchors.windows(76).map(spread).max().expect("some");
        assert!(jitter <= ms(1), "jitter {jitter} within a second");
        assert!(spread(&anchors) <= WANDER, "wander {}", spread(&anchors));
    }
}

#[test]
fn a_clock_that_runs_fast_or_slow_is_followed() {
    for drift_ppm in [-200, -50, 50, 200] {
        let stamps = run(&source(120, false), drift_ppm, ms(40), &mut Fit::new());
        assert!(stamps.iter().all(|(_, stamp, _)| !stamp.breaks));
        for (pts, stamp, sent) in stamps.iter().filter(|(pts, ..)| *pts > Span::from_secs(20)) {
            let error = (stamp.t - *sent) - ms(40);
            assert!(error.abs() <= ms(8), "{drift_ppm} ppm: off by {error} at {pts}");
        }
    }
}

#[test]
fn half_the_round_trip_is_taken_off() {
    let mut fit = Fit::new();
    fit.set_rtt(ms(80));
    assert_eq!(fit.stamp(Track::Video, Span::ZERO, START + ms(40)).t, START);
    fit.set_rtt(Span::from_secs(3_600));
    assert_eq!(fit.rtt, RTT_MAX, "no peer moves T by an hour");
}

#[test]
fn equal_pts_have_equal_t_and_reordered_frames_the_order_of_their_pts() {
    let mut fit = Fit::new();
    let mut stamps = run(&source(30, true), 300, ms(60), &mut fit);
    stamps.sort_by_key(|(pts, ..)| *pts);
    for pair in stamps.windows(2) {
        assert_eq!(pair[0].0.cmp(&pair[1].0), pair[0].1.t.cmp(&pair[1].1.t), "{pair:?}");
    }
}

#[test]
fn the_anchor_moves_by_5_percent_at_first_and_500_ppm_later() {
    let frame = ms(20);
    let mut fit = Fit::new();
    fit.stamp(Track::Video, Span::ZERO, START + ms(400));
    let anchor = |fit: &mut Fit, i: i64| {
        let pts = Span::from_micros(i * frame.as_micros());
        (fit.stamp(Track::Video, pts, START + pts).t - START) - pts
    };
    assert_eq!(anchor(&mut fit, 1), ms(400) - ms(1));
    assert_eq!(anchor(&mut fit, 2), ms(400) - ms(2));
    let last = (3..=500).map(|i| anchor(&mut fit, i)).last();
    assert_eq!(last, Some(Span::ZERO), "8 s were enough");
    // From here on the network is faster by 100 ms.
    let pts = Span::from_micros(501 * frame.as_micros());
    let t = fit.stamp(Track::Video, pts, START + pts - ms(100)).t;
    assert_eq!((t - START) - pts, Span::from_micros(-10));
}

/// One track at 50 frames per second that goes on from where it was, by rules that the test changes.
struct Feed {
    fit: Fit,
    pts: Span,
    arrival: MediaTime,
}

impl Feed {
    fn new() -> Self {
        let mut feed = Self { fit: Fit::new(), pts: Span::ZERO, arrival: START };
        feed.steady(1_000);
        feed
    }

    fn step(&mut self, pts: Span, arrival: Span) -> Stamp {
        self.pts = self.pts + pts;
        self.arrival += arrival;
        self.fit.stamp(Track::Video, self.pts, self.arrival)
    }

    /// Breaks met in `frames` regular frames.
    fn steady(&mut self, frames: usize) -> usize {
        (0..frames).filter(|_| self.step(ms(20), ms(20)).breaks).count()
    }
}

#[test]
fn a_pause_of_source_and_arrival_is_no_break() {
    let mut feed = Feed::new();
    assert!(!feed.step(Span::from_secs(3_600), Span::from_secs(3_600)).breaks);
    assert_eq!(feed.steady(1_000), 0);
}

#[test]
fn a_stall_that_is_caught_up_with_is_no_break_with_and_without_frames_left_out() {
    let mut feed = Feed::new();
    assert!(!feed.step(ms(20), Span::from_secs(4)).breaks);
    assert_eq!((0..199).filter(|_| feed.step(ms(20), Span::ZERO).breaks).count(), 0);
    assert_eq!(feed.steady(1_000), 0);
    assert!(!feed.step(ms(20), Span::from_secs(4)).breaks);
    assert!(!feed.step(ms(3_980), Span::ZERO).breaks, "an encoder that dropped what it could not send");
    assert_eq!(feed.steady(1_000), 0);
}

#[test]
fn a_jump_breaks_once_and_t_goes_on_from_arrival() {
    for jump in [Span::from_secs(10), Span::from_secs(-10), ms(1_100), ms(-1_100)] {
        let mut feed = Feed::new();
        let before = feed.step(ms(20), ms(20)).t;
        let after = feed.step(jump, ms(20));
        assert!(after.breaks, "{jump}");
        assert_eq!(after.t - before, ms(20));
        assert_eq!(feed.steady(1_000), 0);
    }
}

#[test]
fn a_source_whose_clock_stood_still_breaks_after_five_seconds() {
    let mut feed = Feed::new();
    assert!(!feed.step(ms(20), Span::from_secs(2)).breaks);
    assert_eq!(feed.steady(249), 0);
    let stamp = feed.step(ms(20), ms(20));
    assert!(stamp.breaks);
    assert_eq!(stamp.t, feed.arrival, "at arrival again");
    assert_eq!(feed.steady(2_000), 0);
}

#[test]
fn a_burst_at_the_start_is_slewed_away_without_a_break_and_without_t_going_back() {
    for burst in [30, 50, 100, 200] {
        let mut feed = Feed { fit: Fit::new(), pts: Span::ZERO, arrival: START };
        let mut last = feed.step(Span::ZERO, Span::ZERO).t;
        for i in 0..6_000 {
            let stamp = feed.step(ms(20), if i < burst { Span::ZERO } else { ms(20) });
            assert!(stamp.t > last && !stamp.breaks, "frame {i} after a burst of {burst}");
            last = stamp.t;
        }
        assert!((feed.arrival - last).abs() <= ms(1), "{burst} frames are made up for, at 5 %");
    }
}

#[test]
fn a_line_that_gets_faster_is_no_break() {
    let mut feed = Feed::new();
    let before = feed.fit.shift(feed.pts) - feed.arrival;
    // What the line held up has been in T from the first frame on.
    assert!(!feed.step(ms(920), ms(20)).breaks);
    assert_eq!(feed.steady(1_500), 0);
    assert_eq!(feed.fit.shift(feed.pts) - feed.arrival, before, "30 s later T is at arrival again");
}

#[test]
fn a_source_that_falls_behind_while_the_fit_settles_is_followed_without_a_break() {
    for late in [ms(510), ms(600), ms(800)] {
        let mut feed = Feed { fit: Fit::new(), pts: Span::ZERO, arrival: START };
        assert_eq!(feed.steady(25), 0);
        assert!(!feed.step(ms(20), late + ms(20)).breaks);
        assert_eq!(feed.steady(1_500), 0, "late by {late}");
        let error = feed.arrival - feed.fit.shift(feed.pts);
        assert!(error.abs() <= WANDER, "late by {late}, and T is off by {error} half a minute later");
    }
}

#[test]
fn a_source_that_falls_behind_too_far_breaks_once_when_the_fit_has_settled() {
    let mut feed = Feed { fit: Fit::new(), pts: Span::ZERO, arrival: START };
    feed.steady(25);
    feed.step(ms(20), Span::from_secs(2));
    assert_eq!(feed.steady(450), 0, "until ten seconds of the source");
    assert_eq!(feed.steady(2_000), 1);
    assert!((feed.arrival - feed.fit.shift(feed.pts)).abs() <= WANDER);
}

#[test]
fn a_source_that_was_late_for_a_moment_is_where_it_was_before() {
    let mut feed = Feed { fit: Fit::new(), pts: Span::ZERO, arrival: START };
    feed.steady(25);
    feed.step(ms(20), ms(720));
    assert_eq!(feed.steady(150), 0);
    // What it was behind comes within a second.
    assert_eq!((0..50).filter(|_| feed.step(ms(20), ms(6)).breaks).count(), 0);
    assert_eq!(feed.steady(1_500), 0);
    assert!((feed.arrival - feed.fit.shift(feed.pts)).abs() <= WANDER);
}

#[test]
fn both_tracks_see_one_break_and_the_other_tracks_stragglers_stay_in_order() {
    let mut fit = Fit::new();
    let mut newest = [MediaTime::default(); 2];
    let mut breaks = 0;
    let mut take = |track: Track, pts: Span, arrival: MediaTime| {
        let stamp = fit.stamp(track, pts, arrival);
        assert!(stamp.t > newest[track as usize], "{track:?} went back at {pts}");
        newest[track as usize] = stamp.t;
        breaks += usize::from(stamp.breaks);
    };
    for (track, pts, sent) in source(20, false) {
        take(track, pts, START + sent);
    }
    // The file starts over: the picture first, while sound from before it is still on the way.
    let again = START + Span::from_secs(20);
    take(Track::Video, Span::ZERO, again);
    take(Track::Audio, Span::from_secs(20), again + ms(2));
    take(Track::Audio, Span::from_secs(20) + ms(21), again + ms(4));
    take(Track::Audio, ms(-10), again + ms(30));
    for (track, pts, sent) in source(20, false).into_iter().skip(4) {
        take(track, pts + ms(1), again + sent + ms(40));
    }
    assert_eq!(breaks, 1);
}

/// Sound that is `late` (or, below zero, early) by its pts from second `from` on, through a network; T of each track with its breaks.
fn apart(late: Span, from: Span) -> (Vec<(Track, Span, MediaTime)>, usize) {
    let mut fit = Fit::new();
    let mut breaks = 0;
    let stamps = source(60, false).into_iter().map(|(track, pts, sent)| {
        let pts = if track == Track::Audio && pts >= from { pts - late } else { pts };
        let stamp = fit.stamp(track, pts, START + sent);
        breaks += usize::from(stamp.breaks);
        (track, pts, stamp.t)
    });
    (stamps.collect(), breaks)
}

#[test]
fn tracks_that_lie_apart_from_the_start_break_nothing_and_stay_as_far_apart() {
    for late in [ms(1_250), ms(-1_250), ms(3_000), ms(-3_000), ms(4_900)] {
        let (stamps, breaks) = apart(late, Span::ZERO);
        assert_eq!(breaks, 0, "late by {late}");
        let at =
            |wanted, pts| stamps.iter().find(|(track, p, _)| *track == wanted && *p == pts).map(|(.., t)| *t);
        // A unit and a picture begin together each eight seconds.
        let both = Span::from_secs(48);
        let (picture, sound) = (at(Track::Video, both), at(Track::Audio, both - late));
        let offset = picture.expect("a picture") - sound.expect("a unit");
        // What came early is being made up for, at 5 %.
        assert!((offset - late).abs().as_micros() <= late.abs().as_micros() / 20 + 1, "{offset} for {late}");
    }
}

#[test]
fn a_track_that_falls_behind_the_other_breaks_once_at_most_and_goes_back_nowhere() {
    for late in [ms(990), ms(1_250), ms(-1_250), ms(4_000), ms(-4_000)] {
        let (stamps, breaks) = apart(late, Span::from_secs(20));
        assert_eq!(breaks, usize::from(late.abs() > JUMP), "late by {late}");
        for wanted in [Track::Video, Track::Audio] {
            let own: Vec<_> = stamps.iter().filter(|(track, ..)| *track == wanted).collect();
            // Without a break it is the track itself that goes back.
            let back = own.windows(2).filter(|pair| pair[1].2 <= pair[0].2 && pair[1].1 > pair[0].1).count();
            assert_eq!(back, 0, "{wanted:?}, late by {late}");
        }
    }
}

#[test]
fn a_publisher_after_one_whose_t_lies_ahead_begins_above_it_and_is_slewed_back() {
    let lead = Span::from_secs(60);
    let floor = START + lead;
    let mut feed = Feed { fit: Fit::new_after(Some(floor)), pts: Span::ZERO, arrival: START };
    let first = feed.step(Span::ZERO, Span::ZERO);
    assert_eq!(first, Stamp { t: floor + EPOCH_GAP, breaks: false });
    // Sound begins a little before the picture: between the two.
    let sound = feed.fit.stamp(Track::Audio, ms(-90), feed.arrival);
    assert!(sound.t > floor && sound.t < first.t && !sound.breaks, "{sound:?}");
    let mut last = first.t;
    for frame in 0..65_000 {
        let stamp = feed.step(ms(20), ms(20));
        assert!(stamp.t > last && !stamp.breaks, "frame {frame}");
        last = stamp.t;
    }
    assert!((last - feed.arrival).abs() <= WANDER, "a minute is made up for, at 5 %");
}

#[test]
fn a_publisher_after_one_whose_t_is_past_begins_at_its_arrival() {
    for (gone, early) in [(ms(6_000), ms(4_900)), (ms(2_000), ms(1_900)), (ms(2), ms(90))] {
        let floor = START - gone;
        let mut fit = Fit::new_after(Some(floor));
        let first = fit.stamp(Track::Video, Span::ZERO, START).t;
        assert_eq!(first, START.max(floor + EPOCH_GAP));
        let sound = fit.stamp(Track::Audio, -early, START);
        assert!(sound.t > floor && sound.t < first && !sound.breaks, "{sound:?} after {gone}");
        if gone > APART_MAX {
            assert_eq!(first - sound.t, early, "their offset is kept");
        }
    }
}

#[test]
fn one_frame_with_a_wrong_time_does_not_make_what_follows_a_straggler() {
    let mut feed = Feed::new();
    let mut last = feed.step(ms(20), ms(20)).t;
    for step in [Span::from_secs(30), Span::from_secs(-30)].into_iter().chain([ms(20); 200]) {
        let t = feed.step(step, ms(20)).t;
        assert!(t > last, "{t} after {last}");
        last = t;
    }
}

#[test]
fn late_sound_that_catches_up_with_frames_left_out_breaks_nothing() {
    let mut fit = Fit::new();
    let late = ms(3_000);
    // Nothing arrives for four seconds, and what was sent in them is gone.
    let is_lost = |sent: Span| sent > Span::from_secs(20) && sent <= Span::from_secs(24);
    let frames = source(60, false).into_iter().filter(|(.., sent)| !is_lost(*sent));
    let breaks = frames.filter(|(track, pts, sent)| {
        let pts = if *track == Track::Audio { *pts - late } else { *pts };
        fit.stamp(*track, pts, START + *sent).breaks
    });
    assert_eq!(breaks.count(), 0);
}

#[test]
fn a_burst_of_a_sparse_and_a_dense_track_breaks_nothing() {
    let mut fit = Fit::new();
    let breaks = source(30, false).into_iter().filter(|(track, pts, sent)| {
        let is_there = *track == Track::Audio || pts.as_micros() % 2_000_000 == 0;
        is_there && fit.stamp(*track, *pts, START + (*sent - Span::from_secs(6)).max(Span::ZERO)).breaks
    });
    assert_eq!(breaks.count(), 0);
}

proptest! {
    /// Whatever a source and a network do, short of stepping back by less than a second, and by no less than a tick of 90 kHz
    /// (11 us): at 5 % of slew a step of one microsecond rounds to none.
    #[test]
    fn t_never_goes_back(
        steps in proptest::collection::vec(
            (
                prop_oneof![8 => 11i64..50_000, 1 => 1_000_000i64..30_000_000, 1 => -30_000_000i64..-1_100_000],
                prop_oneof![8 => 0i64..60_000, 1 => 0i64..10_000_000],
            ),
            1..400,
        ),
        rtt in 0i64..300,
    ) {
        let mut feed = Feed { fit: Fit::new(), pts: Span::ZERO, arrival: START };
        feed.fit.set_rtt(ms(rtt));
        let mut last = feed.step(Span::ZERO, Span::ZERO).t;
        for (pts, arrival) in steps {
            let stamp = feed.step(Span::from_micros(pts), Span::from_micros(arrival));
            prop_assert!(stamp.t > last, "{} after {}", stamp.t, last);
            last = stamp.t;
        }
    }

    #[test]
    fn any_jitter_and_drift_keep_t_a_rising_function_of_pts(
        drift_ppm in -400i64..400,
        jitter_ms in 0i64..400,
        b_frames: bool,
    ) {
        let mut stamps = run(&source(15, b_frames), drift_ppm, ms(jitter_ms), &mut Fit::new());
        stamps.sort_by_key(|(pts, ..)| *pts);
        for pair in stamps.windows(2) {
            prop_assert_eq!(pair[0].0.cmp(&pair[1].0), pair[0].1.t.cmp(&pair[1].1.t));
        }
    }
}
