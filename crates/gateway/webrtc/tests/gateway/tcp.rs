//! Media over TCP (RFC 6544), for those whose network lets no UDP through.

use crate::common::{Client, Node, PATIENCE, Publisher, Viewer, eventually, picture_of};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use unisono_gateway_webrtc::{Config, Limits};

fn door(node: &Node) -> SocketAddr {
    node.gateway.local_tcp_addr().expect("the TCP port is open")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publisher_and_viewer_without_udp_connect_and_get_pictures_sound_and_messages() {
    let node = Node::start(2);
    let publisher = Publisher::start_with(&node, 1, Client::over_tcp(door(&node)).await).await;
    let mut viewer = Viewer::join_as(&node, || Client::over_tcp(door(&node))).await;
    viewer.watch("100 pictures", |v| v.units().len() >= 100 && v.sounds.len() >= 40).await;
    let indices: Vec<_> = viewer.units().iter().map(|(_, unit)| picture_of(unit).1).collect();
    assert!(indices.windows(2).all(|w| w[1] == w[0] + 1), "without a gap: {indices:?}");
    assert!(!viewer.messages_of("mapping").is_empty(), "the data channel is there, too");
    assert_eq!(node.metrics.live_objects()[1], 0, "no datagram came from anybody");
    assert!(node.metrics.tcp_connections() >= 2);

    assert_eq!(node.delete(&viewer.location).await, 200);
    viewer.watch("the farewell", |v| !v.is_alive()).await;
    publisher.vanish().await;
    eventually("connections end with their sessions", || node.metrics.tcp_connections() == 0).await;
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_connected_by_tcp_no_longer_takes_the_place_of_one_who_has_not() {
    let node = Node::with(1, |config: &mut Config| {
        config.limits = Limits { unconnected_max: 1, ..config.limits };
    });
    let publisher = Publisher::start_with(&node, 1, Client::over_tcp(door(&node)).await).await;
    for _ in 0..2 {
        let mut viewer = Viewer::join_as(&node, || Client::over_tcp(door(&node))).await;
        viewer.watch("a picture", |v| !v.units().is_empty()).await;
    }
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_does_not_read_slows_nobody() {
    let node = Node::start(1);
    let _publisher = Publisher::start(&node, 1).await;
    let mut blocked = Viewer::join_as(&node, || Client::over_tcp(door(&node))).await;
    blocked.watch("its first pictures", |v| v.units().len() >= 10).await;
    // From here on `blocked` is not polled: its connection fills up.
    let mut other = Viewer::join(&node).await;
    let dropped = r#"unisono_webrtc_drops_total{reason="tcp_too_slow"}"#;
    other.watch("the blocked one loses packets", |_| node.metric(dropped) > 0.0).await;
    let seen = other.units().len();
    other.watch("100 more pictures for the other", |v| v.units().len() >= seen + 100).await;
    let indices: Vec<_> = other.units().iter().map(|(_, unit)| picture_of(unit).1).collect();
    assert!(indices.windows(2).all(|w| w[1] == w[0] + 1), "without a gap: {indices:?}");
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_closed_and_one_address_cannot_take_every_place() {
    let node = Node::with(1, |config: &mut Config| {
        config.limits = Limits { tcp_connections_max: 2, ..config.limits };
    });
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\x03abc", b"\xff\xff"] {
        let mut stranger = TcpStream::connect(door(&node)).await.expect("accepted");
        stranger.write_all(words).await.expect("sent");
        let closed = tokio::time::timeout(PATIENCE, stranger.read(&mut [0; 16])).await;
        assert!(matches!(closed.expect("at once"), Ok(0) | Err(_)), "{words:?}");
        eventually("it is gone", || node.metrics.tcp_connections() == 0).await;
    }
    let _held = [connect(&node).await, connect(&node).await];
    eventually("two places are taken", || node.metrics.tcp_connections() == 2).await;
    let mut third = connect(&node).await;
    let closed = tokio::time::timeout(PATIENCE, third.read(&mut [0; 16])).await;
    assert!(matches!(closed.expect("at once"), Ok(0) | Err(_)));
    assert_eq!(node.metric("unisono_webrtc_tcp_connections_refused_total"), 1.0);
    node.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_answered_and_never_comes_is_counted() {
    let node = Node::start(1);
    let publisher = Publisher::start(&node, 1).await;
    let mut viewer = Viewer::join(&node).await;
    viewer.watch("a picture", |v| !v.units().is_empty()).await;
    let (_client, _, offer, _pending) = Viewer::offer().await;
    let answer = node.post("/live/alice/whep", None, offer).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let unreached = || node.metric("unisono_webrtc_unreached_total");
    viewer.watch("the one that never came is judged", |_| unreached() > 0.0).await;
    assert_eq!(unreached(), 1.0, "neither the publisher nor the viewer that did come");
    publisher.vanish().await;
    node.gateway.shutdown().await;
}

async fn connect(node: &Node) -> TcpStream {
    TcpStream::connect(door(node)).await.expect("accepted")
}
