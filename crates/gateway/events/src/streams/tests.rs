use super::*;
use bytes::Bytes;
use unisono_base::{Doorbell, KeyId, MediaTime};
use unisono_hub::{Hub, Limits, Publication, Source};
use unisono_media::{Frame, OpusConfig};

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

fn publish(hub: &Hub) -> Publication {
    let id = StreamId::local("live/alice".parse().expect("valid"));
    let source = Source { protocol: "whip", accepts_pli: true };
    hub.publish(&id, KeyId::new("k"), source, 42, Arc::new(Silent)).expect("free")
}

#[test]
fn a_stream_of_sound_says_so_and_that_it_is_opus() {
    let hub = Hub::new(Limits::default());
    let publication = publish(&hub);
    let mut sound = publication.open_track(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
    let before = view(publication.stream()).expect("live");
    assert!(before.tracks.is_empty(), "nothing has come yet");
    let now = MediaTime::from_micros(1_000_000);
    sound.append(publication.epoch(), Frame::new(now, now, Bytes::from_static(b"x")));
    let view = view(publication.stream()).expect("live");
    let json = serde_json::to_value(&view).expect("plain data");
    assert_eq!(json["name"], "live/alice");
    assert_eq!(json["state"], "live");
    assert_eq!(json["protocol"], "whip");
    assert_eq!(json["epoch"], 42);
    assert_eq!(json["tracks"], serde_json::json!([{"kind": "audio", "codec": "Opus"}]));
    assert_eq!(view.notes.len(), 2, "{:?}", view.notes);
}

#[test]
fn a_lost_publisher_is_waited_for_in_words() {
    let hub = Hub::new(Limits::default());
    let publication = publish(&hub);
    let stream = publication.stream().clone();
    drop(publication);
    let view = view(&stream).expect("lost, not ended");
    assert_eq!((view.state, view.protocol, view.epoch), (StreamState::Lost, None, None));
    assert!(view.notes[0].contains("comes back"));
}
