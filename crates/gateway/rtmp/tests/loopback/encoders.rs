//! Real encoders publish over loopback; their frames stand in the hub in order and with the right configurations.

use crate::support::{Door, OBS_LIKE, ZEROLATENCY, check_audio, check_video, ffmpeg, gstreamer};
use unisono_hub::State;
use unisono_media::Kind;

#[tokio::test]
async fn ffmpeg_without_b_frames() {
    let door = Door::open().await;
    let _encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let frames = watched.read(&video, &mut cursor, 100).await;
    assert_eq!(check_video(&frames), (320, 180));
    assert!(frames.iter().all(|g| g.frame.t == g.frame.dts) && !video.is_reordered());
    let keys: Vec<_> = frames.iter().enumerate().filter(|(_, g)| g.frame.key).map(|(i, _)| i).collect();
    assert_eq!(keys, [0, 30, 60, 90]);

    let (audio, mut cursor) = watched.ring(Kind::Audio).await;
    assert_eq!(check_audio(&watched.read(&audio, &mut cursor, 100).await), (48_000, 2));
    let State::Live { source, .. } = watched.stream.state() else { panic!("live") };
    assert_eq!((source.protocol, source.accepts_pli), ("rtmp", false));
    door.close().await;
    watched.lost().await;
}

#[tokio::test]
async fn ffmpeg_like_obs_with_b_frames() {
    let door = Door::open().await;
    let _encoder = ffmpeg(&door.url(&door.key), OBS_LIKE, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let frames = watched.read(&video, &mut cursor, 100).await;
    assert_eq!(check_video(&frames), (320, 180));
    assert!(video.is_reordered(), "B-frames are known as such");
    let (audio, mut cursor) = watched.ring(Kind::Audio).await;
    assert_eq!(check_audio(&watched.read(&audio, &mut cursor, 50).await), (48_000, 2));
    door.close().await;
}

#[tokio::test]
async fn gstreamer_by_rtmp2sink() {
    let door = Door::open().await;
    let _encoder = gstreamer(&door.url(&door.key));
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let frames = watched.read(&video, &mut cursor, 70).await;
    assert_eq!(check_video(&frames), (320, 180));
    assert!(!video.is_reordered());
    let (audio, mut cursor) = watched.ring(Kind::Audio).await;
    assert_eq!(check_audio(&watched.read(&audio, &mut cursor, 70).await), (48_000, 2));
    door.close().await;
}
