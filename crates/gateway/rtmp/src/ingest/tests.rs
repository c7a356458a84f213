//! Tags in, frames in the hub out; time is made up.

use super::*;
use prometheus_client::registry::Registry;
use std::time::Duration;
use unisono_base::{Doorbell, Epoch, KeyId};
use unisono_hub::{EndReason, GroupHeader, Hub, Limits, Read, Ring, Source};

/// x264 640x360 zerolatency High 3.0, and the same picture at level 3.1.
const SPS: [u8; 25] = [
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
];
const LEVEL_30: u8 = 0x1e;
const LEVEL_31: u8 = 0x1f;
const EPOCH: u32 = 1_800_000_000;

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

struct Bench {
    hub: Arc<Hub>,
    start: Instant,
    clock: NodeClock,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        let clock = NodeClock::new(start, MediaTime::from_micros(i64::from(EPOCH) * 1_000_000));
        Self { hub: Hub::new(Limits::default()), start, clock }
    }

    fn publish(&self) -> Ingest {
        let id = StreamId::local("live/a".parse().expect("valid"));
        let source = Source { protocol: "rtmp", accepts_pli: false };
        let publication =
            self.hub.publish(&id, KeyId::new("k"), source, EPOCH, Arc::new(Silent)).expect("own key");
        Ingest::new(publication, self.clock.clone(), Metrics::register(&mut Registry::default()), Span::ZERO)
    }

    fn at(&self, ms: i64) -> Instant {
        self.start + Duration::from_millis(ms as u64)
    }
}

fn header(level: u8) -> Bytes {
    let mut tag = vec![0x17, 0, 0, 0, 0, 1, 0x64, 0, level, 0xff, 0xe1, 0, SPS.len() as u8];
    tag.extend_from_slice(&SPS[..3]);
    tag.push(level);
    tag.extend_from_slice(&SPS[4..]);
    tag.extend_from_slice(&[1, 0, 4, 0x68, 0xeb, 0xe3, 0xcb]);
    tag.into()
}

fn picture(key: bool) -> Bytes {
    let nal = if key { 0x65 } else { 0x41 };
    Bytes::copy_from_slice(&[0x17, 1, 0, 0, 0, 0, 0, 0, 2, nal, 9])
}

const AAC_HEADER: Bytes = Bytes::from_static(&[0xaf, 0, 0x11, 0x90]);
const AAC_UNIT: Bytes = Bytes::from_static(&[0xaf, 1, 0x21, 0x10]);

/// All frames of a ring from its oldest group on.
fn read(ring: &Ring) -> Vec<(Arc<Frame>, Arc<GroupHeader>)> {
    let mut cursor = ring.oldest_group().expect("a group");
    std::iter::from_fn(|| match ring.read(&mut cursor) {
        Read::Frame { frame, group, .. } => Some((frame, group)),
        _ => None,
    })
    .collect()
}

#[test]
fn a_new_sequence_header_is_a_new_configuration_in_the_same_ring() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    for (ms, tag) in [
        (0, header(LEVEL_30)),
        (0, picture(true)),
        (40, picture(false)),
        (80, header(LEVEL_31)),
        (80, picture(true)),
    ] {
        ingest.video(ms, &tag, bench.at(ms)).expect("valid");
    }
    let ring = ingest.publication.stream().source(Kind::Video).expect("video");
    let levels: Vec<_> = read(&ring)
        .iter()
        .map(|(_, group)| match &*group.config {
            CodecConfig::H264(avc) => avc.sps.level_idc,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(levels, [30, 30, 31]);
}

#[test]
fn a_publisher_that_returns_while_t_lies_ahead_loses_no_frame() {
    let bench = Bench::new();
    // An encoder that reads its file as fast as it can: a minute of media in a moment.
    let mut ahead = bench.publish();
    ahead.video(0, &header(LEVEL_30), bench.at(0)).expect("valid");
    for frame in 0..1_500 {
        ahead.video(frame * 40, &picture(frame % 50 == 0), bench.at(frame / 10)).expect("valid");
    }
    let ring = ahead.publication.stream().source(Kind::Video).expect("video");
    let newest = ring.newest().expect("a frame");
    assert!(newest > bench.clock.at(bench.at(30_000)), "far ahead");
    drop(ahead);
    let mut again = bench.publish();
    again.video(0, &header(LEVEL_30), bench.at(1_000)).expect("valid");
    for frame in 0..50 {
        again.video(frame * 40, &picture(frame == 0), bench.at(1_000 + frame * 40)).expect("valid");
    }
    let frames = read(&ring);
    let times: Vec<_> =
        frames.iter().filter(|(_, group)| group.epoch == Epoch(EPOCH + 1)).map(|(f, _)| f.t).collect();
    assert_eq!(times.len(), 50);
    assert!(times[0] > newest && times.is_sorted());
}

#[test]
fn a_jump_of_the_timestamps_begins_an_epoch_at_the_next_keyframe() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    ingest.video(0, &header(LEVEL_30), bench.at(0)).expect("valid");
    for (timestamp, ms, key) in [(0, 0, true), (40, 40, false), (90_000, 80, false), (90_040, 120, true)] {
        ingest.video(timestamp, &picture(key), bench.at(ms)).expect("valid");
    }
    let frames = read(&ingest.publication.stream().source(Kind::Video).expect("video"));
    let epochs: Vec<_> = frames.iter().map(|(_, group)| group.epoch).collect();
    assert_eq!(epochs, [Epoch(EPOCH), Epoch(EPOCH), Epoch(EPOCH + 1)]);
    assert!(frames.windows(2).all(|w| w[0].0.t < w[1].0.t));
}

