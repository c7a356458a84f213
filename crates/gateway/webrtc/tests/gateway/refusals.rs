//! Every refusal has a status and words; preflight and PATCH follow RFC 9725.

use crate::common::{Client, Node, PATIENCE, Publisher, Silent, Viewer, avc, eventually, id, slice};
use axum::{body::Body, http::Request};
use bytes::Bytes;
use std::sync::Arc;
use unisono_base::{KeyId, Span};
use unisono_hub::Source;
use unisono_media::{AacConfig, CodecConfig, Frame};

const TRICKLE: &str = "application/trickle-ice-sdpfrag";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_is_refused_in_words() {
    let node = Node::start(1);
    let key = node.key.reveal().to_owned();
    let (_client, _, offer, _pending) = Viewer::offer().await;
    let missing = node.post("/live/alice/whip", None, offer.clone()).await;
    assert_eq!((missing.status.as_u16(), missing.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(missing.header("content-type"), "application/problem+json");
    assert_eq!(missing.header("access-control-allow-origin"), "*");
    let wrong = format!("pk_00000000_{}", "0".repeat(32));
    for (status, path, key, body) in [
        (401, "/live/alice/whip", Some(wrong.as_str()), offer.clone()),
        (400, "/api/alice/whip", Some(&key), offer.clone()),
        (422, "/live/alice/whip", Some(&key), "hello".into()),
        (422, "/live/alice/whip", Some(&key), offer.replacen("a=ice-pwd:", "a=ice-pwd:\r\na=ice-pwd:", 1)),
        (406, "/live/alice/whip", Some(&key), offer.clone()), // recvonly: nothing to publish
        (413, "/live/alice/whip", Some(&key), "x".repeat(70_000)),
        (404, "/live/alice/whep", None, offer.clone()),
    ] {
        let answer = node.post(path, key, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains("\"detail\""), "{}", answer.body);
    }
    let typed = Request::post("/live/alice/whep").header("content-type", "text/plain");
    let answer = node.request(typed.body(Body::from(offer)).expect("a request")).await;
    assert_eq!(answer.status, 415);
    assert_eq!(node.metrics.sessions(), (0, 0), "a refused POST leaves nothing");
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_b_frames_is_refused_with_the_encoder_setting() {
    let node = Node::start(1);
    let source = Source { protocol: "rtmp", accepts_pli: false };
    let publication = node.hub.publish(&id(), KeyId::new("k"), source, 1, Arc::new(Silent)).expect("free");
    let mut writer = publication.open_track(CodecConfig::H264(avc()));
    for (index, shift) in [0, 80, 40].into_iter().enumerate() {
        let t = node.now() + Span::from_millis(shift);
        let mut frame = Frame::new(t, t, slice(index == 0, 0, 0, 100));
        frame.key = index == 0;
        writer.append(publication.epoch(), frame);
    }
    let (_client, _, offer, _pending) = Viewer::offer().await;
    let answer = node.post("/live/alice/whep", None, offer).await;
    assert_eq!(answer.status, 406);
    assert!(answer.body.contains("B-frames") && answer.body.contains("HLS"), "{}", answer.body);
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_does_not_get_the_stream_and_patch_follows_the_etag() {
    let node = Node::start(1);
    let publisher = Publisher::start(&node, 1).await;
    let mut api_client = Client::new().await;
    let mut api = api_client.rtc.sdp_api();
    api.add_media(str0m::media::MediaKind::Video, str0m::media::Direction::SendOnly, None, None, None);
    let (offer, _pending) = api.apply().expect("an offer");
    let answer = node.post("/live/alice/whip", Some(node.other_key.reveal()), offer.to_sdp_string()).await;
    assert_eq!(answer.status, 409, "{}", answer.body);

    let patch = |if_match: Option<&str>, body: &str| {
        let mut request = Request::patch(&publisher.location).header("content-type", TRICKLE);
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        request.body(Body::from(body.to_owned())).expect("a request")
    };
    let restart = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghabcdefghabcdefgh\r\n";
    assert_eq!(node.request(patch(None, restart)).await.status, 428);
    assert_eq!(node.request(patch(Some("\"other\""), restart)).await.status, 412);
    assert_eq!(node.request(patch(Some(&publisher.etag), "nonsense")).await.status, 422);
    let restarted = node.request(patch(Some("*"), restart)).await;
    assert_eq!(restarted.status, 200, "{}", restarted.body);
    assert!(
        restarted.body.contains("a=ice-ufrag:") && restarted.body.contains("a=candidate:"),
        "{}",
        restarted.body
    );
    assert_ne!(restarted.header("etag"), publisher.etag);
    assert_eq!(node.request(patch(Some(&publisher.etag), restart)).await.status, 412, "the old one is over");
    assert_eq!(node.request(patch(Some(restarted.header("etag")), restart)).await.status, 204);
    let again = node.request(patch(Some("*"), restart)).await;
    assert_eq!(
        (again.status, again.header("etag"), &again.body),
        (restarted.status, restarted.header("etag"), &restarted.body),
        "a restart whose answer was lost is answered again"
    );

    let options = Request::options("/live/alice/whip").body(Body::empty()).expect("a request");
    let preflight = node.request(options).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("accept-post")), (204, "application/sdp"));
    let guess = format!("/live/alice/whip/{}", "0".repeat(32));
    assert_eq!(node.delete(&guess).await, 404);
    let elsewhere = publisher.location.replace("alice", "bob");
    assert_eq!(node.delete(&elsewhere).await, 404, "a session belongs to its stream");
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

/// One access unit of silence, AAC-LC stereo.
const SILENCE: [u8; 6] = [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aac_becomes_opus_while_somebody_listens() {
    let node = Node::start(1);
    let source = Source { protocol: "rtmp", accepts_pli: false };
    let publication = node.hub.publish(&id(), KeyId::new("k"), source, 1, Arc::new(Silent)).expect("free");
    let aac = AacConfig::parse(Bytes::from_static(&[0x11, 0x90])).expect("48 kHz stereo");
    let mut sound = publication.open_track(CodecConfig::Aac(aac));
    let mut video = publication.open_track(CodecConfig::H264(avc()));
    let start = node.now();
    let mut index = 0i64;
    let mut write = || {
        let t = start + Span::from_micros(index * 21_333);
        let mut frame = Frame::new(t, t, slice(index % 20 == 0, 3, index as u32, 800));
        frame.key = index % 20 == 0;
        video.append(publication.epoch(), frame);
        sound.append(publication.epoch(), Frame::new(t, t, Bytes::from_static(&SILENCE)));
        index += 1;
    };
    write();
    let mut viewer = Viewer::join(&node).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    while viewer.sounds.len() < 20 || viewer.units().len() < 20 {
        assert!(std::time::Instant::now() < deadline, "{} sounds", viewer.sounds.len());
        write();
        viewer.step(std::time::Duration::from_millis(20)).await;
    }
    let steps: Vec<u32> = viewer.sounds.windows(2).map(|w| w[1].0.wrapping_sub(w[0].0)).collect();
    assert!(steps.iter().all(|step| *step == 960), "20 ms each: {steps:?}");
    assert_eq!(node.metrics.live_objects()[2], 1, "one transcoder");
    assert_eq!(node.delete(&viewer.location).await, 200);
    eventually("the transcoder stops", || node.metrics.live_objects() == [0, 0, 0]).await;
    node.gateway.shutdown().await;
}
