//! RFC 8216bis and the project's own rules, one by one.

use crate::{
    source::{Live, START, Shape, Viewer},
    text::{Playlist, attribute, seconds},
};
use mp4_atom::{Any, Decode};
use unisono_base::Span;
use unisono_media::Kind;
use unisono_proto_hls::{File, FileName};

const RING: Span = Span::from_secs(12);

/// A packager that was there from the first frame on.
fn watched(shape: Shape, ms: i64) -> (Live, Viewer) {
    let mut live = Live::new(shape, RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(ms, |stream| viewer.step(stream));
    (live, viewer)
}

fn video(viewer: &Viewer) -> Playlist {
    Playlist::parse(&viewer.text(Kind::Video))
}

#[test]
fn server_control_states_what_low_latency_needs() {
    let (_, viewer) = watched(Shape::default(), 30_000);
    let playlist = video(&viewer);
    let control = &playlist.head["#EXT-X-SERVER-CONTROL"];
    let value = |key| attribute(control, key).map(seconds).expect("there");
    let target = seconds(&playlist.head["#EXT-X-TARGETDURATION"]);
    let part_target = seconds(attribute(&playlist.head["#EXT-X-PART-INF"], "PART-TARGET").expect("there"));
    assert_eq!(attribute(control, "CAN-BLOCK-RELOAD"), Some("YES"));
    assert_eq!(attribute(control, "CAN-SKIP-DATERANGES"), Some("YES"));
    assert_eq!((target, part_target), (4.0, 0.5));
    assert!(value("PART-HOLD-BACK") >= 3.0 * part_target);
    assert!(value("HOLD-BACK") >= 3.0 * target);
    assert!(value("CAN-SKIP-UNTIL") >= 6.0 * target);
    assert_eq!(playlist.head["#EXT-X-VERSION"], "10");
    assert!(playlist.segments.values().all(|s| s.date.ends_with('Z')), "every segment has its date");
    assert!(playlist.head.contains_key("#EXT-X-INDEPENDENT-SEGMENTS"));
}

#[test]
fn dates_are_t_floored_and_parts_add_up_to_it() {
    let (_, viewer) = watched(Shape::default(), 9_000);
    let playlist = video(&viewer);
    let dates: Vec<_> = playlist.segments.values().map(|s| s.date.as_str()).take(2).collect();
    // START ends in .000123 s; a two-second group has 60 frames of 33.333 ms.
    assert_eq!(dates, ["2026-11-21T05:00:00.000Z", "2026-11-21T05:00:02.000Z"]);
    for segment in playlist.segments.values().filter(|s| !s.duration.is_empty()) {
        let sum: f64 = segment.parts.iter().map(|p| seconds(attribute(p, "DURATION").expect("there"))).sum();
        assert!((sum - seconds(&segment.duration)).abs() < 1e-4, "{segment:?}");
    }
}

#[test]
fn parts_keep_to_their_target() {
    for frame_us in [16_667, 33_333, 33_367, 40_000, 41_708, 66_667] {
        for jitter_us in [0, 3_000] {
            let gop = 2_000_000 / frame_us;
            let (_, viewer) = watched(Shape { frame_us, jitter_us, gop, ..Shape::default() }, 20_000);
            for kind in [Kind::Video, Kind::Audio] {
                for segment in Playlist::parse(&viewer.text(kind)).segments.values() {
                    for (i, part) in segment.parts.iter().enumerate() {
                        let duration = seconds(attribute(part, "DURATION").expect("there"));
                        assert!(duration <= 0.5, "{part}");
                        let is_last = i + 1 == segment.parts.len();
                        assert!(duration >= 0.425 || is_last, "{frame_us} {jitter_us} {kind:?} {part}");
                    }
                }
            }
        }
    }
}

#[test]
fn parts_are_listed_up_to_three_targets_from_the_edge() {
    let (_, viewer) = watched(Shape::default(), 40_000);
    let playlist = video(&viewer);
    let mut behind = 0.0;
    for segment in playlist.segments.values().rev() {
        let is_near = behind < 12.0;
        assert_eq!(!segment.parts.is_empty(), is_near, "{behind} s behind: {segment:?}");
        let parts: f64 =
            segment.parts.iter().map(|p| seconds(attribute(p, "DURATION").expect("there"))).sum();
        behind += if segment.duration.is_empty() { parts } else { seconds(&segment.duration) };
    }
    assert!(behind > 24.0, "the window is long enough for delta updates: {behind}");
    assert!(behind < 36.0, "and bounded: {behind}");
}

#[test]
fn independent_parts_start_with_a_keyframe() {
    let (_, viewer) = watched(Shape::default(), 9_000);
    for segment in video(&viewer).segments.values() {
        let marks: Vec<_> = segment.parts.iter().map(|p| p.contains("INDEPENDENT=YES")).collect();
        assert!(marks[0]);
        assert!(
            marks.iter().enumerate().all(|(i, mark)| *mark == (i % 2 == 0)),
            "a key each second: {marks:?}"
        );
    }
    let audio = Playlist::parse(&viewer.text(Kind::Audio));
    assert!(audio.segments.values().flat_map(|s| &s.parts).all(|p| p.contains("INDEPENDENT=YES")));
}

#[test]
fn every_announced_part_comes() {
    for shape in [Shape::default(), Shape { frame_us: 40_000, gop: 25, ..Shape::default() }] {
        let mut live = Live::new(shape, RING);
        let mut viewer = Viewer::new(&live.stream);
        let mut announced: Vec<(Kind, FileName)> = Vec::new();
        for ms in (20..20_000).step_by(20) {
            live.run_to(ms, |_| {});
            if ms == 9_500 {
                live.break_timeline(300);
            }
            viewer.step(&live.stream);
            let Some(view) = &viewer.view else { continue };
            for kind in [Kind::Video, Kind::Audio] {
                let Some(hint) = view.playlist(kind).and_then(|p| p.next_part()) else { continue };
                if !announced.contains(&(kind, hint)) {
                    announced.push((kind, hint));
                }
            }
            announced.retain(|(kind, name)| match view.file(name) {
                File::Expected => true,
                File::Bytes(_) => false,
                File::Unknown => panic!("{name} of {kind:?} was announced and never came"),
            });
        }
        assert!(announced.len() <= 2);
    }
}

#[test]
fn rendition_reports_are_never_ahead() {
    let mut live = Live::new(Shape::default(), RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(10_000, |stream| {
        viewer.step(stream);
        let Some(view) = &viewer.view else { return };
        for (kind, other) in [(Kind::Video, Kind::Audio), (Kind::Audio, Kind::Video)] {
            let playlist = Playlist::parse(
                std::str::from_utf8(&view.playlist(kind).expect("both").full()).expect("text"),
            );
            let report = &playlist.head["#EXT-X-RENDITION-REPORT"];
            assert_eq!(
                attribute(report, "URI"),
                Some(if other == Kind::Video { "video.m3u8" } else { "audio.m3u8" })
            );
            let number = |key| attribute(report, key).and_then(|n| n.parse::<u64>().ok()).expect("a number");
            let there = view.playlist(other).expect("both").full();
            let there = Playlist::parse(std::str::from_utf8(&there).expect("text"));
            let parts = there.segments[&number("LAST-MSN")].parts.len() as u64;
            assert_eq!(number("LAST-PART") + 1, parts, "exactly the newest");
            assert_eq!(there.segments.keys().last(), Some(&number("LAST-MSN")));
        }
    });
}

#[test]
fn a_delta_states_the_header_again() {
    let (_, viewer) = watched(Shape::default(), 40_000);
    let delta = Playlist::parse(&viewer.delta(Kind::Video));
    assert!(delta.skipped > 0);
    let first = delta.segments.values().next().expect("some left");
    assert!(!first.map.is_empty() && !first.date.is_empty());
}

#[test]
fn a_new_epoch_and_a_new_sps_are_discontinuities_in_both_renditions() {
    let mut live = Live::new(Shape::default(), RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(5_000, |stream| viewer.step(stream));
    live.reconfigure(31);
    live.keyframe_now();
    live.run_to(9_000, |stream| viewer.step(stream));
    live.break_timeline(300);
    live.run_to(14_000, |stream| viewer.step(stream));
    let breaks = |kind| -> Vec<_> {
        let playlist = Playlist::parse(&viewer.text(kind));
        assert_eq!(playlist.number("#EXT-X-DISCONTINUITY-SEQUENCE"), 0);
        playlist
            .segments
            .iter()
            .filter(|(_, s)| s.discontinuity)
            .map(|(msn, s)| (*msn, s.map.clone()))
            .collect()
    };
    let (video, audio) = (breaks(Kind::Video), breaks(Kind::Audio));
    assert_eq!(video.len(), 2);
    assert!(video.iter().map(|b| b.0).eq(audio.iter().map(|b| b.0)), "at the same segments");
    let view = viewer.view.as_ref().expect("playing");
    for (_, map) in video.iter().chain(&audio) {
        let uri = attribute(map, "URI").expect("there");
        let mut path = uri.split('/');
        let mut next = || path.next().expect("three parts");
        let name = FileName::parse(next(), next(), next()).expect("ours");
        assert!(matches!(view.file(&name), File::Bytes(_)), "{name}");
    }
    assert!(video[0].1.contains("init-1.mp4") && video[1].1.contains("init-2.mp4"));
}

#[test]
fn discontinuity_sequence_counts_what_left_the_playlist() {
    let mut live = Live::new(Shape::default(), RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(5_000, |stream| viewer.step(stream));
    live.break_timeline(300);
    live.run_to(60_000, |stream| viewer.step(stream));
    let playlist = video(&viewer);
    assert_eq!(playlist.number("#EXT-X-DISCONTINUITY-SEQUENCE"), 1);
    assert!(playlist.segments.values().all(|s| !s.discontinuity));
}

#[test]
fn a_long_group_gets_the_long_target_and_loses_no_keyframe() {
    let (_, viewer) = watched(Shape { gop: 250, ..Shape::default() }, 40_000);
    let playlist = video(&viewer);
    assert_eq!(playlist.number("#EXT-X-TARGETDURATION"), 10);
    assert!(playlist.head.contains_key("#EXT-X-INDEPENDENT-SEGMENTS"));
}

#[test]
fn an_endless_group_is_cut_without_a_keyframe_and_says_so() {
    let (_, viewer) = watched(Shape { gop: 1_000_000, ..Shape::default() }, 40_000);
    let playlist = video(&viewer);
    assert_eq!(playlist.number("#EXT-X-TARGETDURATION"), 10);
    assert!(!playlist.head.contains_key("#EXT-X-INDEPENDENT-SEGMENTS"));
    assert!(playlist.segments.values().all(|s| s.duration.is_empty() || seconds(&s.duration) <= 10.1));
}

#[test]
fn no_playlist_before_the_target_is_known() {
    let mut live = Live::new(Shape::default(), RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(1_500, |stream| viewer.step(stream));
    assert!(viewer.view.is_none());
    live.run_to(3_000, |stream| viewer.step(stream));
    assert!(viewer.view.is_some());
}

#[test]
fn sound_alone_and_picture_alone_play() {
    let (_, viewer) = watched(Shape { frame_us: 0, ..Shape::default() }, 12_000);
    let view = viewer.view.as_ref().expect("playing");
    assert!(view.video.is_none());
    let text = view.multivariant();
    assert!(text.contains("CODECS=\"opus\"") && text.ends_with("hls/audio.m3u8\n"), "{text}");
    assert!(!text.contains("EXT-X-MEDIA:"));
    let (_, viewer) = watched(Shape { opus_ms: 0, ..Shape::default() }, 12_000);
    let view = viewer.view.as_ref().expect("playing");
    assert!(view.audio.is_none());
    assert!(!view.multivariant().contains("AUDIO="));
}

#[test]
fn a_picture_that_pauses_leaves_gaps_not_holes_in_the_numbers() {
    let mut live = Live::new(Shape::default(), RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(5_000, |stream| viewer.step(stream));
    // Only sound for 9 s.
    live.pause_picture(9_000, |stream| viewer.step(stream));
    live.run_to(20_000, |stream| viewer.step(stream));
    let playlist = video(&viewer);
    let numbers: Vec<_> = playlist.segments.keys().copied().collect();
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1));
    assert!(playlist.segments.values().any(|s| s.gap));
    let target = playlist.number("#EXT-X-TARGETDURATION") as f64;
    for segment in playlist.segments.values().filter(|s| !s.duration.is_empty()) {
        assert!(seconds(&segment.duration).round() <= target, "{segment:?}");
    }
    let audio = Playlist::parse(&viewer.text(Kind::Audio));
    assert!(audio.segments.values().all(|s| !s.gap));
}

#[test]
fn frames_rarer_than_parts_keep_the_part_target() {
    let (_, viewer) = watched(Shape { frame_us: 1_000_000, gop: 2, ..Shape::default() }, 20_000);
    for segment in video(&viewer).segments.values().filter(|s| !s.duration.is_empty()) {
        assert_eq!(segment.duration, "2.000000");
        let durations: Vec<_> = segment.parts.iter().filter_map(|p| attribute(p, "DURATION")).collect();
        assert!(
            durations.iter().all(|d| *d == "0.500000"),
            "announced no longer than a part may be: {durations:?}"
        );
    }
}

#[test]
fn b_frames_are_shown_at_their_t() {
    let (_, viewer) = watched(Shape { reorder: 2, frame_us: 40_000, gop: 50, ..Shape::default() }, 9_000);
    let view = viewer.view.as_ref().expect("playing");
    let playlist = view.video.as_ref().expect("picture");
    let epoch = i64::from(playlist.segments()[0].cut.epoch.0);
    let mut shown: Vec<i64> = Vec::new();
    for segment in playlist.segments() {
        for part in &segment.parts {
            let mut rest = &part.bytes[..];
            while !rest.is_empty() {
                let Any::Moof(moof) = Any::decode(&mut rest).expect("a box") else { continue };
                let mut at = moof.traf[0].tfdt.as_ref().expect("tfdt").base_media_decode_time as i64;
                for sample in moof.traf[0].trun[0].samples.iter() {
                    shown.push(at + sample.cts.unwrap_or(0) + (epoch - 86_400) * 90_000);
                    at += i64::from(
                        sample.duration.or(moof.traf[0].tfhd.default_sample_duration).expect("known"),
                    );
                }
            }
        }
    }
    shown.sort_unstable();
    let expected: Vec<_> =
        (0..shown.len()).map(|i| (START + Span::from_micros(i as i64 * 40_000)).to_ticks(90_000)).collect();
    assert_eq!(shown, expected);
}

#[test]
fn an_event_goes_with_the_first_frame_at_or_after_it() {
    let mut live = Live::new(Shape { opus_ms: 0, ..Shape::default() }, RING);
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(2_900, |stream| viewer.step(stream));
    viewer.event(1, START + Span::from_millis(4_100));
    viewer.event(2, START + Span::from_millis(1_000));
    live.run_to(6_000, |stream| viewer.step(stream));
    let view = viewer.view.as_ref().expect("playing");
    let mut found = Vec::new();
    for segment in view.video.as_ref().expect("picture").segments() {
        for (i, part) in segment.parts.iter().enumerate() {
            let mut rest = &part.bytes[..];
            while !rest.is_empty() {
                if let Any::Emsg(emsg) = Any::decode(&mut rest).expect("a box") {
                    found.push((emsg.id, segment.t - START, i));
                }
            }
        }
    }
    let at = |ms: i64| Span::from_micros(ms * 1_000);
    let rounded: Vec<_> =
        found.iter().map(|(id, t, i)| (*id, at((t.as_micros() + 500) / 1_000), *i)).collect();
    assert_eq!(rounded, [(2, at(2_000), 1), (1, at(4_000), 0)], "the late one in the part that was open");
}
