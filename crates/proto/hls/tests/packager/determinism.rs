//! The same frames give the same bytes, names and playlists, wherever packaging begins.

use crate::{
    source::{Live, Shape, Viewer},
    text::Playlist,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use unisono_base::Span;
use unisono_media::Kind;
use unisono_proto_hls::{File, FileName};

/// Every file a playlist names, by its name.
fn files(viewer: &Viewer, kind: Kind) -> BTreeMap<String, Bytes> {
    let view = viewer.view.as_ref().expect("something to play");
    let text = viewer.text(kind);
    let names = text.split(['"', '\n']).filter(|word| word.ends_with(".m4s") || word.ends_with(".mp4"));
    let mut files = BTreeMap::new();
    for word in names {
        let mut path = word.split('/');
        let mut next = || path.next().expect("three parts");
        let name = FileName::parse(next(), next(), next()).expect("ours");
        if let File::Bytes(chunks) = view.file(&name) {
            files.insert(word.to_owned(), Bytes::from(chunks.concat()));
        }
    }
    files
}

/// What `late` lists is byte for byte what `early` lists, from `late`'s first segment on.
fn assert_same(early: &Viewer, late: &Viewer, kind: Kind) {
    let (mine, theirs) = (Playlist::parse(&early.text(kind)), Playlist::parse(&late.text(kind)));
    let first = theirs.number("#EXT-X-MEDIA-SEQUENCE");
    for (msn, segment) in &theirs.segments {
        let mut expected = mine.segments[msn].clone();
        if *msn == first {
            expected.discontinuity = false;
        }
        assert_eq!(*segment, expected, "segment {msn}");
    }
    assert_eq!(mine.segments.keys().last(), theirs.segments.keys().last());
    assert_eq!(
        mine.head.get("#EXT-X-PRELOAD-HINT"),
        theirs.head.get("#EXT-X-PRELOAD-HINT"),
        "and both announce the same"
    );
    let mine = files(early, kind);
    for (name, bytes) in files(late, kind) {
        assert_eq!(mine.get(&name), Some(&bytes), "{name}");
    }
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let frame_us = prop_oneof![Just(33_333i64), Just(40_000), Just(16_683), Just(66_667)];
    let gop = prop_oneof![Just(15i64), Just(30), Just(50)];
    let opus_ms = prop_oneof![Just(20i64), Just(20), Just(0)];
    let slew_ppm = prop_oneof![Just(0i64), -50_000i64..50_000];
    (frame_us, 0i64..4_000, gop, prop_oneof![Just(0i64), Just(2)], opus_ms, slew_ppm).prop_map(
        |(frame_us, jitter_us, gop, reorder, opus_ms, slew_ppm)| {
            // Reordering and jitter together would make decode times run backwards.
            let jitter_us = if reorder > 0 { 0 } else { jitter_us };
            Shape { frame_us, jitter_us, gop, reorder, opus_ms, slew_ppm }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn late_packaging_gives_equal_bytes(
        shape in shapes(), begins_ms in 6_000i64..18_000, breaks_ms in 3_000i64..20_000, reconfigures_ms in 3_000i64..20_000,
    ) {
        let mut live = Live::new(shape, Span::from_secs(12));
        let mut early = Viewer::new(&live.stream);
        let mut late: Option<Viewer> = None;
        // The late one looks every 2 s, before the ring has moved on.
        let mut marks: Vec<_> = (2_000..=24_000).step_by(2_000).chain([breaks_ms, reconfigures_ms, begins_ms]).collect();
        marks.sort_unstable();
        for mark in marks {
            // One packager looks after every frame, the other now and then.
            live.run_to(mark, |stream| early.step(stream));
            if mark == breaks_ms {
                live.break_timeline(300);
            }
            if mark == reconfigures_ms {
                live.reconfigure(31);
            }
            if mark >= begins_ms {
                let late = late.get_or_insert_with(|| Viewer::new(&live.stream));
                late.step(&live.stream);
            }
        }
        let mut late = late.expect("begun");
        prop_assert!(late.view.is_some());
        let kinds = early.view.as_ref().expect("playing");
        let kinds: Vec<_> = [Kind::Video, Kind::Audio].into_iter().filter(|k| kinds.playlist(*k).is_some()).collect();
        for kind in &kinds {
            assert_same(&early, &late, *kind);
        }
        early.end();
        late.end();
        for kind in kinds {
            assert_same(&early, &late, kind);
        }
    }

    #[test]
    fn a_full_playlist_is_the_one_before_with_its_delta(shape in shapes(), breaks_ms in 3_000i64..40_000) {
        let mut live = Live::new(shape, Span::from_secs(12));
        let mut viewer = Viewer::new(&live.stream);
        let mut previous: Option<Playlist> = None;
        let mut skipped = 0;
        for ms in (500..60_000).step_by(500) {
            live.run_to(ms, |_| {});
            if ms == breaks_ms / 500 * 500 {
                live.break_timeline(300);
            }
            viewer.step(&live.stream);
            if viewer.view.is_none() {
                continue;
            }
            let full = Playlist::parse(&viewer.text(Kind::Video));
            let delta = Playlist::parse(&viewer.delta(Kind::Video));
            if let Some(previous) = previous {
                prop_assert_eq!(&previous.merge(&delta), &full);
            }
            skipped = skipped.max(delta.skipped);
            previous = Some(full);
        }
        prop_assert!(skipped > 0, "something was left out at some time");
    }
}
