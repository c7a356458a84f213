//! Video tags as encoders send them and as they should not.

use super::*;
use proptest::prelude::*;

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

fn configured() -> VideoDemuxer {
    let mut demuxer = VideoDemuxer::new();
    assert!(matches!(demuxer.read(&header(4, &PPS)), Ok(VideoTag::Config(c)) if c.sps.width == 640));
    demuxer
}

#[test]
fn a_frame_is_a_view_of_its_tag_with_a_signed_composition_time() {
    let mut demuxer = configured();
    let tag = frame([0xff, 0xff, 0xd7], &[&[0x65, 1, 2]], 4);
    let Ok(VideoTag::Frame { config: None, composition, payload, key: true, droppable: false }) =
        demuxer.read(&tag)
    else {
        panic!("a keyframe")
    };
    assert_eq!(composition, Span::from_millis(-41));
    assert_eq!(payload.as_ptr(), tag[5..].as_ptr());
}

#[test]
fn a_repeated_sequence_header_is_nothing_and_another_one_is_a_change() {
    let mut demuxer = configured();
    assert_eq!(demuxer.read(&header(4, &PPS)), Ok(VideoTag::Nothing));
    assert!(
        matches!(demuxer.read(&header(4, &PPS_OTHER)), Ok(VideoTag::Config(c)) if c.pps_nals[0][..] == PPS_OTHER)
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
    assert_eq!(config.pps_nals, [Bytes::from_static(&PPS_OTHER)], "replaced by id, not added");
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
fn other_codecs_are_named_with_what_to_set() {
    let refuse = |tag: &'static [u8]| {
        let error = VideoDemuxer::new().read(&Bytes::from_static(tag)).expect_err("not H.264");
        assert!(error.is_fatal());
        error.to_string()
    };
    assert!(
        refuse(b"\x90hvc1")
            .starts_with("video codec H.265 (hvc1) is not supported over RTMP; set the encoder")
    );
    assert!(refuse(b"\x91av01").contains("AV1"));
    assert!(refuse(&[0x12, 0]).contains("Sorenson"));
    assert!(refuse(&[0x1c, 0]).contains("H.265"));
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
            let tag = [&[0x17, packet_type][..], &body].concat();
            if let Ok(VideoTag::Frame { payload, .. }) = demuxer.read(&Bytes::from(tag)) {
                prop_assert!(!payload.is_empty());
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
