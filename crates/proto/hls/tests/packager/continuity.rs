//! The media time of a rendition has no holes and no overlaps, however T is slewed: each part begins where the one before
//! ended, and what the playlist says of its length is so.

use crate::{
    determinism::shapes,
    source::{Live, START, Shape, Viewer},
};
use mp4_atom::{Any, Decode};
use proptest::prelude::*;
use unisono_base::Span;
use unisono_media::Kind;
use unisono_proto_hls::{Part, Playlist};

/// Decode time of a part's first sample, where its samples end, and T of the first by its `prft`, all in ticks.
struct Extent {
    start: i64,
    end: i64,
    t: i64,
}

fn extent(part: &Part, rate: i64, origin: i64) -> Extent {
    let (mut rest, mut t, mut start, mut end) = (&part.bytes[..], None, None, 0);
    while !rest.is_empty() {
        match Any::decode(&mut rest).expect("a box") {
            Any::Prft(prft) => {
                let seconds = (prft.ntp_timestamp >> 32) as i64 - 2_208_988_800 - origin;
                let fraction = ((prft.ntp_timestamp & 0xffff_ffff) as i128 * i128::from(rate)) >> 32;
                t = Some(seconds * rate + fraction as i64);
            }
            Any::Moof(moof) => {
                let traf = &moof.traf[0];
                let decode = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time as i64;
                start.get_or_insert(decode);
                let duration = |own: Option<u32>| own.or(traf.tfhd.default_sample_duration).expect("known");
                end = decode
                    + traf.trun[0].samples.iter().map(|s| i64::from(duration(s.duration))).sum::<i64>();
            }
            _ => {}
        }
    }
    Extent { start: start.expect("moof"), end, t: t.expect("prft") }
}

/// Checks a rendition from its first segment to its last; returns its length in ticks.
fn assert_continuous(playlist: &Playlist, rate: i64, unit: i64) -> i64 {
    let segments = playlist.segments();
    let origin = i64::from(segments[0].cut.epoch.0) - 86_400;
    let mut expected = None;
    for segment in segments {
        for (i, part) in segment.parts.iter().enumerate() {
            let Extent { start, end, t } = extent(part, rate, origin);
            let number = segment.cut.segment;
            assert_eq!(
                start,
                expected.unwrap_or(start),
                "part {number}.{i} begins where the one before ended"
            );
            assert!((t - start).abs() <= unit, "part {number}.{i}: T is {} ticks off", t - start);
            let announced = part.duration.as_micros();
            let length = (end - start) * 1_000_000 / rate;
            assert!((announced - length).abs() <= 1, "part {number}.{i} lasts {length} us, not {announced}");
            expected = Some(end);
        }
        let parts: i64 = segment.parts.iter().map(|part| part.duration.as_micros()).sum();
        let rounded = segment.parts.len() as i64;
        assert!(
            (0..=rounded).contains(&(segment.duration.as_micros() - parts)),
            "EXTINF is the sum of its parts"
        );
    }
    let first = extent(&segments[0].parts[0], rate, origin).start;
    expected.expect("parts") - first
}

fn watched(shape: Shape) -> Viewer {
    let mut live = Live::new(shape, Span::from_secs(12));
    let mut viewer = Viewer::new(&live.stream);
    live.run_to(16_000, |stream| viewer.step(stream));
    viewer.end();
    viewer
}

#[test]
fn slewed_sound_leaves_units_out_or_holds_them_longer() {
    for (slew_ppm, shown) in [(0, 801), (-50_000, 776), (50_000, 801)] {
        let viewer = watched(Shape { slew_ppm, gop: 60, ..Shape::default() });
        let audio = viewer.view.as_ref().expect("playing").audio.as_ref().expect("sound");
        let frames: u32 = audio.segments().iter().map(|segment| segment.frames).sum();
        assert!(frames.abs_diff(shown) <= 4, "{slew_ppm} ppm: {frames} units, of 800 sent");
        let start = audio.segments()[0].t;
        assert_eq!(start, START);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_part_begins_where_the_one_before_ended(shape in shapes()) {
        let viewer = watched(shape.clone());
        let view = viewer.view.as_ref().expect("playing");
        if let Some(playlist) = view.playlist(Kind::Audio) {
            assert_continuous(playlist, 48_000, 48 * shape.opus_ms);
        }
        // Pictures are where they are to the tick.
        let video = view.playlist(Kind::Video).expect("picture");
        if !shape.reorder.is_positive() {
            assert_continuous(video, 90_000, 1);
        }
    }
}