#[test]
fn repeated_audio_is_left_out_and_the_rest_is_whole_samples_apart() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    ingest.audio(0, &AAC_HEADER, bench.at(0)).expect("valid");
    for ms in [0, 21, 43, 64, 64, 64, 64, 85] {
        ingest.audio(ms, &AAC_UNIT, bench.at(ms)).expect("valid");
    }
    let frames = read(&ingest.publication.stream().source(Kind::Audio).expect("audio"));
    assert!(frames.windows(2).all(|w| w[0].0.t < w[1].0.t));
    assert!(frames.iter().all(|(f, _)| f.duration == Span::from_micros(21_333) && f.key));
}

#[test]
fn tracks_of_the_publisher_before_are_closed_after_a_second_of_media() {
    let bench = Bench::new();
    let mut first = bench.publish();
    first.audio(0, &AAC_HEADER, bench.at(0)).expect("valid");
    first.audio(0, &AAC_UNIT, bench.at(0)).expect("valid");
    let audio = first.publication.stream().source(Kind::Audio).expect("audio");
    let mut tail = audio.tail();
    drop(first);

    let mut second = bench.publish();
    second.video(0, &header(LEVEL_30), bench.at(5_000)).expect("valid");
    for ms in (0..1_000).step_by(40) {
        second.video(ms, &picture(ms == 0), bench.at(5_000 + ms)).expect("valid");
    }
    assert!(matches!(audio.read(&mut tail), Read::Pending));
    second.video(1_000, &picture(false), bench.at(6_000)).expect("valid");
    assert!(matches!(audio.read(&mut tail), Read::Ended(EndReason::CodecChanged)));
}

#[test]
fn unplayable_media_is_an_error_and_one_bad_tag_is_not() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    ingest.video(0, &header(LEVEL_30), bench.at(0)).expect("valid");
    ingest.video(0, &Bytes::from_static(&[0x17, 1, 0, 0, 0, 9, 9, 9, 9]), bench.at(0)).expect("one tag lost");
    let error = ingest.video(0, &Bytes::from_static(b"\x90vvc1"), bench.at(0)).expect_err("H.266");
    assert!(error.to_string().contains("H.266 (vvc1) is not supported"));
    assert!(ingest.audio(0, &Bytes::from_static(&[0x2f, 0]), bench.at(0)).is_err());
}

/// A VP9 keyframe of so many pixels a side, and a frame that refers to it.
fn vp9(side: u16) -> [Bytes; 2] {
    let size = u32::from(side - 1) << 16 | u32::from(side - 1);
    // Colour and both sides stand half a byte beside the byte borders.
    let bits = (2u64 << 36 | u64::from(size) << 4).to_be_bytes();
    let key = [b"\x91vp09\x82\x49\x83\x42", &bits[3..]].concat();
    [key.into(), Bytes::from_static(b"\xa1vp09\x86\x00\x40")]
}

#[test]
fn another_size_is_a_new_configuration_in_the_same_ring_and_another_codec_a_new_ring() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    let ([small, delta], [large, _]) = (vp9(160), vp9(320));
    for (ms, tag) in [(0, &small), (40, &delta), (80, &large), (120, &delta)] {
        ingest.video(ms, tag, bench.at(ms)).expect("valid");
    }
    let ring = ingest.publication.stream().source(Kind::Video).expect("video");
    let widths: Vec<_> =
        read(&ring).iter().map(|(_, group)| group.config.picture().expect("video").width).collect();
    assert_eq!(widths, [160, 160, 320, 320]);
    let mut tail = ring.tail();
    ingest.video(160, &header(LEVEL_30), bench.at(160)).expect("valid");
    ingest.video(160, &picture(true), bench.at(160)).expect("valid");
    assert!(matches!(ring.read(&mut tail), Read::Ended(EndReason::CodecChanged)));
    let ring = ingest.publication.stream().source(Kind::Video).expect("video");
    assert_eq!(read(&ring)[0].1.config.name(), "H.264");
}

#[test]
fn opus_packets_are_their_own_length_apart() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    // 20, 40 and 60 ms; no sequence header.
    for (ms, packet) in [
        (0, &b"\x91Opus\xfc\x01"[..]),
        (20, b"\x91Opus\xfd\x01"),
        (60, b"\x91Opus\xff\x03\x01"),
        (120, b"\x91Opus\xfc"),
    ] {
        ingest.audio(ms, &Bytes::copy_from_slice(packet), bench.at(ms)).expect("valid");
    }
    let frames = read(&ingest.publication.stream().source(Kind::Audio).expect("audio"));
    let lengths: Vec<_> = frames.iter().map(|(frame, _)| frame.duration.as_micros() / 1_000).collect();
    assert_eq!(lengths, [20, 40, 60, 20]);
    assert_eq!(frames[0].1.config.rfc6381(), "opus");
}

#[test]
fn a_second_track_is_left_out_and_counted() {
    let bench = Bench::new();
    let mut ingest = bench.publish();
    let [key, _] = vp9(160);
    let second = [&b"\x96\x01vp09\x01"[..], &key[5..]].concat();
    ingest.video(0, &key, bench.at(0)).expect("valid");
    ingest.video(0, &second.into(), bench.at(0)).expect("left out");
    assert_eq!(read(&ingest.publication.stream().source(Kind::Video).expect("video")).len(), 1);
}
