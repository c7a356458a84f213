//! What FFmpeg 8 sends by Enhanced RTMP (`tests/python/flv_fixtures.py` makes the files): each codec's configuration and
//! frames, and that they make an MP4 which decodes.

mod decode;
mod files;

use bytes::Bytes;
use unisono_media::CodecConfig;
use unisono_mux::flv::{AudioDemuxer, AudioTag, VideoDemuxer, VideoTag};

/// Video pictures in each file.
const PICTURES: usize = 8;

/// What a file holds.
#[derive(Default)]
struct Contents {
    video: Vec<CodecConfig>,
    pictures: Vec<Picture>,
    audio: Vec<CodecConfig>,
    /// Samples of each audio frame, and its payload.
    sound: Vec<(u32, Bytes)>,
}

struct Picture {
    /// Milliseconds.
    dts: i64,
    composition: i64,
    key: bool,
    droppable: bool,
    payload: Bytes,
    /// The payload lies in the tag's own memory.
    is_view: bool,
}

/// Tags of an FLV file: type, milliseconds, body.
fn tags(file: &'static [u8]) -> impl Iterator<Item = (u8, i64, Bytes)> {
    let file = Bytes::from_static(file);
    let mut at = 13;
    std::iter::from_fn(move || {
        let head = file.get(at..at + 11)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0i64, |n, byte| n << 8 | i64::from(*byte));
        let (kind, length, time) = (head[0], number(&head[1..4]) as usize, number(&head[4..7]));
        let body = file.slice(at + 11..at + 11 + length);
        at += 11 + length + 4;
        Some((kind, time, body))
    })
}

fn read(file: &'static [u8]) -> Contents {
    let (mut video, mut audio, mut contents) =
        (VideoDemuxer::new(), AudioDemuxer::new(), Contents::default());
    for (kind, dts, body) in tags(file) {
        match kind {
            8 => match audio.read(&body).expect("readable") {
                AudioTag::Config(config) => contents.audio.push(config),
                AudioTag::Frame { samples, payload, .. } => contents.sound.push((samples, payload)),
                AudioTag::Nothing => {}
                AudioTag::OtherTrack(id) => panic!("track {id}"),
            },
            9 => match video.read(&body).expect("readable") {
                VideoTag::Config(config) => contents.video.push(config),
                VideoTag::Frame { config, composition, payload, key, droppable, .. } => {
                    contents.video.extend(config);
                    let is_view = body.as_ptr_range().contains(&payload.as_ptr());
                    let composition = composition.as_micros() / 1_000;
                    contents.pictures.push(Picture { dts, composition, key, droppable, payload, is_view });
                }
                VideoTag::Nothing => {}
                VideoTag::OtherTrack(id) => panic!("track {id}"),
            },
            _ => {}
        }
    }
    contents
}
