//! Publishers come back, replace themselves, and change what they send; viewers stay.

use crate::support::{Door, ZEROLATENCY, check_video, complaint, ffmpeg};
use std::sync::Arc;
use unisono_hub::{EndReason, Read, Stream};
use unisono_media::Kind;

fn source(stream: &Stream, kind: Kind) -> Arc<unisono_hub::Ring> {
    stream.source(kind).expect("a track")
}

#[tokio::test]
async fn a_killed_publisher_that_returns_continues_the_ring_in_a_new_epoch() {
    let door = Door::open().await;
    let mut encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let before = watched.read(&video, &mut cursor, 40).await;
    encoder.kill().await.expect("SIGKILL");
    watched.lost().await;
    let _encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let epoch = watched.live_again(before[0].group.epoch).await;
    // What the first one had sent when it died comes first.
    let first = loop {
        let got = watched.read(&video, &mut cursor, 1).await.remove(0);
        if got.group.epoch == epoch {
            break got;
        }
    };
    assert!(first.frame.key && first.frame.t > before[39].frame.t);
    check_video(
        &[vec![first], watched.read(&video, &mut cursor, 40).await].into_iter().flatten().collect::<Vec<_>>(),
    );
    assert!(Arc::ptr_eq(&video, &source(&watched.stream, Kind::Video)), "the same ring");
    door.close().await;
}

#[tokio::test]
async fn the_same_key_replaces_itself_and_another_key_is_refused() {
    let door = Door::open().await;
    let first = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let epoch = watched.read(&video, &mut cursor, 10).await[0].group.epoch;

    let words = complaint(ffmpeg(&door.url(&door.other_key), ZEROLATENCY, true)).await;
    assert!(words.contains("already published with key"), "{words}");

    let _second = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    watched.live_again(epoch).await;
    complaint(first).await;
    let next = watched.live_again(epoch).await;
    let frames = loop {
        let got = watched.read(&video, &mut cursor, 1).await.remove(0);
        if got.group.epoch == next {
            break watched.read(&video, &mut cursor, 30).await;
        }
    };
    assert!(frames.iter().all(|g| g.group.epoch == next));
    door.close().await;
}

#[tokio::test]
async fn a_publisher_that_returns_without_audio_ends_the_audio_track() {
    let door = Door::open().await;
    let mut encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (audio, mut cursor) = watched.ring(Kind::Audio).await;
    watched.read(&audio, &mut cursor, 20).await;
    encoder.kill().await.expect("SIGKILL");
    watched.lost().await;
    let _encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, false);
    let reason = watched
        .until("the end of the audio", |_| {
            loop {
                match audio.read(&mut cursor) {
                    Read::Ended(reason) => return Some(reason),
                    Read::Pending => return None,
                    Read::Frame { .. } | Read::Skipped { .. } => {}
                }
            }
        })
        .await;
    assert_eq!(reason, EndReason::CodecChanged);
    assert!(watched.stream.source(Kind::Audio).is_none());
    door.close().await;
}
