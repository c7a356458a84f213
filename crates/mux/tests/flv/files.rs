//! Codec by codec.

use crate::{Contents, PICTURES, read};
use unisono_media::{CodecConfig, Kind, VideoRange, av1};

/// Size, codecs parameter, reordering and range of the newest configuration; keyframes at these indices.
fn check(contents: &Contents, codec: &str, reorders: bool, keys: &[usize]) {
    let config = contents.video.last().expect("a configuration");
    let picture = config.picture().expect("video");
    assert_eq!((picture.width, picture.height), (96, 64));
    assert_eq!((config.rfc6381().as_str(), picture.reorders), (codec, reorders));
    assert_eq!(contents.pictures.len(), PICTURES);
    let found: Vec<_> = contents.pictures.iter().enumerate().filter(|(_, p)| p.key).map(|(i, _)| i).collect();
    assert_eq!(found, keys);
    let mut shown: Vec<_> = contents.pictures.iter().map(|p| p.dts + p.composition).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|w| (60..=73).contains(&(w[1] - w[0]))), "15 pictures a second: {shown:?}");
}

#[test]
fn hevc_without_b_frames() {
    let contents = read(include_bytes!("fixtures/hevc.flv"));
    check(&contents, "hvc1.1.6.L30.90", false, &[0, 4]);
    assert_eq!(contents.video.len(), 1);
    assert!(contents.pictures.iter().all(|p| p.is_view && p.composition == 0));
    let picture = contents.video[0].picture().expect("video");
    assert_eq!((picture.millifps, picture.range), (Some(15_000), VideoRange::Sdr));
    assert_eq!(contents.audio[0].rfc6381(), "mp4a.40.2");
    assert!(contents.sound.iter().all(|(samples, _)| *samples == 1_024));
}

#[test]
fn hevc_with_b_frames_says_so_and_keeps_composition_times() {
    let contents = read(include_bytes!("fixtures/hevc-b-frames.flv"));
    check(&contents, "hvc1.1.6.L30.90", true, &[0]);
    assert!(contents.pictures.iter().any(|p| p.composition > 0));
    assert!(contents.pictures.iter().any(|p| p.droppable), "a B-frame that is no reference");
}

#[test]
fn hevc_of_high_dynamic_range_with_parameter_sets_in_band() {
    let contents = read(include_bytes!("fixtures/hevc-pq.flv"));
    check(&contents, "hvc1.2.4.L30.90", false, &[0, 4]);
    assert_eq!(contents.video[0].picture().expect("video").range, VideoRange::Pq);
    assert_eq!(contents.video.len(), 1, "what is repeated in band is no change");
    assert!(
        contents.pictures.iter().all(|p| p.is_view != p.key),
        "parameter sets are taken out of keyframes"
    );
}

#[test]
fn hevc_by_the_codec_number_of_old_encoders() {
    let (old, new) =
        (read(include_bytes!("fixtures/hevc-legacy.flv")), read(include_bytes!("fixtures/hevc.flv")));
    check(&old, "hvc1.1.6.L30.90", false, &[0, 4]);
    assert_eq!(old.video, new.video);
    assert!(old.pictures.iter().map(|p| &p.payload).eq(new.pictures.iter().map(|p| &p.payload)));
}

#[test]
fn av1_and_opus() {
    let contents = read(include_bytes!("fixtures/av1.flv"));
    check(&contents, "av01.0.00M.08", false, &[0, 4]);
    assert!(contents.pictures.iter().all(|p| p.is_view), "only the delimiter at the start is left out");
    for picture in &contents.pictures {
        let kinds: Vec<_> = av1::obus(&picture.payload).map(|obu| obu.expect("whole").kind).collect();
        assert!(!kinds.contains(&av1::ObuKind::TemporalDelimiter));
        assert_eq!(kinds.contains(&av1::ObuKind::SequenceHeader), picture.key);
    }
    let CodecConfig::Opus(opus) = &contents.audio[0] else { panic!("Opus") };
    assert_eq!((opus.channels, contents.audio[0].kind()), (2, Kind::Audio));
    assert!(contents.sound.iter().all(|(samples, _)| *samples == 960));
}

#[test]
fn vp9_and_mono_opus() {
    let contents = read(include_bytes!("fixtures/vp9.flv"));
    check(&contents, "vp09.00.10.08", false, &[0, 4]);
    assert!(contents.pictures.iter().all(|p| p.is_view));
    let CodecConfig::Opus(opus) = &contents.audio[0] else { panic!("Opus") };
    assert_eq!(opus.channels, 1);
}

#[test]
fn vp8() {
    let contents = read(include_bytes!("fixtures/vp8.flv"));
    check(&contents, "vp08.00.10.08", false, &[0, 4]);
    assert_eq!(contents.video.len(), 1);
}
