//! FLV tag bodies of one publisher, legacy and Enhanced RTMP: each is a length of two bytes and so many bytes; both
//! demuxers get every one.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use unisono_mux::{
    flv::{AudioDemuxer, AudioTag, VideoDemuxer, VideoTag},
    fmp4,
};

fuzz_target!(|data: &[u8]| {
    let (mut video, mut audio) = (VideoDemuxer::new(), AudioDemuxer::new());
    let mut rest = Bytes::copy_from_slice(data);
    while rest.len() > 2 {
        let length = rest.split_to(2);
        let length = usize::from(u16::from_be_bytes([length[0], length[1]])).min(rest.len());
        let tag = rest.split_to(length);
        match video.read(&tag) {
            Ok(VideoTag::Frame { config, payload, .. }) => {
                assert!(!payload.is_empty());
                config.iter().for_each(described);
            }
            Ok(VideoTag::Config(config)) => described(&config),
            Ok(VideoTag::OtherTrack(_) | VideoTag::Nothing) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        match audio.read(&tag) {
            Ok(AudioTag::Frame { config, samples, payload, .. }) => {
                assert!(samples > 0 && !payload.is_empty());
                config.iter().for_each(described);
            }
            Ok(AudioTag::Config(config)) => described(&config),
            Ok(AudioTag::OtherTrack(_) | AudioTag::Nothing) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

/// What every exit asks of a configuration that was accepted.
fn described(config: &unisono_media::CodecConfig) {
    assert!(!config.rfc6381().is_empty());
    let _ = fmp4::header(config);
}
