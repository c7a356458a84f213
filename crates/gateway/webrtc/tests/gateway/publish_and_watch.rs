//! WHIP in, WHEP out, through the real routes and the real UDP port.

use crate::common::{Node, Publisher, Viewer, access_unit, eventually, id, picture_of};
use bytes::Bytes;
use std::time::{Duration, Instant};
use unisono_hub::{State, Viewer as Counted};
use unisono_media::Frame;

fn in_order_and_exact(units: &[(u32, Bytes)], seed: u8) {
    let pictures: Vec<_> = units.iter().map(|(_, unit)| picture_of(unit)).collect();
    for ((_, unit), (from, index)) in units.iter().zip(&pictures) {
        assert_eq!(*from, seed);
        assert_eq!(*unit, access_unit(seed, *index), "picture {index} is bit-exact");
    }
    assert!(pictures.windows(2).all(|w| w[1].1 == w[0].1 + 1), "without a gap: {pictures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_sound_mapping_and_events_arrive_and_everything_is_given_back() {
    let node = Node::start(2);
    let publisher = Publisher::start(&node, 1).await;
    let mut viewer = Viewer::join(&node).await;
    viewer.watch("100 pictures", |v| v.units().len() >= 100 && v.sounds.len() >= 40).await;
    in_order_and_exact(&viewer.units(), 1);
    assert!(viewer.sounds.iter().all(|(_, sound)| sound[..] == [0xfc, 1, 1, 2, 3]));

    // The mapping gives each picture the T that the hub has for it.
    let stream = node.stream();
    let mapping =
        viewer.messages_of("mapping").into_iter().find(|m| m["kind"] == "video").expect("told").clone();
    assert_eq!((mapping["rate"].as_u64(), mapping["t0"].is_i64()), (Some(90_000), true));
    let ring = stream.source(unisono_media::Kind::Video).expect("a track");
    let mut cursor = ring.oldest_group().expect("a group");
    let unisono_hub::Read::Frame { frame, group, .. } = ring.read(&mut cursor) else { panic!("a frame") };
    assert_eq!(mapping["epoch"], group.epoch.0);
    if let Some((rtp, _)) = viewer.units().iter().find(|(_, unit)| *unit == frame.payload) {
        let ticks = i64::from(rtp.wrapping_sub(mapping["rtp0"].as_u64().expect("u32") as u32) as i32);
        let t = mapping["t0"].as_i64().expect("integer") + ticks * 100 / 9;
        assert!((t - frame.t.as_micros()).abs() <= 12, "within one tick");
    }

    let event = Bytes::from(r#"{"id":"e1","type":"goal","at":1}"#);
    stream.append_event(Frame::new(node.now(), node.now(), event));
    viewer.watch("the event", |v| !v.messages_of("event").is_empty()).await;
    assert_eq!(viewer.messages_of("event")[0]["event"]["id"], "e1");

    assert_eq!(node.metrics.sessions(), (1, 1));
    assert_eq!(stream.viewers(Counted::WebRtc), 1);
    assert!(node.metric("unisono_webrtc_frame_latency_seconds_count") >= 50.0);
    assert!(node.metric("unisono_webrtc_first_keyframe_seconds_count") >= 1.0);

    assert_eq!(node.delete(&viewer.location).await, 200);
    assert_eq!(stream.viewers(Counted::WebRtc), 0);
    assert_eq!(node.delete(&viewer.location).await, 404, "only once");
    assert_eq!(node.delete(&publisher.location).await, 200);
    assert_eq!(stream.state(), State::Lost);
    assert_eq!(node.metrics.sessions(), (0, 0));
    assert_eq!(node.metrics.live_objects(), [0, 0, 0]);
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_returns_takes_over_and_viewers_stay() {
    let node = Node::start(2);
    let first = Publisher::start(&node, 1).await;
    let mut viewers = Vec::new();
    for _ in 0..4 {
        viewers.push(Viewer::join(&node).await);
    }
    for viewer in &mut viewers {
        viewer.watch("the first publisher", |v| v.units().len() >= 20).await;
    }
    let second = Publisher::start(&node, 2).await;
    eventually("the first session is closed", || node.metrics.sessions().0 == 1).await;
    for viewer in &mut viewers {
        let of_second = |v: &Viewer| v.units().iter().filter(|(_, u)| picture_of(u).0 == 2).count();
        viewer.watch("the second publisher", |v| of_second(v) >= 60).await;
        let units = viewer.units();
        let split = units.iter().position(|(_, u)| picture_of(u).0 == 2).expect("seen");
        in_order_and_exact(&units[..split], 1);
        in_order_and_exact(&units[split..], 2);
        let epochs: Vec<_> = viewer.messages_of("mapping").iter().map(|m| m["epoch"].as_u64()).collect();
        assert!(epochs.windows(2).all(|w| w[0] <= w[1]) && epochs.first() < epochs.last(), "{epochs:?}");
        assert!(viewer.is_alive());
    }
    first.vanish().await;
    second.vanish().await;
    node.gateway.shutdown().await;
    assert_eq!(node.metrics.sessions(), (0, 0));
    assert_eq!(node.metrics.live_objects(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_on_the_port_disturb_nobody() {
    let node = Node::start(2);
    let publisher = Publisher::start(&node, 1).await;
    let mut viewer = Viewer::join(&node).await;
    viewer.watch("pictures", |v| v.units().len() >= 20).await;
    let port = node.gateway.local_addr();
    let noise = tokio::spawn(async move {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for round in 0..4_000u32 {
            let mut bytes = Vec::new();
            for _ in 0..(round % 1_300) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((state >> 56) as u8);
            }
            // Often what looks like STUN, DTLS or RTP.
            if let (Some(first), kind) = (bytes.first_mut(), round % 4) {
                *first = [0, 22, 0x80, *first][kind as usize];
            }
            let _ = socket.send_to(&bytes, port).await;
            if round.is_multiple_of(64) {
                tokio::task::yield_now().await;
            }
        }
    });
    let before = viewer.units().len();
    viewer.watch("undisturbed", |v| v.units().len() >= before + 150).await;
    noise.await.expect("sent");
    in_order_and_exact(&viewer.units(), 1);
    assert!(node.metric("unisono_webrtc_drops_total{reason=\"unknown_peer\"}") >= 1_000.0);
    assert_eq!(node.metrics.sessions(), (1, 1));
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_viewer_gets_the_keyframe_and_all_that_followed() {
    let node = Node::start(1);
    let publisher = Publisher::start(&node, 1).await;
    let _first = Viewer::join(&node).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    let mut late = Viewer::join(&node).await;
    late.watch("pictures", |v| v.units().len() >= 60).await;
    let units = late.units();
    in_order_and_exact(&units, 1);
    assert!(picture_of(&units[0].1).1.is_multiple_of(50), "it begins with a keyframe");
    assert_eq!(id(), *node.stream().id());
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_says_so_to_its_viewers() {
    let node = Node::start(1);
    let publisher = Publisher::start(&node, 1).await;
    let mut viewer = Viewer::join(&node).await;
    viewer.watch("pictures", |v| v.units().len() >= 10 && !v.messages.is_empty()).await;
    assert_eq!(node.delete(&publisher.location).await, 200);
    let now = Instant::now();
    node.hub.sweep(now);
    node.hub.sweep(now + Duration::from_secs(31));
    viewer.watch("the end", |v| !v.messages_of("end").is_empty()).await;
    assert_eq!(viewer.messages_of("end")[0]["reason"], "the stream has ended");
    eventually("all is given back", || {
        node.metrics.sessions() == (0, 0) && node.metrics.live_objects() == [0, 0, 0]
    })
    .await;
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_is_moved_between_workers_notices_nothing() {
    let node = Node::start(3);
    let publisher = Publisher::start(&node, 1).await;
    let mut viewer = Viewer::join(&node).await;
    viewer.watch("pictures", |v| v.units().len() >= 20).await;
    let listed = node.hub.sessions().page(None, 10, |session| session.entrance().protocol == "whep");
    let [session] = &listed[..] else { panic!("one viewer") };
    assert!(!session.move_to(3), "there are three workers");
    for round in 0..6 {
        let (from, of) = session.worker().expect("at a worker");
        let to = (from + 1) % of;
        assert!(session.move_to(to));
        eventually("it has moved", || session.worker() == Some((to, of))).await;
        let (pictures, sounds) = (viewer.units().len() + 20, viewer.sounds.len() + 10);
        viewer.watch("more", |v| v.units().len() >= pictures && v.sounds.len() >= sounds).await;
        assert_eq!(node.metrics.live_objects()[0], 1, "round {round}: one audience");
    }
    in_order_and_exact(&viewer.units(), 1);
    // Its bell still finds it, and all it held is given back from where it is now.
    session.stop("enough");
    eventually("it is sent away", || node.metrics.sessions().1 == 0).await;
    assert_eq!(node.stream().viewers(Counted::WebRtc), 0);
    publisher.vanish().await;
    node.gateway.shutdown().await;
    assert_eq!(node.metrics.live_objects(), [0, 0, 0]);
}
