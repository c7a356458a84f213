//! Real encoders publish over loopback; their frames stand in the hub in order and with the right configurations.

use crate::support::{Door, OBS_LIKE, ZEROLATENCY, check_audio, check_even, check_video, ffmpeg, gstreamer};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::sync::Arc;
use tokio_rustls::rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
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
    let sound = watched.read(&audio, &mut cursor, 100).await;
    assert_eq!(check_audio(&sound), (48_000, 2));
    check_even(&sound);
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
    let sound = watched.read(&audio, &mut cursor, 50).await;
    assert_eq!(check_audio(&sound), (48_000, 2));
    check_even(&sound);
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
    // Not even: `flvmux` gives sound that is late the time of the picture before it.
    assert_eq!(check_audio(&watched.read(&audio, &mut cursor, 70).await), (48_000, 2));
    door.close().await;
}

fn tls() -> Arc<ServerConfig> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("PKCS 8");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key);
    Arc::new(config.expect("they belong together"))
}

#[tokio::test]
async fn ffmpeg_over_tls() {
    let door = Door::with(|config| config.tls = Some(tls())).await;
    let _encoder = ffmpeg(&door.url(&door.key).replace("rtmp://", "rtmps://"), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    assert_eq!(check_video(&watched.read(&video, &mut cursor, 60).await), (320, 180));
    let (audio, mut cursor) = watched.ring(Kind::Audio).await;
    let sound = watched.read(&audio, &mut cursor, 50).await;
    assert_eq!(check_audio(&sound), (48_000, 2));
    check_even(&sound);
    door.close().await;
}

#[tokio::test]
async fn an_encoder_that_speaks_no_tls_is_closed() {
    let door = Door::with(|config| config.tls = Some(tls())).await;
    let mut encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let ended = tokio::time::timeout(crate::support::DEADLINE, encoder.wait()).await.expect("gives up");
    assert!(!ended.expect("waited for").success());
    assert!(door.hub.stream(&Door::id()).is_none());
    door.close().await;
}
