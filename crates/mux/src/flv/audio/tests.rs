//! Audio tags as encoders send them and as they should not.

use super::*;
use proptest::prelude::*;
use unisono_media::AacError;

fn read(demuxer: &mut AudioDemuxer, tag: &'static [u8]) -> Result<AudioTag, FlvError> {
    demuxer.read(&Bytes::from_static(tag))
}

#[test]
fn an_aac_configuration_and_raw_units() {
    let mut demuxer = AudioDemuxer::new();
    let raw = Bytes::from_static(&[0xaf, 1, 0x21, 0x22]);
    assert_eq!(demuxer.read(&raw), Ok(AudioTag::Nothing), "before the configuration");
    let config = read(&mut demuxer, &[0xaf, 0, 0x11, 0x90]).expect("valid");
    let AudioTag::Config(CodecConfig::Aac(config)) = config else { panic!("{config:?}") };
    assert_eq!((config.sample_rate, config.channels), (48_000, 2));
    let Ok(AudioTag::Frame { payload, samples: 1_024, .. }) = demuxer.read(&raw) else { panic!("a frame") };
    assert_eq!(payload.as_ptr(), raw[2..].as_ptr(), "not copied");
}

#[test]
fn aac_behind_an_enhanced_header_is_the_same_track() {
    let mut demuxer = AudioDemuxer::new();
    let config = read(&mut demuxer, b"\x90mp4a\x11\x90").expect("valid");
    assert!(matches!(config, AudioTag::Config(CodecConfig::Aac(_))));
    let frame = read(&mut demuxer, b"\x91mp4a\x21\x22").expect("valid");
    assert!(
        matches!(frame, AudioTag::Frame { samples: 1_024, ref payload, .. } if payload[..] == [0x21, 0x22])
    );
}

#[test]
fn opus_is_configured_by_its_header_or_else_by_its_first_packet() {
    let mut demuxer = AudioDemuxer::new();
    let head = read(&mut demuxer, b"\x90OpusOpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0").expect("valid");
    assert_eq!(head, AudioTag::Config(CodecConfig::Opus(OpusConfig { channels: 1, pre_skip: 0 })));
    let packet = read(&mut demuxer, b"\x91Opus\xfc\x01").expect("valid");
    assert!(matches!(packet, AudioTag::Frame { config: None, samples: 960, .. }));

    let packet = read(&mut AudioDemuxer::new(), b"\x91Opus\xf4\x01").expect("valid");
    let AudioTag::Frame { config: Some(CodecConfig::Opus(opus)), samples: 480, .. } = packet else {
        panic!("{packet:?}")
    };
    assert_eq!(opus.channels, 2, "the stereo bit of the packet");
}

#[test]
fn a_timestamp_below_the_millisecond_is_told() {
    let frame = read(&mut AudioDemuxer::new(), b"\x97\x02\x05\x16\x15\x01Opus\xfc\x01").expect("valid");
    assert!(matches!(frame, AudioTag::Frame { offset, .. } if offset == Span::from_micros(333)));
}

#[test]
fn what_is_not_taken_is_said() {
    let refuse = |tag: &'static [u8]| {
        let error = read(&mut AudioDemuxer::new(), tag).expect_err("refused");
        assert!(error.is_fatal());
        error.to_string()
    };
    assert!(refuse(&[0x2f, 1]).contains("MP3 is not supported over RTMP; set the encoder to AAC or Opus"));
    assert!(refuse(b"\x91fLaCx").contains("FLAC (fLaC)"));
    assert!(refuse(b"\x90ec-3x").contains("E-AC-3"));
    assert!(refuse(b"\x90OpusOpusHead\x01\x06\0\0").contains("Opus with 6 channels"));
    assert!(refuse(&[0xaf, 0, 0x2b, 0x92, 0x08, 0x00]).contains("HE-AAC"));
    assert!(refuse(&[0xaf, 0, 0x11, 0xb0]).contains("mono or stereo"));
    let broken = read(&mut AudioDemuxer::new(), b"\x91Opus\xff\x3f").expect_err("63 frames");
    assert!(!broken.is_fatal());
    assert!(matches!(refuse_aac(), FlvError::Aac(AacError::ObjectType(29))));
}

fn refuse_aac() -> FlvError {
    read(&mut AudioDemuxer::new(), &[0xaf, 0, 0xeb, 0x8a, 0x08, 0x00]).expect_err("HE-AAC v2")
}

#[test]
fn a_second_track_is_named_and_the_default_one_taken() {
    let other = read(&mut AudioDemuxer::new(), b"\x95\x01Opus\x02\xfc\x01");
    assert_eq!(other, Ok(AudioTag::OtherTrack(2)));
    let both = b"\x95\x11Opus\x01\0\0\x02\xfc\x01\x00\0\0\x02\xfc\x02";
    let tag = read(&mut AudioDemuxer::new(), both).expect("valid");
    assert!(matches!(tag, AudioTag::Frame { ref payload, .. } if payload[..] == [0xfc, 2]));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        tags in proptest::collection::vec((0usize..4, proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let mut demuxer = AudioDemuxer::new();
        for (head, body) in tags {
            let head: &[u8] = [&b""[..], &b"\xaf"[..], &b"\x90Opus"[..], &b"\x91Opus"[..]][head];
            let _ = demuxer.read(&[head, &body].concat().into());
        }
    }
}
