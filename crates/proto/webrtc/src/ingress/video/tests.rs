//! Whatever is lost on the way, a frame that comes out is one that went in.

use super::*;
use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use std::sync::Arc;
use unisono_base::MediaTime;
use unisono_media::{Av1Config, AvcConfig, Frame, HevcConfig, av1, vp8, vp9};
use unisono_mux::rtp::packetize;

const AVC_SPS: [u8; 25] = [
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
];
const HEVC_SPS: [u8; 45] = [
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3f, 0xa0, 0x05, 0x02, 0x01, 0x71, 0xf2, 0xe5, 0xba, 0x4a, 0x4c, 0x2f, 0x01, 0x68, 0x08, 0x00, 0x00,
    0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x40, 0x00, 0x00,
];
const AV1_SEQUENCE: [u8; 11] = [0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10];
const VP8_KEY: [u8; 10] = [0x50, 0x42, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
const VP9_KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0x00];
const FORMATS: [VideoFormat; 5] =
    [VideoFormat::H264, VideoFormat::H265, VideoFormat::Vp8, VideoFormat::Vp9, VideoFormat::Av1];
/// Small, so that a few hundred bytes are several packets.
const PAYLOAD: usize = 100;

fn config(format: VideoFormat) -> CodecConfig {
    let set = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    match format {
        VideoFormat::H264 => {
            let config = AvcConfig::new(set(&AVC_SPS), vec![set(&[0x68, 0xee, 0x3c, 0x80])]);
            CodecConfig::H264(config.expect("valid"))
        }
        VideoFormat::H265 => {
            let config = HevcConfig::new(set(&[0x40, 1, 0x0c]), set(&HEVC_SPS), vec![set(&[0x44, 1, 0xc0])]);
            CodecConfig::H265(config.expect("valid"))
        }
        VideoFormat::Vp8 => CodecConfig::Vp8(vp8::Header::parse(&VP8_KEY).expect("valid").key.expect("key")),
        VideoFormat::Vp9 => CodecConfig::Vp9(vp9::Header::parse(&VP9_KEY).expect("valid").key.expect("key")),
        VideoFormat::Av1 => CodecConfig::Av1(Av1Config::new(&AV1_SEQUENCE).expect("valid")),
    }
}

/// The frame number `index`, told from every other by its bytes.
fn frame(format: VideoFormat, index: usize, length: usize, key: bool) -> Frame {
    let body: Vec<u8> = (0..length).map(|i| (i * 7 + index * 31) as u8 | 1).collect();
    let mut payload = BytesMut::new();
    let mut unit = |header: &[u8]| {
        payload.put_u32((header.len() + body.len()) as u32);
        payload.put_slice(header);
        payload.put_slice(&body);
    };
    match (format, key) {
        (VideoFormat::H264, _) => unit(&[if key { 0x65 } else { 0x41 }, index as u8 | 1]),
        (VideoFormat::H265, _) => unit(&[if key { 0x26 } else { 0x02 }, 1, index as u8 | 1]),
        (VideoFormat::Vp8, true) => payload.put_slice(&[&VP8_KEY[..], &body].concat()),
        (VideoFormat::Vp8, false) => payload.put_slice(&[&[0x31, 0, 0, index as u8][..], &body].concat()),
        (VideoFormat::Vp9, true) => payload.put_slice(&[&VP9_KEY[..], &body].concat()),
        (VideoFormat::Vp9, false) => payload.put_slice(&[&[0x86, index as u8][..], &body].concat()),
        (VideoFormat::Av1, _) => {
            if key {
                payload.put_slice(&Av1Config::new(&AV1_SEQUENCE).expect("valid").sequence_obu);
            }
            let header = [if key { 0x10 } else { 0x30 }, index as u8];
            av1::write_obu(&mut payload, 0x30, &[&header[..], &body].concat());
        }
    }
    let t = MediaTime::from_micros(0);
    let mut frame = Frame::new(t, t, payload.freeze());
    frame.key = key;
    frame
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

/// What comes out of the packets of `frames` without those numbered in `lost`.
fn through(format: VideoFormat, frames: &[Frame], lost: &[usize]) -> Vec<Assembled> {
    let (config, arrived) = (config(format), start());
    let packets = frames.iter().enumerate().flat_map(|(index, frame)| {
        let packets = packetize(frame, &config, PAYLOAD).expect("video");
        packets.list.into_iter().map(move |packet| (index as u32 * 3_000, packet))
    });
    let mut video = Video::default();
    let mut out = Vec::new();
    let mut is_hole = false;
    for (number, (time, packet)) in packets.enumerate() {
        if lost.contains(&number) {
            is_hole = true;
            continue;
        }
        if std::mem::take(&mut is_hole) {
            video.lose();
        }
        let packet = Packet {
            ssrc: 1.into(),
            sequence: number as u64,
            time,
            marker: packet.marker,
            arrived,
            format: Some(format),
            payload: Arc::from(&packet.payload[..]),
        };
        out.extend(video.push(&packet));
    }
    out
}

proptest! {
    #[test]
    fn a_hole_never_makes_a_broken_frame(
        format in 0usize..5, lengths in proptest::collection::vec(1usize..600, 2..20),
        lost in proptest::collection::vec(0usize..80, 0..6),
    ) {
        let format = FORMATS[format];
        let frames: Vec<_> =
            lengths.iter().enumerate().map(|(i, length)| frame(format, i, *length, i % 5 == 0)).collect();
        let out = through(format, &frames, &lost);
        let mut next = 0;
        for assembled in &out {
            let index = (assembled.time / 3_000) as usize;
            prop_assert!(index >= next, "in order, each once");
            prop_assert_eq!(&assembled.frame.payload, &frames[index].payload);
            prop_assert_eq!(assembled.frame.key, frames[index].key);
            prop_assert!(index == next || assembled.frame.key, "after a hole a keyframe comes first");
            next = index + 1;
        }
        if lost.is_empty() {
            prop_assert_eq!(out.len(), frames.len());
        }
    }
}

#[test]
fn a_publisher_may_go_over_to_another_format() {
    let mut video = Video::default();
    let mut seen = Vec::new();
    for (turn, format) in [VideoFormat::Vp8, VideoFormat::H264].into_iter().enumerate() {
        for index in 0..3 {
            // The second format begins with a picture nobody can decode.
            let frame = frame(format, index, 50, index == turn);
            let time = (turn * 3 + index) as u32 * 3_000;
            for packet in packetize(&frame, &config(format), PAYLOAD).expect("video").list {
                let payload = Arc::from(&packet.payload[..]);
                let packet = Packet {
                    ssrc: 1.into(),
                    sequence: 0,
                    time,
                    marker: packet.marker,
                    arrived: start(),
                    format: Some(format),
                    payload,
                };
                seen.extend(video.push(&packet).map(|out| out.config.map(|config| config.name())));
            }
        }
    }
    assert_eq!(seen, [Some("VP8"), None, None, Some("H.264"), None]);
}
