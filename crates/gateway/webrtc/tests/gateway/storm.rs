//! Many handshakes at once beside viewers that play.

use crate::common::{Node, Publisher, Viewer, last_of_all, picture_of};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

const JOINING: usize = 60;
/// Pictures that everybody who joins must get, from a keyframe on.
const PICTURES: usize = 10;

/// Watches until told to stop; ends with what it was given.
fn play(mut viewer: Viewer, is_over: Arc<AtomicBool>) -> JoinHandle<Viewer> {
    tokio::spawn(async move {
        while !is_over.load(Ordering::Relaxed) {
            viewer.step(Duration::from_millis(20)).await;
        }
        viewer
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_handshakes_at_once_do_not_stop_those_who_play() {
    let node = Node::start(2);
    let publisher = Publisher::start(&node, 1).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut playing = Vec::new();
    for _ in 0..3 {
        let mut viewer = Viewer::join(&node).await;
        viewer.watch("pictures", |v| v.units().len() >= 20).await;
        playing.push(play(viewer, Arc::clone(&is_over)));
    }
    // They have their answers and have sent no packet: all handshakes begin together.
    let mut joining = Vec::new();
    for _ in 0..JOINING {
        joining.push(Viewer::join(&node).await);
    }
    let handshakes: Vec<_> = joining
        .into_iter()
        .map(|mut viewer| {
            tokio::spawn(async move {
                viewer.watch("its first pictures", |v| v.units().len() >= PICTURES).await;
                viewer
            })
        })
        .collect();
    let mut newest = 0;
    for joined in handshakes {
        newest = newest.max(last_of_all(&joined.await.expect("joined")));
    }
    is_over.store(true, Ordering::Relaxed);
    for viewer in playing {
        let mut viewer = viewer.await.expect("played");
        let newest_of = |v: &Viewer| v.units().last().map_or(0, |(_, unit)| picture_of(unit).1);
        viewer.watch("what those who joined have seen", |v| newest_of(v) >= newest).await;
        last_of_all(&viewer);
        assert!(viewer.is_alive());
    }
    publisher.vanish().await;
    node.gateway.shutdown().await;
    assert_eq!(node.metrics.sessions(), (0, 0));
    assert_eq!(node.metrics.live_objects(), [0, 0, 0]);
}
