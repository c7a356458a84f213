//! A stream that another node's publisher sends: its past sound is here before its pictures are.

use crate::common::{Live, Server, id, media, until};
use std::sync::Arc;
use unisono_base::Doorbell;
use unisono_hub::{GroupHeader, Hub, Limits, Read, RelayedTrack, Remote, Start, Stream};
use unisono_media::{Frame, Kind};

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// Writes all of a track as it is at the other node.
fn copy(stream: &Stream, kind: Kind, track: &mut RelayedTrack) {
    let ring = stream.source(kind).expect("published");
    let mut cursor = ring.oldest_group().expect("frames");
    while let Read::Frame { frame, group, .. } = ring.read(&mut cursor) {
        let header = GroupHeader {
            epoch: group.epoch,
            group: group.group,
            segment: group.segment,
            config: group.config.clone(),
        };
        let mut same = Frame::new(frame.t, frame.arrived, frame.payload.clone());
        (same.dts, same.key, same.duration) = (frame.dts, frame.key, frame.duration);
        track.append(header, same, stream.cuts().horizon);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_before_the_pictures_waits_for_them_and_is_not_told_of_sound_alone() {
    let there = Hub::new(Limits::default());
    let mut live = Live::publish(&there, media(8));
    live.run_to(8_000);
    let stream = there.stream(&id()).expect("published");
    let server = Server::start().await;
    let remote = Remote { epoch: live.publication.epoch(), accepts_pli: false };
    let relayed = server.hub.relay(&id(), remote, Arc::new(Silent)).expect("free");
    relayed.add_cuts(stream.cuts().list, stream.cuts().target);
    let config = |kind| stream.source(kind).and_then(|ring| ring.config()).expect("frames");
    let open = |kind| relayed.open_track(&config(kind), Start::Middle);
    let (mut video, mut audio) = (open(Kind::Video), open(Kind::Audio));
    copy(&stream, Kind::Audio, &mut audio);
    let asked = async { tokio::join!(server.text("index.m3u8"), server.text("hls/video.m3u8")) };
    let pictures = async {
        until("both wait", || server.metrics.live_objects()[1] == 2).await;
        copy(&stream, Kind::Video, &mut video);
    };
    let ((multivariant, playlist), ()) = tokio::join!(asked, pictures);
    assert!(
        multivariant.contains("hls/video.m3u8") && multivariant.contains("hls/audio.m3u8"),
        "{multivariant}"
    );
    assert!(playlist.contains("/video/"), "{playlist}");
}
