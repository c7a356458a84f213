//! The stored frames behind our MP4 header, as ffmpeg decodes them.

use crate::{Contents, PICTURES, read};
use std::process::{Command, Stdio};
use unisono_media::CodecConfig;
use unisono_mux::fmp4::{self, Chunking, Fragment, Reference, Sample};

/// One file: header and fragment.
fn mp4(config: &CodecConfig, samples: Vec<Sample>) -> Vec<u8> {
    let reference = Reference { ntp: 0, media_time: 0 };
    let chunking = Chunking::of(config);
    let fragment =
        Fragment { sequence: 1, decode_time: 0, reference, messages: &[], samples: &samples, chunking };
    [fmp4::header(config).expect("written"), fragment.encode().expect("written")].concat()
}

fn pictures(contents: &Contents) -> Vec<u8> {
    let sample = |picture: &crate::Picture| Sample {
        duration: 6_000,
        composition_offset: (picture.composition * 90) as i32,
        is_sync: picture.key,
        payload: picture.payload.clone(),
    };
    mp4(contents.video.last().expect("a configuration"), contents.pictures.iter().map(sample).collect())
}

fn sound(contents: &Contents) -> Vec<u8> {
    let sample = |(samples, payload): &(u32, bytes::Bytes)| Sample {
        duration: *samples,
        composition_offset: 0,
        is_sync: true,
        payload: payload.clone(),
    };
    mp4(&contents.audio[0], contents.sound.iter().map(sample).collect())
}

/// What ffmpeg decodes of `file` in `format`, or its complaints.
fn decoded(file: &[u8], format: &[&str]) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("unisono-mux-{}-{:p}.mp4", std::process::id(), file));
    std::fs::write(&path, file).expect("written");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "warning", "-xerror", "-i"]).arg(&path).args(format).arg("pipe:1");
    let output = ffmpeg.stdin(Stdio::null()).output().expect("ffmpeg is installed");
    std::fs::remove_file(&path).expect("still there");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{words}");
    output.stdout
}

#[test]
fn every_video_codec_decodes_without_a_complaint() {
    let files: [(&str, &'static [u8]); 6] = [
        ("H.265", include_bytes!("fixtures/hevc.flv")),
        ("H.265 with B-frames", include_bytes!("fixtures/hevc-b-frames.flv")),
        ("H.265 in 10 bits", include_bytes!("fixtures/hevc-pq.flv")),
        ("AV1", include_bytes!("fixtures/av1.flv")),
        ("VP9", include_bytes!("fixtures/vp9.flv")),
        ("VP8", include_bytes!("fixtures/vp8.flv")),
    ];
    for (name, file) in files {
        let format = ["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo"];
        let luma = decoded(&pictures(&read(file)), &format);
        assert_eq!(luma.len(), PICTURES * 96 * 64, "{name}");
        let (first, last) = (&luma[..96 * 64], &luma[(PICTURES - 1) * 96 * 64..]);
        assert!(first != last, "{name}: the picture moves");
    }
}

#[test]
fn opus_decodes_without_a_complaint() {
    let contents = read(include_bytes!("fixtures/av1.flv"));
    let samples = decoded(&sound(&contents), &["-ac", "1", "-f", "s16le"]);
    assert_eq!(samples.len(), 2 * contents.sound.iter().map(|(n, _)| *n as usize).sum::<usize>());
    assert!(samples.chunks(2).any(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > 1_000), "the tone");
}
