//! Two nodes keep their recordings in one place.

use crate::{
    place::{Disk, NoPackagers, Node, Place, until},
    sound::{Door, Sound, publish, stream},
};
use std::{fs, sync::Arc, time::Duration};
use unisono_record::{Ended, RemoveError, State};
use unisono_store::MemoryKv;

#[tokio::test]
async fn a_node_neither_finishes_nor_takes_away_what_another_one_records() {
    let (place, door) = (Place::new(), Arc::new(Door::default()));
    let mut sound = Sound::new(0);
    door.play(&sound);
    let first_store = Arc::new(MemoryKv::default());
    let first = Node::start_with(&place.root(), Disk::HasRoom, first_store.clone(), door, |_| {}).await;
    let _publication = publish(&first.hub);
    let id = until("it is recorded", || first.recordings.running(&stream())).await.head.id;
    sound.segment();
    let has_segment = || first.recordings.get(id).is_some_and(|one| one.summary.segments > 0);
    until("a segment is kept", || has_segment().then_some(())).await;
    // Of no node in particular: whoever finds it may take it away.
    let nobodys = place.write("live/old", State::Finished, |_| {});

    // All that is a minute old goes, and all there is is an hour old by this node's clock.
    let packagers = Arc::new(NoPackagers);
    let keep = |config: &mut unisono_record::Config| {
        config.keep_for = Some(Duration::from_secs(60));
        config.keep_bytes = Some(0);
    };
    let store = Arc::new(MemoryKv::default());
    let second = Node::start_with(&place.root(), Disk::HasRoom, store, packagers, keep).await;
    until("all are known", || second.recordings.is_loaded().then_some(())).await;
    until("it takes away what it may", || second.recordings.get(nobodys).is_none().then_some(())).await;
    let open = second.recordings.get(id).expect("listed at both");
    assert!(open.is_running());
    let segments = second.recordings.index(&open).await.expect("its lines").summary().segments;
    assert!(segments >= 1, "and played at both");
    let owner = place.head("live/alice", id).owner.expect("an owner");
    assert_eq!(second.recordings.remove(id, "asked").await, Err(RemoveError::Elsewhere(owner)));

    // It goes on at the first, and ends there.
    sound.segment();
    let has_more = || first.recordings.get(id).is_some_and(|one| one.summary.segments > 1);
    until("it goes on", || has_more().then_some(())).await;
    first.stop().await;
    let head = place.head("live/alice", id);
    assert_eq!((head.state, head.ended), (State::Finished, Some(Ended::Shutdown)));
    second.recordings.sweep().await;
    second.recordings.look_at_others().await;
    assert!(
        second.recordings.get(id).is_some_and(|one| !one.is_running()),
        "the other has learned that it ended"
    );
    second.recordings.sweep().await;
    assert!(
        fs::exists(place.folder("live/alice", id)).expect("looked"),
        "finished as well it is the first's"
    );
    second.stop().await;

    // The same node after a start anew.
    let packagers = Arc::new(NoPackagers);
    let first = Node::start_with(&place.root(), Disk::HasRoom, first_store, packagers, |_| {}).await;
    until("it is known", || first.recordings.get(id)).await;
    assert_eq!(first.recordings.remove(id, "asked").await, Ok(()));
    first.stop().await;
}
