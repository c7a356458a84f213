use super::*;
use bytes::Bytes;
use unisono_base::{Doorbell, KeyId, MediaTime};
use unisono_hub::{Hub, Limits, Publication, Source};
use unisono_media::{AvcConfig, CodecConfig, Frame, OpusConfig};

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
    let before = view(publication.stream(), None).expect("live");
    assert!(before.tracks.is_empty(), "nothing has come yet");
    let now = MediaTime::from_micros(1_000_000);
    sound.append(publication.epoch(), Frame::new(now, now, Bytes::from_static(b"x")));
    let view = view(publication.stream(), None).expect("live");
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
    let view = view(&stream, None).expect("lost, not ended");
    assert_eq!((view.state, view.protocol, view.epoch), (StreamState::Lost, None, None));
    assert!(view.notes[0].contains("comes back"));
}

/// x264 640x360 High, without a word about reordering.
const SPS: [u8; 25] = [
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
];

#[test]
fn b_frames_are_seen_and_explained() {
    let hub = Hub::new(Limits::default());
    let publication = publish(&hub);
    let pps = vec![Bytes::from_static(&[0x68, 0xeb])];
    let avc = AvcConfig::new(Bytes::from_static(&SPS), pps).expect("valid");
    let mut picture = publication.open_track(CodecConfig::H264(avc));
    assert_eq!(view(publication.stream(), None).expect("live").notes, ["No keyframe has come yet."]);
    for t_ms in [0, 100, 33] {
        let t = MediaTime::from_micros(t_ms * 1_000);
        let mut frame = Frame::new(t, t, Bytes::from_static(b"x"));
        frame.key = t_ms == 0;
        picture.append(publication.epoch(), frame);
    }
    let view = view(publication.stream(), None).expect("live");
    let track = &view.tracks[0];
    assert_eq!((track.width, track.height, track.reordered), (Some(640), Some(360), Some(true)));
    assert_eq!(view.notes.len(), 1, "{:?}", view.notes);
    assert!(view.notes[0].starts_with("Plays by LL-HLS only"));
}

#[test]
fn codecs_that_not_every_viewer_can_decode_are_said() {
    let hub = Hub::new(Limits::default());
    let publication = publish(&hub);
    let vp8 = unisono_media::Vp8Config { profile: 0, width: 640, height: 360 };
    let mut picture = publication.open_track(CodecConfig::Vp8(vp8));
    let t = MediaTime::from_micros(0);
    let mut frame = Frame::new(t, t, Bytes::from_static(b"x"));
    frame.key = true;
    picture.append(publication.epoch(), frame);
    let notes = view(publication.stream(), None).expect("live").notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("VP8, which browsers play by WebRTC only"), "{notes:?}");
}

#[test]
fn what_is_wrong_is_said_with_code_severity_words_and_time() {
    let hub = Hub::new(Limits::default());
    let publication = publish(&hub);
    let now = unisono_base::MediaTime::from_micros(1_800_000_000_000_000);
    let words = "Do this.".to_owned();
    publication.stream().happened(hub::Code::TimestampsJump, hub::Severity::Warning, words, now);
    let json =
        serde_json::to_value(view(publication.stream(), Some(now)).expect("live")).expect("plain data");
    let expected = serde_json::json!([{
        "code": "timestamps_jump", "severity": "warning", "words": "Do this.", "since": 1_800_000_000_000_000_i64
    }]);
    assert_eq!(json["diagnosis"], expected);
    let later = now + Span::from_secs(61);
    assert!(view(publication.stream(), Some(later)).expect("live").diagnosis.is_empty(), "a moment passes");
}
