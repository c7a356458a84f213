//! Video tags as encoders send them and as they should not.

use super::*;
use proptest::prelude::*;
use unisono_media::AvcConfig;

/// x264 640x360 zerolatency High 3.0 with VUI.
const SPS: [u8; 25] = [
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
];
/// PPS of id 0 and, with a second bit set, one that differs.
const PPS: [u8; 4] = [0x68, 0xeb, 0xe3, 0xcb];
const PPS_OTHER: [u8; 4] = [0x68, 0xeb, 0xe3, 0xcc];

fn header(length_size: u8, pps: &[u8]) -> Bytes {
    let mut tag =
        vec![0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1e, 0xfc | (length_size - 1), 0xe1, 0, SPS.len() as u8];
    tag.extend_from_slice(&SPS);
    tag.extend_from_slice(&[1, 0, pps.len() as u8]);
    tag.extend_from_slice(pps);
    tag.into()
}

fn frame(composition: [u8; 3], units: &[&[u8]], length_size: usize) -> Bytes {
    let mut tag = vec![0x27, 1];
    tag.extend_from_slice(&composition);
    for unit in units {
        tag.extend_from_slice(&(unit.len() as u32).to_be_bytes()[4 - length_size..]);
        tag.extend_from_slice(unit);
    }
    tag.into()
}

fn avc(config: CodecConfig) -> AvcConfig {
    match config {
        CodecConfig::H264(avc) => avc,
        other => panic!("{other:?}"),
    }
}

fn configured() -> VideoDemuxer {
    let mut demuxer = VideoDemuxer::new();
    assert!(
        matches!(demuxer.read(&header(4, &PPS)), Ok(VideoTag::Config(c)) if avc(c.clone()).sps.width == 640)
    );
    demuxer
}

#[test]
fn a_frame_is_a_view_of_its_tag_with_a_signed_composition_time() {
    let mut demuxer = configured();
    let tag = frame([0xff, 0xff, 0xd7], &[&[0x65, 1, 2]], 4);
    let Ok(VideoTag::Frame { config: None, offset, composition, payload, key: true, droppable: false }) =
        demuxer.read(&tag)
    else {
        panic!("a keyframe")
    };
    assert_eq!((offset, composition), (Span::ZERO, Span::from_millis(-41)));
    assert_eq!(payload.as_ptr(), tag[5..].as_ptr());
}

#[test]
fn a_repeated_sequence_header_is_nothing_and_another_one_is_a_change() {
    let mut demuxer = configured();
    assert_eq!(demuxer.read(&header(4, &PPS)), Ok(VideoTag::Nothing));
    assert!(
        matches!(demuxer.read(&header(4, &PPS_OTHER)), Ok(VideoTag::Config(c)) if avc(c.clone()).pps_nals[0][..] == PPS_OTHER)
    );
}

#[test]
fn parameter_sets_in_band_change_the_configuration_once() {
    let mut demuxer = configured();
    let same = demuxer.read(&frame([0; 3], &[&SPS, &PPS, &[0x65, 1]], 4)).expect("valid");
    assert!(
        matches!(same, VideoTag::Frame { config: None, ref payload, .. } if payload[..] == [0, 0, 0, 2, 0x65, 1])
    );
    let other = demuxer.read(&frame([0; 3], &[&PPS_OTHER, &[0x65, 1]], 4)).expect("valid");
    let VideoTag::Frame { config: Some(config), .. } = other else { panic!("{other:?}") };
    assert_eq!(avc(config).pps_nals, [Bytes::from_static(&PPS_OTHER)], "replaced by id, not added");
    let again = demuxer.read(&frame([0; 3], &[&PPS_OTHER, &[0x65, 1]], 4)).expect("valid");
    assert!(matches!(again, VideoTag::Frame { config: None, .. }));
}

#[test]
fn an_encoder_without_sequence_header_is_understood_from_its_first_keyframe() {
    let mut demuxer = VideoDemuxer::new();
    assert_eq!(demuxer.read(&frame([0; 3], &[&[0x41, 1]], 4)), Ok(VideoTag::Nothing));
    let tag = demuxer.read(&frame([0; 3], &[&SPS, &PPS, &[0x65, 1]], 4)).expect("valid");
    assert!(matches!(tag, VideoTag::Frame { config: Some(_), key: true, .. }));
}

#[test]
fn short_nal_lengths_are_widened() {
    for size in 1..=3 {
        let mut demuxer = VideoDemuxer::new();
        demuxer.read(&header(size, &PPS)).expect("valid");
        let tag = demuxer.read(&frame([0; 3], &[&[0x41, 7], &[0x41, 8]], usize::from(size))).expect("valid");
        let VideoTag::Frame { payload, .. } = tag else { panic!("a frame") };
        assert_eq!(payload[..], [0, 0, 0, 2, 0x41, 7, 0, 0, 0, 2, 0x41, 8]);
    }
}

