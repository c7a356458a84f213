//! FLV tag bodies of one publisher: each is a length byte and so many bytes, video and audio in turn.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use unisono_mux::flv::{AudioDemuxer, VideoDemuxer, VideoTag};

fuzz_target!(|data: &[u8]| {
    let (mut video, mut audio) = (VideoDemuxer::new(), AudioDemuxer::new());
    let mut rest = Bytes::copy_from_slice(data);
    while !rest.is_empty() {
        let length = usize::from(rest.split_to(1)[0]).min(rest.len());
        let tag = rest.split_to(length);
        if let Ok(VideoTag::Frame { payload, .. }) = video.read(&tag) {
            assert!(!payload.is_empty());
        }
        let _ = audio.read(&tag);
    }
});
