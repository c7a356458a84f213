//! What stands around the bodies.

use crate::common::{Live, NAME, Server, media};
use unisono_auth::{NewKey, Role, ViewPolicy};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_nobody_publishes_is_404_with_words_and_retry_after() {
    let server = Server::start().await;
    for path in ["index.m3u8", "hls/video.m3u8", "hls/1/video/1.m4s"] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(response.text().await.expect("words").contains(NAME));
    }
    assert_eq!(server.metrics.live_objects(), [0, 0], "nothing was started for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn caching_tags_cors_and_compression() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(5));
    live.run_to(5_000);
    let plain = server.get("hls/video.m3u8").await;
    let header =
        |r: &reqwest::Response, name| r.headers().get(name).map(|v| v.to_str().expect("text").to_owned());
    assert_eq!(header(&plain, "content-type").as_deref(), Some("application/vnd.apple.mpegurl"));
    assert_eq!(header(&plain, "cache-control").as_deref(), Some("public, max-age=2"), "half a target");
    assert_eq!(header(&plain, "access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(header(&plain, "accept-ranges"), None);
    let etag = header(&plain, "etag").expect("tagged");
    let text = plain.text().await.expect("a body");

    let msn = text.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).expect("numbered");
    let blocking = server.get(&format!("hls/video.m3u8?_HLS_msn={msn}")).await;
    assert_eq!(header(&blocking, "cache-control").as_deref(), Some("public, max-age=24"), "six targets");

    let url = format!("{}/hls/video.m3u8", server.base);
    let gzip = server.http.get(&url).header("accept-encoding", "gzip").send().await.expect("answered");
    assert_eq!(header(&gzip, "content-encoding").as_deref(), Some("gzip"));
    let gzip_etag = header(&gzip, "etag").expect("tagged");
    assert_eq!(gzip_etag, format!("{}-gzip\"", etag.trim_end_matches('"')), "other bytes, other tag");
    for tag in [&etag, &gzip_etag] {
        let again = server.http.get(&url).header("if-none-match", tag).send().await.expect("answered");
        assert_eq!(again.status(), 304);
    }

    let segment = text.lines().find(|l| l.ends_with(".m4s") && !l.starts_with('#')).expect("one");
    let file = server.get(&format!("hls/{segment}")).await;
    assert_eq!(header(&file, "content-type").as_deref(), Some("video/mp4"));
    assert_eq!(header(&file, "cache-control").as_deref(), Some("public, max-age=31536000, immutable"));
    assert_eq!(header(&file, "content-encoding"), None, "media is not compressed");
    let length = header(&file, "content-length").expect("known");
    assert_eq!(length, file.bytes().await.expect("a body").len().to_string());

    for path in ["hls/1/video/1.m4s", "hls/x/video/1.m4s", "hls/video/other.m3u8", "hls/data.m3u8"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shared_cache_keeps_what_not_everybody_may_watch() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(5));
    live.run_to(5_000);
    let key = NewKey::generate(Role::Publish, "test").expect("randomness");
    server.access.keyring().add(&key).expect("room");
    server.access.set_rules(Vec::new(), ViewPolicy::Token);
    let ask = async |path: &str| {
        let request = server.http.get(format!("{}/{path}", server.base)).bearer_auth(key.reveal());
        let response = request.send().await.expect("answered");
        assert_eq!(response.status(), 200, "{path}");
        let caching = response.headers()["cache-control"].to_str().expect("text").to_owned();
        (caching, response)
    };
    assert!(ask("index.m3u8").await.0.starts_with("private, max-age="));
    let (caching, playlist) = ask("hls/video.m3u8").await;
    assert_eq!(caching, "private, max-age=2");
    let text = playlist.text().await.expect("a body");
    let segment = text.lines().find(|l| l.ends_with(".m4s") && !l.starts_with('#')).expect("one");
    assert_eq!(ask(&format!("hls/{segment}")).await.0, "private, max-age=31536000, immutable");
    assert_eq!(server.get("hls/video.m3u8").await.status(), 401, "without it nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_multivariant_playlist_tells_what_there_is() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(8));
    live.run_to(8_000);
    let text = server.text("index.m3u8").await;
    for part in [
        "CODECS=\"avc1.42c00d,mp4a.40.2\"",
        "RESOLUTION=320x180",
        "FRAME-RATE=30.000",
        "AUDIO=\"audio\"",
        "STABLE-VARIANT-ID=\"source\"",
        "CHANNELS=\"2\"",
        "\nhls/video.m3u8\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let average = crate::common::attribute(&text, "AVERAGE-BANDWIDTH").expect("there");
    let average: u64 = average.parse().expect("a number");
    let media: usize = live.media.video[..240].iter().map(|p| p.payload.len()).sum::<usize>()
        + live.media.audio.iter().map(|payload| payload.len()).sum::<usize>();
    let truth = media as u64; // bytes in 8 s = bits per second
    assert!(average.abs_diff(truth) * 10 < truth, "{average} is within 10 % of {truth}");
}