#[test]
fn a_repeated_sequence_header_does_not_undo_what_came_in_band() {
    let mut demuxer = configured();
    demuxer.read(&frame([0; 3], &[&PPS_OTHER, &[0x65, 1]], 4)).expect("valid");
    assert_eq!(demuxer.read(&header(4, &PPS)), Ok(VideoTag::Nothing));
    let next = demuxer.read(&frame([0; 3], &[&PPS_OTHER, &[0x65, 1]], 4)).expect("valid");
    assert!(matches!(next, VideoTag::Frame { config: None, .. }));
}

#[test]
fn h264_behind_an_enhanced_header_is_the_same_track() {
    let mut demuxer = VideoDemuxer::new();
    let record = header(4, &PPS).slice(5..);
    let start = demuxer.read(&[&b"\x90avc1"[..], &record].concat().into()).expect("valid");
    assert!(matches!(start, VideoTag::Config(c) if avc(c.clone()).sps.width == 640));
    let coded = demuxer.read(&Bytes::from_static(b"\x91avc1\0\0\x28\0\0\0\x02\x65\x01")).expect("valid");
    let VideoTag::Frame { composition, key: true, .. } = coded else { panic!("{coded:?}") };
    assert_eq!(composition, Span::from_millis(40));
    let without_time = demuxer.read(&Bytes::from_static(b"\xa3avc1\0\0\0\x02\x41\x01")).expect("valid");
    assert!(matches!(without_time, VideoTag::Frame { composition: Span::ZERO, key: false, .. }));
    for silent in [&b"\x92avc1"[..], b"\xd4avc1\x02\0\x09colorInfo", b"\xd0\x01", b"\x90avc1"] {
        assert_eq!(demuxer.read(&Bytes::copy_from_slice(silent)), Ok(VideoTag::Nothing));
    }
}

#[test]
fn a_timestamp_below_the_millisecond_is_told() {
    let mut demuxer = configured();
    let tag =
        demuxer.read(&Bytes::from_static(b"\xa7\x02\x0a\x2c\x2b\x03avc1\0\0\0\x02\x41\x01")).expect("valid");
    assert!(matches!(tag, VideoTag::Frame { offset, .. } if offset == Span::from_micros(666)));
}

#[test]
fn a_second_track_is_named_and_the_first_goes_on() {
    let mut demuxer = configured();
    assert_eq!(demuxer.read(&Bytes::from_static(b"\x96\x00hvc1\x01x")), Ok(VideoTag::OtherTrack(1)));
    let next = demuxer.read(&frame([0; 3], &[&[0x41, 1]], 4)).expect("valid");
    assert!(matches!(next, VideoTag::Frame { config: None, .. }));
}

#[test]
fn other_codecs_are_named_with_what_to_set() {
    let refuse = |tag: &'static [u8]| {
        let error = VideoDemuxer::new().read(&Bytes::from_static(tag)).expect_err("refused");
        assert!(error.is_fatal());
        error.to_string()
    };
    assert_eq!(
        refuse(b"\x90vvc1x"),
        "video codec H.266 (vvc1) is not supported over RTMP; set the encoder to H.264, H.265, AV1 or VP9"
    );
    assert!(refuse(&[0x12, 0]).contains("Sorenson"));
    assert!(refuse(&[0x1d, 0, 0, 0, 0]).contains("AV1 without an Enhanced RTMP header"));
    assert!(refuse(b"\x90hvc1\x01").contains("H.265 sequence header is malformed: shorter than 23 bytes"));
    assert!(refuse(b"\x90av01\x01\0\0\0").contains("AV1 sequence header is malformed"));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        tags in proptest::collection::vec((0u8..3, proptest::collection::vec(any::<u8>(), 0..80)), 0..10),
        length_size in 1u8..=4,
    ) {
        let mut demuxer = VideoDemuxer::new();
        demuxer.read(&header(length_size, &PPS)).expect("valid");
        for (packet_type, body) in tags {
            let heads: [&[u8]; 7] =
                [&[0x17], &[0x1c], b"\x91hvc1", b"\x93hvc1", b"\x91av01", b"\x91vp09", b"\x91vp08"];
            for head in heads {
                let legacy = [packet_type];
                let between: &[u8] = if head.len() == 1 { &legacy } else { &[] };
                let tag = [head, between, &body].concat();
                if let Ok(VideoTag::Frame { payload, .. }) = demuxer.read(&Bytes::from(tag)) {
                    prop_assert!(!payload.is_empty());
                }
            }
            let _ = demuxer.read(&Bytes::from(body));
        }
    }

    #[test]
    fn a_damaged_sequence_header_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut tag = header(4, &PPS).to_vec();
        let at = at.index(tag.len());
        tag[at] = byte;
        let _ = VideoDemuxer::new().read(&Bytes::from(tag));
    }
}
