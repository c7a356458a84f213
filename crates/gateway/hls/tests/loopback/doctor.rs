//! The playlists of a live stream under `media-doctor`, second by second. By hand, since it takes its time:
//! `MEDIA_DOCTOR=path DOCTOR_SECONDS=60 cargo test -p unisono-gateway-hls --test loopback doctor -- --ignored`

use crate::common::{Live, Server, media};
use std::time::Duration;
use tokio::{process::Command, time::Instant};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs in real time and needs media-doctor"]
async fn media_doctor_finds_nothing() {
    let doctor = std::env::var("MEDIA_DOCTOR").unwrap_or_else(|_| "media-doctor".to_owned());
    let seconds = std::env::var("DOCTOR_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(seconds + 4));
    live.run_to(4_000);
    let begin = Instant::now();
    let file = std::env::temp_dir().join(format!("doctor-{}.m3u8", std::process::id()));
    for second in 0..u64::from(seconds) {
        for step in 0..10 {
            tokio::time::sleep_until(begin + Duration::from_millis(second * 1_000 + step * 100)).await;
            live.run_to(4_000 + (second * 1_000 + step * 100) as i64);
        }
        for path in ["index.m3u8", "hls/video.m3u8", "hls/audio.m3u8", "hls/video.m3u8?_HLS_skip=v2"] {
            let text = server.text(path).await;
            std::fs::write(&file, &text).expect("written");
            let output = Command::new(&doctor).arg("check-hls").arg("--input").arg(&file).output().await;
            let output = output.expect("media-doctor runs");
            let words = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && words.contains("No issues"), "{path}: {words}\n{text}");
        }
    }
    let _ = std::fs::remove_file(&file);
}
