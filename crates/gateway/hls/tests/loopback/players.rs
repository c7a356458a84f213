//! Real players on a loopback server.

use crate::common::{Live, Server, media, media_with};
use tokio::process::Command;

async fn ffprobe(url: &str, select: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", select])
        .args(["-show_entries", "stream=codec_name,nb_read_frames,width,height", "-of", "csv=p=0", url])
        .output()
        .await
        .expect("ffprobe runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.trim().is_empty(), "ffprobe: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_every_frame() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(10));
    live.run_to(8_000);
    assert!(server.text("index.m3u8").await.contains("avc1."));
    live.run_to(20_000);
    let (video, audio) = (live.next_video, live.next_audio);
    server.end(live);
    while !server.text("hls/video.m3u8").await.contains("#EXT-X-ENDLIST") {
        tokio::task::yield_now().await;
    }
    let url = format!("{}/index.m3u8", server.base);
    assert_eq!(ffprobe(&url, "v").await, format!("h264,320,180,{video}"));
    assert_eq!(ffprobe(&url, "a").await, format!("aac,{audio}"));
    let decode = Command::new("ffmpeg")
        .args(["-v", "warning", "-i", &url, "-f", "null", "-"])
        .output()
        .await
        .expect("ffmpeg runs");
    let words = String::from_utf8_lossy(&decode.stderr);
    assert!(decode.status.success() && words.trim().is_empty(), "ffmpeg: {words}");
}

/// What OBS sends by default: B-frames and a keyframe each 250 frames. Refused on WHEP, played here.
#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_reordered_frames_of_a_long_group() {
    let server = Server::start().await;
    let encoder = "-preset veryfast -bf 2 -g 250 -x264-params aud=1:scenecut=0:b-adapt=0";
    let mut live = Live::publish(&server.hub, media_with(20, encoder));
    live.run_to(18_000);
    let playlist = server.text("hls/video.m3u8").await;
    assert!(playlist.contains("#EXT-X-TARGETDURATION:10"), "{playlist}");
    live.run_to(40_000);
    let video = live.next_video;
    server.end(live);
    while !server.text("hls/video.m3u8").await.contains("#EXT-X-ENDLIST") {
        tokio::task::yield_now().await;
    }
    let url = format!("{}/index.m3u8", server.base);
    assert_eq!(ffprobe(&url, "v").await, format!("h264,320,180,{video}"));
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "frame=pts_time",
            "-of",
            "csv=p=0",
            &url,
        ])
        .output()
        .await
        .expect("ffprobe runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let shown: Vec<f64> = text.lines().filter_map(|l| l.trim_matches(',').parse().ok()).collect();
    assert_eq!(shown.len(), video);
    assert!(shown.windows(2).all(|w| (w[1] - w[0] - 1.0 / 30.0).abs() < 0.001), "evenly, in order");
}
