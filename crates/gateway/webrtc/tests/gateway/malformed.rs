//! Malformed offers and fragments, one kind per line of a table: each is refused with a status and words that name what
//! was wrong, leaves nothing behind, and disturbs nobody.

use crate::common::{Node, PATIENCE, Silent, Viewer, avc, id, slice};
use axum::{body::Body, http::Request};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::KeyId;
use unisono_hub::Source;
use unisono_media::{CodecConfig, Frame};

/// What a table does to a good offer, and what the answer's status and words are.
type Case = (fn(&str) -> String, u16, &'static str);

/// For both doors.
const OFFERS: &[Case] = &[
    (|_| String::new(), 422, "v=0"),
    (|_| "{\"type\":\"offer\",\"sdp\":\"v=0\"}".into(), 422, "v=0"),
    (|_| "v=0\r\n".into(), 422, "no media section"),
    // Cut within a line that is the same in every offer: their lengths differ.
    (|offer| offer.split_inclusive("a=rtpmap:").next().unwrap_or_default().to_owned(), 422, "cannot be read"),
    (|offer| offer.replace("v=0", "v=1"), 422, "v=0"),
    (|offer| format!("{offer}{}", "a=x\r\n".repeat(20_000)), 413, "65536 bytes"),
    (|offer| format!("{offer}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(40)), 422, "at most 32"),
    (|offer| without(offer, "a=ice-ufrag"), 422, "ice-ufrag"),
    (|offer| without(offer, "a=ice-pwd"), 422, "pwd"),
    (|offer| without(offer, "a=fingerprint"), 422, "fingerprint"),
    (
        |offer| offer.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 nonsense"),
        422,
        "cannot be read",
    ),
    (|offer| offer.replace("m=video ", "m=video nonsense "), 422, "cannot be read"),
    (|offer| offer.replace("a=rtpmap:", "a=rtpmap:x"), 422, "cannot be read"),
    (|offer| offer.replace("H264", "H999"), 406, "no codec in common"),
    (|offer| offer.replace("\r\nm=", "\r\nnonsense\r\nm="), 422, "cannot be read"),
];

/// PATCH bodies.
const FRAGMENTS: &[Case] = &[
    (|_| String::new(), 422, "a=ice-ufrag"),
    (|_| "a=ice-ufrag:abcdefgh\r\n".into(), 422, "a=ice-pwd"),
    (|_| "a=ice-ufrag:ab\r\na=ice-pwd:abcdefghabcdefghabcdefgh\r\n".into(), 422, "a=ice-ufrag"),
    (|_| format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", "a".repeat(300), "b".repeat(30)), 422, "a=ice-ufrag"),
    (|_| "a=ice-ufrag:abcdefgh\r\na=ice-pwd:short\r\n".into(), 422, "a=ice-pwd"),
    (|_| "x".repeat(70_000), 413, "65536 bytes"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_malformed_sdp_is_refused_in_words_and_a_session_goes_on() {
    assert!(OFFERS.len() + FRAGMENTS.len() >= 12);
    let node = Node::start(1);
    let source = Source { protocol: "rtmp", accepts_pli: false };
    let publication = node.hub.publish(&id(), KeyId::new("k"), source, 1, Arc::new(Silent)).expect("free");
    let mut video = publication.open_track(CodecConfig::H264(avc()));
    let mut frame = Frame::new(node.now(), node.now(), slice(true, 0, 0, 800));
    frame.key = true;
    video.append(publication.epoch(), frame);
    let mut viewer = Viewer::join(&node).await;
    let sessions = node.metrics.sessions();
    let (_client, _, good, _pending) = Viewer::offer().await;
    let mut wrong = Vec::new();
    for (index, (spoil, status, words)) in OFFERS.iter().enumerate() {
        for (door, key) in [("whep", None), ("whip", Some(node.other_key.reveal()))] {
            let answer = node.post(&format!("/live/alice/{door}"), key, spoil(&good)).await;
            let place = format!("{door}, offer {index} ({words}): {} {}", answer.status, answer.body);
            // A viewer's offer goes the wrong way for WHIP, which may be found first.
            let expected = [*status, if door == "whip" { 406 } else { *status }];
            let is_refused = expected.contains(&answer.status.as_u16())
                && answer.header("content-type") == "application/problem+json"
                && (answer.body.contains(words) || answer.status == 406)
                && !answer.body.contains("0x")
                && !answer.body.contains("PointerOffset");
            if !is_refused {
                wrong.push(place);
            }
        }
    }
    for (index, (spoil, status, words)) in FRAGMENTS.iter().enumerate() {
        let request = Request::patch(&viewer.location)
            .header("content-type", "application/trickle-ice-sdpfrag")
            .header("if-match", "*")
            .body(Body::from(spoil("")))
            .expect("a request");
        let answer = node.request(request).await;
        let place = format!("fragment {index} ({words}): {} {}", answer.status, answer.body);
        if answer.status.as_u16() != *status || !answer.body.contains(words) {
            wrong.push(place);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(node.metrics.sessions(), sessions, "nothing was left behind");
    let deadline = Instant::now() + PATIENCE;
    for index in 1.. {
        let mut frame = Frame::new(node.now(), node.now(), slice(index % 10 == 0, 0, index, 800));
        frame.key = index % 10 == 0;
        video.append(publication.epoch(), frame);
        viewer.step(Duration::from_millis(20)).await;
        if viewer.units().len() > 20 {
            break;
        }
        assert!(Instant::now() < deadline, "the viewer plays on");
    }
    node.gateway.shutdown().await;
}

fn without(offer: &str, start: &str) -> String {
    offer.split_inclusive("\r\n").filter(|line| !line.starts_with(start)).collect()
}
