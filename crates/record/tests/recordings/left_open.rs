//! A program died while it recorded: its next start finishes what it left open, and nothing waits for that.

use crate::place::{Disk, Node, Place, until};
use std::{fs, time::Duration};
use unisono_record::{Ended, State};

#[tokio::test]
async fn with_a_full_disk_the_others_are_known_and_can_be_taken_away() {
    let place = Place::new();
    let first = place.write("live/a", State::Recording, |_| {});
    let second = place.write("live/b", State::Finished, |_| {});
    let third = place.write("live/c", State::Recording, |_| {});

    let node = Node::start(&place.root(), Disk::IsFull).await;
    until("all are known", || node.recordings.is_loaded().then_some(())).await;
    assert_eq!(node.recordings.list(None, None, 10).len(), 3);
    let trouble = |id| node.recordings.get(id).and_then(|one| one.trouble);
    until("the first cannot be finished", || trouble(first)).await;
    until("the third was tried as well", || trouble(third)).await;
    let open = node.recordings.get(first).expect("listed meanwhile");
    assert!(open.is_running());
    assert_eq!(node.recordings.index(&open).await.expect("its lines").summary().segments, 1);

    assert_eq!(node.recordings.remove(second, "asked").await, Ok(()), "it makes room");
    assert_eq!(node.recordings.remove(first, "asked").await, Ok(()), "an open one as well");
    assert!(!place.folder("live/a", first).exists() && !place.folder("live/b", second).exists());
    node.stop().await;

    let node = Node::start(&place.root(), Disk::HasRoom).await;
    let is_finished = || node.recordings.get(third).is_some_and(|one| !one.is_running());
    until("the third is finished", || is_finished().then_some(())).await;
    let head = place.head("live/c", third);
    assert_eq!((head.state, head.ended), (State::Finished, Some(Ended::Repaired)));
    assert_eq!(head.summary.map(|summary| summary.segments), Some(1));
    node.stop().await;
}

#[tokio::test]
async fn with_a_full_disk_what_is_too_old_goes() {
    let place = Place::new();
    let open = place.write("live/a", State::Recording, |_| {});
    let old = place.write("live/b", State::Finished, |_| {});
    let kv = std::sync::Arc::new(unisono_store::MemoryKv::default());
    let packagers = std::sync::Arc::new(crate::place::NoPackagers);
    let keep = |config: &mut unisono_record::Config| config.keep_for = Some(Duration::from_secs(60));
    let node = Node::start_with(&place.root(), Disk::IsFull, kv, packagers, keep).await;
    until("it is taken away", || (!place.folder("live/b", old).exists()).then_some(())).await;
    until("it is not listed", || node.recordings.get(old).is_none().then_some(())).await;
    assert!(place.folder("live/a", open).exists(), "never one that is open");
    node.stop().await;
}

#[tokio::test]
async fn one_that_cannot_be_read_keeps_no_other_from_being_finished() {
    let place = Place::new();
    // Its index is no folder, and of another the head is none.
    let broken = place.write("live/a", State::Recording, |_| {});
    let folder = place.folder("live/a", broken);
    fs::remove_dir_all(folder.join("index")).expect("gone");
    fs::write(folder.join("index"), "not a folder").expect("written");
    let headless = place.write("live/b", State::Finished, |_| {});
    let head = place.folder("live/b", headless).join("recording.json");
    fs::remove_file(&head).expect("gone");
    fs::create_dir(&head).expect("a folder");
    fs::create_dir(place.root().join("lost+found")).expect("a folder");
    let good = place.write("live/c", State::Recording, |_| {});

    let node = Node::start(&place.root(), Disk::HasRoom).await;
    let is_finished = || node.recordings.get(good).is_some_and(|one| !one.is_running());
    until("the good one is finished", || is_finished().then_some(())).await;
    assert!(node.recordings.get(broken).is_some_and(|one| one.is_running()), "it is tried again");
    assert!(!node.recordings.is_loaded(), "one is still unknown, and the list says so");
    node.stop().await;
}
