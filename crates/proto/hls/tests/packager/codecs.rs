//! Every codec as FFmpeg sends it by Enhanced RTMP (the files are `unisono-mux`'s): what the multivariant playlist says of
//! it, and that what is packaged decodes.

use crate::source::{START, Viewer};
use bytes::Bytes;
use std::{
    process::{Command, Stdio},
    sync::Arc,
};
use unisono_base::{Doorbell, KeyId, Span, StreamId};
use unisono_hub::{Hub, Limits, Publication, Source};
use unisono_media::{CodecConfig, Frame};
use unisono_mux::flv::{AudioDemuxer, AudioTag, VideoDemuxer, VideoTag};
use unisono_proto_hls::{File, FileName, Item, View};

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// Each file has eight pictures at 15 a second, with a keyframe every four or eight.
const PICTURES: i64 = 8;
const PICTURE_US: i64 = 1_000_000 / 15;
/// How often a file is played.
const TIMES: i64 = 16;

struct Recording {
    video: CodecConfig,
    pictures: Vec<(Frame, Span)>,
    audio: Option<CodecConfig>,
    sound: Vec<Bytes>,
}

fn recording(file: &'static [u8]) -> Recording {
    let (mut video, mut audio) = (VideoDemuxer::new(), AudioDemuxer::new());
    let mut recording =
        Recording { video: CodecConfig::Events, pictures: vec![], audio: None, sound: vec![] };
    let mut rest = &file[13..];
    while let Some(head) = rest.first_chunk::<11>() {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let body = Bytes::from_static(&rest[11..11 + length]);
        match head[0] {
            8 => match audio.read(&body).expect("readable") {
                AudioTag::Config(config) => recording.audio = Some(config),
                AudioTag::Frame { payload, .. } => recording.sound.push(payload),
                AudioTag::Nothing | AudioTag::OtherTrack(_) => {}
            },
            9 => match video.read(&body).expect("readable") {
                VideoTag::Config(config) => recording.video = config,
                VideoTag::Frame { config, composition, payload, key, .. } => {
                    recording.video = config.unwrap_or(recording.video);
                    let mut frame = Frame::new(START, START, payload);
                    frame.key = key;
                    recording.pictures.push((frame, composition));
                }
                VideoTag::Nothing | VideoTag::OtherTrack(_) => {}
            },
            _ => {}
        }
        rest = &rest[11 + length + 4..];
    }
    assert_eq!(recording.pictures.len() as i64, PICTURES);
    recording
}

/// The recording played in a loop, packaged and ended.
fn packaged(recording: &Recording) -> Arc<View> {
    let hub = Hub::new(Limits::default());
    let id = StreamId::local("live/alice".parse().expect("valid"));
    let source = Source { protocol: "test", accepts_pli: false };
    let seconds = (START.as_micros() / 1_000_000) as u32;
    let publication: Publication =
        hub.publish(&id, KeyId::new("k"), source, seconds, Arc::new(Silent)).expect("free");
    let mut video = publication.open_track(recording.video.clone());
    let mut audio = recording.audio.clone().map(|config| publication.open_track(config));
    let mut viewer = None;
    for index in 0..TIMES * PICTURES {
        let (picture, composition) = &recording.pictures[(index % PICTURES) as usize];
        let dts = START + Span::from_micros(index * PICTURE_US);
        let mut frame = Frame::new(dts + *composition, dts, picture.payload.clone());
        (frame.dts, frame.key) = (dts, picture.key);
        frame.duration = Span::from_micros(PICTURE_US);
        video.append(publication.epoch(), frame);
        if let Some(audio) = &mut audio {
            let unit = recording.sound[index as usize % recording.sound.len()].clone();
            audio.append(publication.epoch(), Frame::new(dts, dts, unit));
        }
        viewer.get_or_insert_with(|| Viewer::new(publication.stream())).step(publication.stream());
    }
    let mut viewer = viewer.expect("fed");
    viewer.end();
    viewer.view.expect("something to play")
}

/// Attributes of the variant, and the comment lines before it.
fn variant(view: &View) -> (String, Vec<String>) {
    let text = view.multivariant();
    let line = text.lines().find_map(|line| line.strip_prefix("#EXT-X-STREAM-INF:")).expect("one");
    let comments = text.lines().filter(|line| line.starts_with("# ")).map(str::to_owned).collect();
    (line.to_owned(), comments)
}

