//! Requests that wait.

use crate::common::{Live, Server, attribute, media, until};
use std::time::Duration;
use unisono_gateway_hls::Config;

/// The open segment and how many parts of it are there, from PRELOAD-HINT.
fn next_part(playlist: &str) -> (String, u64, u32) {
    let hint = playlist.lines().find(|l| l.starts_with("#EXT-X-PRELOAD-HINT")).expect("a hint");
    let uri = attribute(hint, "URI").expect("a name").to_owned();
    let mut numbers = uri.rsplit('/').next().expect("a file").split('.');
    let mut next = || numbers.next().expect("a number").to_owned();
    let (segment, part) = (next().parse().expect("decimal"), next().parse().expect("decimal"));
    (uri, segment, part)
}

async fn waiting(server: &Server, count: i64) {
    until("requests wait", || server.metrics.live_objects()[1] == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_publication_releases_playlists_and_the_hinted_part() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(6));
    live.run_to(2_800);
    let (hint, msn, part) = next_part(&server.text("hls/video.m3u8").await);
    let query = format!("hls/video.m3u8?_HLS_msn={msn}&_HLS_part={part}");
    let delta = format!("{query}&_HLS_skip=YES");
    let path = format!("hls/{hint}");
    let requests = async { tokio::join!(server.text(&query), server.text(&delta), server.bytes(&path)) };
    let publish = async {
        waiting(&server, 3).await;
        live.run_to(3_200);
    };
    let ((full, delta, bytes), ()) = tokio::join!(requests, publish);
    assert!(full.contains(&format!("URI=\"{hint}\"")) && delta.contains(&hint));
    assert_eq!(bytes, server.bytes(&path).await, "the same bytes for who comes later");
    assert_eq!(next_part(&full).2, part + 1);
    waiting(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_comes_true_over_a_break_and_what_was_never_announced_is_404() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(6));
    live.run_to(2_800);
    let (hint, segment, part) = next_part(&server.text("hls/video.m3u8").await);
    let path = format!("hls/{hint}");
    let breaks = async {
        waiting(&server, 1).await;
        // The publisher is back: another epoch, another segment. The open part ends short.
        live.publication.break_timeline(0);
        live.next_video = 90;
        live.run_to(3_100);
    };
    let (held, ()) = tokio::join!(server.get(&path), breaks);
    assert_eq!(held.status(), 200);
    let behind = path.replace(&format!("{segment}.{part}."), &format!("{segment}.{}.", part + 1));
    assert_eq!(server.get(&behind).await.status(), 404, "its segment has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_frees_its_place() {
    let server = Server::with(Config { waiters_max: 1, ..Config::default() }).await;
    let mut live = Live::publish(&server.hub, media(6));
    live.run_to(2_800);
    let (_, msn, part) = next_part(&server.text("hls/video.m3u8").await);
    let query = format!("hls/video.m3u8?_HLS_msn={msn}&_HLS_part={part}");
    let url = format!("{}/{query}", server.base);
    let first = tokio::spawn(server.http.get(url).send());
    waiting(&server, 1).await;
    let second = server.get(&query).await;
    assert_eq!(second.status(), 503);
    assert!(second.text().await.expect("words").contains("1 requests wait already"));
    first.abort();
    waiting(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stands_still_times_out_with_503() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(3));
    live.run_to(2_800);
    let (_, msn, part) = next_part(&server.text("hls/video.m3u8").await);
    let query = format!("hls/video.m3u8?_HLS_msn={msn}&_HLS_part={part}");
    // Three target durations of 4 s; well above them only when nothing times out at all.
    let response = tokio::time::timeout(Duration::from_secs(60), server.get(&query)).await.expect("in time");
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_stream_releases_everybody_with_endlist() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(4));
    live.run_to(2_800);
    let (_, msn, part) = next_part(&server.text("hls/video.m3u8").await);
    let query = format!("hls/video.m3u8?_HLS_msn={}&_HLS_part={}", msn + 1, part.min(1));
    let end = async {
        waiting(&server, 1).await;
        server.end(live);
    };
    let (playlist, ()) = tokio::join!(server.text(&query), end);
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    assert!(!playlist.contains("PRELOAD-HINT"));
    assert_eq!(server.text(&format!("hls/video.m3u8?_HLS_msn={}", msn + 50)).await, playlist);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_met_are_refused_in_words() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(3));
    live.run_to(2_800);
    for (query, words) in [
        ("_HLS_part=1", "needs _HLS_msn"),
        ("_HLS_msn=x", "plain decimal number"),
        ("_HLS_msn=99999999999", "too far ahead"),
        ("_HLS_skip=maybe", "YES or v2"),
    ] {
        let response = server.get(&format!("hls/video.m3u8?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let text = response.text().await.expect("words");
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packager_nobody_asks_stops_and_the_next_request_starts_it_again() {
    let server = Server::with(Config { idle_after: Duration::ZERO, ..Config::default() }).await;
    let mut live = Live::publish(&server.hub, media(3));
    live.run_to(2_800);
    let before = server.text("hls/video.m3u8").await;
    until("it stops", || server.metrics.live_objects()[0] == 0).await;
    assert_eq!(server.text("hls/video.m3u8").await, before, "the same bytes as before");
    server.gateway.shutdown().await;
    assert_eq!(server.metrics.live_objects(), [0, 0]);
    assert_eq!(server.get("index.m3u8").await.status(), 503);
}
