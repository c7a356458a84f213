//! Real players on a loopback server.

use crate::common::{Live, Server, media};
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