/// Header and all listed segments of the picture, joined.
fn joined(view: &View) -> (Vec<u8>, u32) {
    let playlist = view.video.as_ref().expect("picture");
    let mut out = Vec::new();
    let mut add = |name: FileName| match playlist.file(&name) {
        File::Bytes(chunks) => out.extend(chunks.concat()),
        File::Expected | File::Unknown => panic!("{name}"),
    };
    let segments = playlist.segments();
    let name = |item| FileName { epoch: segments[0].cut.epoch, kind: unisono_media::Kind::Video, item };
    add(name(Item::Header(segments[0].header)));
    segments.iter().for_each(|segment| add(name(Item::Segment(segment.cut.segment))));
    (out, segments.iter().map(|segment| segment.frames).sum())
}

/// Pictures that ffmpeg decodes; complaints fail.
fn decoded(file: &[u8], name: &str) -> usize {
    let path = std::env::temp_dir().join(format!("unisono-hls-{}-{name}.mp4", std::process::id()));
    std::fs::write(&path, file).expect("written");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "warning", "-i"]).arg(&path);
    ffmpeg.args(["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]);
    let output = ffmpeg.stdin(Stdio::null()).output().expect("ffmpeg is installed");
    std::fs::remove_file(&path).expect("still there");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{name}: {words}");
    output.stdout.len() / (96 * 64)
}

fn check(name: &str, file: &'static [u8], attributes: &str) -> Vec<String> {
    let view = packaged(&recording(file));
    let (line, comments) = variant(&view);
    let shown = line.split_once(",CODECS=").map(|(_, rest)| format!("CODECS={rest}")).expect("codecs");
    assert_eq!(shown, format!("{attributes},STABLE-VARIANT-ID=\"source\""), "{name}");
    let (file, frames) = joined(&view);
    assert!(frames >= 60, "{name}: {frames} frames listed");
    assert_eq!(decoded(&file, name), frames as usize, "{name}");
    // A frame rate guessed from a `moof` would change with each, and GStreamer would drop pictures at every change.
    let chunks = file.windows(4).filter(|word| word == b"moof").count();
    let is_parsed = name.starts_with("hevc");
    assert_eq!(chunks == frames as usize, !is_parsed, "{name}: {chunks} moof for {frames} pictures");
    comments
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../mux/tests/flv/fixtures/", $name, ".flv"))
    };
}

#[test]
fn hevc() {
    let attributes =
        "CODECS=\"hvc1.1.6.L30.90,mp4a.40.2\",RESOLUTION=96x64,FRAME-RATE=15.000,AUDIO=\"audio\"";
    assert!(check("hevc", fixture!("hevc"), attributes).is_empty());
    let alone = "CODECS=\"hvc1.1.6.L30.90\",RESOLUTION=96x64,FRAME-RATE=15.000";
    check("hevc-b-frames", fixture!("hevc-b-frames"), alone);
}

#[test]
fn hevc_of_high_dynamic_range() {
    let attributes = "CODECS=\"hvc1.2.4.L30.90\",RESOLUTION=96x64,FRAME-RATE=15.000,VIDEO-RANGE=PQ";
    check("hevc-pq", fixture!("hevc-pq"), attributes);
}

#[test]
fn av1_and_opus() {
    let attributes = "CODECS=\"av01.0.00M.08,opus\",RESOLUTION=96x64,FRAME-RATE=15.000,AUDIO=\"audio\"";
    check("av1", fixture!("av1"), attributes);
}

#[test]
fn vp9_and_opus() {
    let attributes = "CODECS=\"vp09.00.10.08,opus\",RESOLUTION=96x64,FRAME-RATE=15.000,AUDIO=\"audio\"";
    check("vp9", fixture!("vp9"), attributes);
}

/// ffmpeg plays it; for browsers the playlist says why they do not.
#[test]
fn vp8_says_that_browsers_cannot() {
    let attributes = "CODECS=\"vp08.00.10.08\",RESOLUTION=96x64,FRAME-RATE=15.000";
    let comments = check("vp8", fixture!("vp8"), attributes);
    assert_eq!(comments, ["# The picture is VP8: browsers cannot play it by HLS. Watch by WebRTC."]);
}
