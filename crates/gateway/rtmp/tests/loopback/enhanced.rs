//! FFmpeg 8 publishes by Enhanced RTMP (`tests/python/publish_rtmp.py`): each codec stands in the hub with its own
//! configuration, every frame in order.

use crate::support::{Door, check_video, complaint, ffmpeg8};
use std::collections::BTreeSet;
use unisono_base::Span;
use unisono_media::{CodecConfig, Kind};

/// What the script sends unless told otherwise.
const FPS: f64 = 15.0;
const KEYFRAMES: usize = 15;

/// Publishes `video` and checks 45 pictures of it; the codecs parameter must be `codec`.
async fn publish(video: &str, audio: &str, codec: &str, is_reordered: bool) -> Door {
    let door = Door::open().await;
    let _encoder = ffmpeg8(&door.url(&door.key), video, audio);
    let watched = door.stream().await;
    let (ring, mut cursor) = watched.ring(Kind::Video).await;
    let frames = watched.read(&ring, &mut cursor, 45).await;
    assert_eq!(check_video(&frames), (320, 180));
    let config = &frames[0].group.config;
    assert_eq!(config.rfc6381(), codec, "{video}");
    assert_eq!(config.picture().expect("video").reorders, is_reordered);
    assert_eq!(ring.is_reordered(), is_reordered);
    // In order of showing: a keyframe of an open group is sent before pictures that are shown before it.
    let times: BTreeSet<_> = frames.iter().map(|g| g.frame.t).collect();
    let place = |t| times.iter().position(|shown| *shown == t);
    let keys: Vec<_> = frames[..40].iter().filter(|g| g.frame.key).map(|g| place(g.frame.t)).collect();
    assert_eq!(keys, [Some(0), Some(KEYFRAMES), Some(2 * KEYFRAMES)]);
    // RTMP counts milliseconds and T is slewed by up to 5 % at the start.
    let steps = times.iter().zip(times.iter().skip(1)).take(40).map(|(a, b)| (*b - *a).as_secs_f64() * FPS);
    assert!(steps.into_iter().all(|step| (0.9..1.1).contains(&step)), "15 a second");
    if audio == "opus" {
        let (ring, mut cursor) = watched.ring(Kind::Audio).await;
        let frames = watched.read(&ring, &mut cursor, 50).await;
        let CodecConfig::Opus(opus) = &*frames[0].group.config else { panic!("Opus") };
        assert_eq!(opus.channels, 2);
        assert!(frames.iter().all(|g| g.frame.duration == Span::from_millis(20)));
    }
    door
}

#[tokio::test]
async fn hevc_and_aac() {
    publish("hevc", "aac", "hvc1.1.6.L60.90", false).await.close().await;
}

#[tokio::test]
async fn hevc_with_b_frames_is_known_as_such() {
    publish("hevc-b-frames", "none", "hvc1.1.6.L60.90", true).await.close().await;
}

#[tokio::test]
async fn av1_and_opus() {
    publish("av1", "opus", "av01.0.00M.08", false).await.close().await;
}

#[tokio::test]
async fn vp9_and_opus() {
    publish("vp9", "opus", "vp09.00.11.08", false).await.close().await;
}

#[tokio::test]
async fn what_is_not_taken_is_refused_in_words_that_reach_the_encoder() {
    let door = Door::open().await;
    let words = complaint(ffmpeg8(&door.url(&door.key), "h264", "flac")).await;
    assert!(
        words.contains("audio codec FLAC (fLaC) is not supported over RTMP; set the encoder to AAC or Opus"),
        "{words}"
    );
    door.close().await;
}
