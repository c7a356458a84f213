//! Viewers that go to the worker which receives their datagrams.

use crate::common::{Node, PATIENCE, Publisher, Viewer, last_of_all};
use std::{collections::HashMap, time::Instant};

/// With the publisher both workers have as many, so any viewer may move that the kernel gives the wrong one, and half of them
/// are given it: none once in 131,072 runs.
const VIEWERS: usize = 17;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_go_where_their_datagrams_arrive_and_notice_nothing() {
    let node = Node::start(2);
    let publisher = Publisher::start(&node, 1).await;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(Viewer::join(&node).await);
    }
    let places = || {
        let listed =
            node.hub.sessions().page(None, 2 * VIEWERS, |session| session.entrance().protocol == "whep");
        listed.iter().map(|session| (session.key(), session.worker())).collect::<HashMap<_, _>>()
    };
    let first = places();
    assert_eq!(first.len(), VIEWERS);
    // Their second report of a second comes when they may move.
    let begun = Instant::now();
    while places() == first {
        assert!(begun.elapsed() < PATIENCE, "none of {VIEWERS} has moved");
        viewers = watch_on(viewers, 10).await;
    }
    viewers = watch_on(viewers, 60).await;

    for viewer in &viewers {
        last_of_all(viewer);
    }
    let at =
        |worker: usize| places().values().filter(|place| place.is_some_and(|(at, _)| at == worker)).count();
    assert!(at(0).abs_diff(at(1)) <= VIEWERS / 4, "{} and {}", at(0), at(1));

    publisher.vanish().await;
    node.gateway.shutdown().await;
    assert_eq!(node.metrics.live_objects(), [0, 0, 0]);
}

/// Each of them gets so many pictures more.
async fn watch_on(viewers: Vec<Viewer>, pictures: usize) -> Vec<Viewer> {
    let watching: Vec<_> = viewers
        .into_iter()
        .map(|mut viewer| {
            tokio::spawn(async move {
                let until = viewer.units().len() + pictures;
                viewer.watch("more pictures", |viewer| viewer.units().len() >= until).await;
                viewer
            })
        })
        .collect();
    let mut watched = Vec::new();
    for viewer in watching {
        watched.push(viewer.await.expect("watched"));
    }
    watched
}
