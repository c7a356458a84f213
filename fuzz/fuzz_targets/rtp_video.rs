//! RTP payloads of one picture in any format: the first byte picks it; each payload is a length byte and so many bytes; a
//! length of zero ends the frame. A frame that came out comes out the same after it was packetized again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_base::MediaTime;
use unisono_media::{CodecConfig, Frame};
use unisono_mux::rtp::{VideoFormat, VideoFrame, packetize};

fuzz_target!(|data: &[u8]| {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let format = match first % 5 {
        0 => VideoFormat::H264,
        1 => VideoFormat::H265,
        2 => VideoFormat::Vp8,
        3 => VideoFormat::Vp9,
        _ => VideoFormat::Av1,
    };
    let mut depacketizer = format.depacketizer();
    let mut config: Option<CodecConfig> = None;
    while let Some((&length, after)) = rest.split_first() {
        let (payload, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        if length > 0 {
            depacketizer.is_start(payload);
            if depacketizer.push(payload).is_err() {
                depacketizer.reset();
            }
        } else if let Some(frame) = depacketizer.finish() {
            config = frame.config.clone().or(config);
            if let Some(config) = &config {
                again(format, config, frame);
            }
        }
    }
});

fn again(format: VideoFormat, config: &CodecConfig, original: VideoFrame) {
    let t = MediaTime::from_micros(0);
    let mut frame = Frame::new(t, t, original.payload.clone());
    frame.key = original.key;
    let packets = packetize(&frame, config, 200).expect("video");
    let mut depacketizer = format.depacketizer();
    for packet in &packets.list {
        assert!(packet.payload.len() <= 200);
        if depacketizer.push(&packet.payload).is_err() {
            return depacketizer.reset();
        }
    }
    // NAL units that are only a header are left out on the way.
    if matches!(format, VideoFormat::Vp8 | VideoFormat::Vp9) {
        assert_eq!(depacketizer.finish().expect("whole").payload, original.payload);
    }
}
