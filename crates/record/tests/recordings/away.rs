//! The place where recordings are kept is gone for a while.

use crate::{
    place::{Disk, Node, Place, until},
    sound::{Door, Sound, publish, stream},
};
use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};
use unisono_record::{Ended, State};
use unisono_store::MemoryKv;

/// In one step, so that nothing is made in between.
fn point(link: &Path, to: &Path) {
    let new = link.with_extension("new");
    symlink(to, &new).expect("a link");
    fs::rename(new, link).expect("moved");
}

#[tokio::test]
async fn a_publisher_who_comes_back_is_recorded_while_the_recording_before_still_waits() {
    let (place, door) = (Place::new(), Arc::new(Door::default()));
    let link = place.0.join("link");
    fs::create_dir(place.root()).expect("a folder");
    point(&link, &place.root());
    let mut sound = Sound::new(0);
    door.play(&sound);
    let kv = Arc::new(MemoryKv::default());
    let node = Node::start_with(&link, Disk::HasRoom, kv, door.clone(), |_| {}).await;
    let _publication = publish(&node.hub);
    let segments = |id| node.recordings.get(id).map_or(0, |one| one.summary.segments);
    let first = until("it is recorded", || node.recordings.running(&stream())).await.head.id;
    sound.segment();
    until("a segment is kept", || (segments(first) >= 1).then_some(())).await;

    // Where the folder was is a file: nothing can be written or read.
    let file = place.0.join("file");
    fs::write(&file, "").expect("written");
    point(&link, &file);
    let mut again = Sound::new(100);
    door.play(&again);
    sound.segment();
    sound.end();
    let other = || node.recordings.running(&stream()).filter(|one| one.head.id != first);
    let second = until("the next one is recorded", other).await.head.id;
    (0..3).for_each(|_| again.segment());
    let trouble = |id| node.recordings.get(id).and_then(|one| one.trouble);
    until("the first waits", || trouble(first)).await;
    until("the second waits", || trouble(second)).await;

    point(&link, &place.root());
    let is_finished = || node.recordings.get(first).is_some_and(|one| !one.is_running());
    until("the first is finished", || is_finished().then_some(())).await;
    until("what waited of the second is kept", || (segments(second) >= 3).then_some(())).await;
    node.stop().await;
    let (first, second) = (place.head("live/alice", first), place.head("live/alice", second));
    assert_eq!((first.state, first.ended), (State::Finished, Some(Ended::StreamEnded)));
    assert_eq!((second.state, second.ended), (State::Finished, Some(Ended::Shutdown)));
    let kept = |head: &unisono_record::Head| head.summary.map(|summary| (summary.segments, summary.lost));
    assert_eq!((kept(&first), kept(&second)), (Some((3, 0)), Some((3, 0))));
}
