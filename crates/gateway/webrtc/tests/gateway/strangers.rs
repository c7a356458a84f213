//! Datagrams of senders that no session knows: counted per network, looked at up to a rate, never answered.

use crate::common::{Node, Publisher, Viewer, eventually};
use tokio::net::UdpSocket;
use unisono_net::{Exempt, Rate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_beyond_their_rate_are_dropped_unread_and_a_known_peer_is_not() {
    let node = Node::with(1, |config| {
        config.exempt = Exempt::new([]);
        // Enough for those who connect here, used up by who floods.
        config.limits.strangers = Rate { per_second: 0.0, burst: 300.0 };
    });
    let publisher = Publisher::start(&node, 1).await;
    let mut viewer = Viewer::join(&node).await;
    viewer.watch("pictures", |v| v.units().len() >= 10).await;
    let dropped = || node.metric("unisono_webrtc_drops_total{reason=\"too_many_strangers\"}");
    assert_eq!(dropped(), 0.0, "who connects is no flood");

    let flood = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    // A check for nobody, and a ClientHello.
    let check = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    for _ in 0..1_000 {
        for bytes in [&check[..], &[22, 254, 253, 0, 0]] {
            flood.send_to(bytes, node.gateway.local_addr()).await.expect("sent");
        }
        tokio::task::yield_now().await;
    }
    eventually("the flood is cut", || dropped() >= 100.0).await;
    let mut answer = [0; 100];
    assert!(flood.try_recv(&mut answer).is_err(), "nothing came back");

    let before = viewer.units().len();
    viewer.watch("more pictures", |v| v.units().len() >= before + 50).await;
    publisher.vanish().await;
    node.gateway.shutdown().await;
}
