//! Either egress against a viewer on the `rtc` crate: what str0m takes for granted another reader of the RFCs may not.

use crate::{
    links::Dice,
    second_peer::Call,
    world::{avc, frame, on_both},
};
use bytes::Bytes;
use rtc::{
    dtls::extension::extension_use_srtp::SrtpProtectionProfile::{
        self, Srtp_Aead_Aes_128_Gcm as Gcm128, Srtp_Aead_Aes_256_Gcm as Gcm256,
        Srtp_Aes128_Cm_Hmac_Sha1_80 as Sha1,
    },
    peer_connection::state::RTCPeerConnectionState,
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp_transceiver::rtp_sender::RtpCodecKind,
};
use std::{collections::BTreeMap, time::Duration};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packets};
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264, packetize_opus};
use unisono_proto_webrtc::{EgressEvent, ViewerSession};

const FRAME: Duration = Duration::from_millis(33);

on_both!(
    pictures_and_sound_arrive_byte_for_byte,
    the_mappings_tell_t_of_every_packet,
    five_percent_of_loss_is_repaired,
    its_plea_for_a_keyframe_is_heard,
    its_texts_are_heard,
    every_profile_it_offers_alone_is_taken,
);

/// A packet as its maker meant it: T of its frame, end of the frame, payload.
type Sent = (MediaTime, bool, Bytes);

fn call<S: ViewerSession>() -> Call<S> {
    let mut call = Call::new(Vec::new());
    connect(&mut call);
    call
}

/// Within the twenty seconds that a session has for it.
fn connect<S: ViewerSession>(call: &mut Call<S>) {
    let is_up = (0..190).any(|_| {
        call.run(Duration::from_millis(100));
        call.state == RTCPeerConnectionState::Connected && call.channel.is_some()
    });
    assert!(is_up, "{:?}, {:?}, channel {:?}", call.state, call.session.closed(), call.channel);
    assert!(matches!(call.events[..], [EgressEvent::Connected, EgressEvent::Ready]), "{:?}", call.events);
}

/// As long as Opus packets are, so that its RTP time is exact.
fn sound(index: u32) -> Frame {
    let duration = Span::from_millis(20);
    let t = frame(0, false).t + Span::from_millis(20 * i64::from(index));
    let mut sound = Frame::new(t, t, Bytes::from(vec![0xfc, index as u8, (index >> 8) as u8]));
    sound.duration = duration;
    sound
}

fn sent(t: MediaTime, packets: &Packets) -> impl Iterator<Item = Sent> {
    packets.list.iter().map(move |packet| (t, packet.marker, Bytes::copy_from_slice(&packet.payload)))
}

/// Sends these pictures, and a sound with each; returns the packets of either.
fn play<S: ViewerSession>(call: &mut Call<S>, frames: std::ops::Range<u32>) -> (Vec<Sent>, Vec<Sent>) {
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    for index in frames {
        let (picture, sound) = (frame(index, index.is_multiple_of(30)), sound(index));
        let packets = packetize_h264(&picture, &avc(), PAYLOAD_MAX);
        assert!(call.session.send_video(call.now, picture.t, Epoch(9), &picture, &packets));
        pictures.extend(sent(picture.t, &packets));
        let packets = packetize_opus(&sound);
        assert!(call.session.send_audio(call.now, sound.t, Epoch(9), &sound, &packets));
        sounds.extend(sent(sound.t, &packets));
        call.run(FRAME);
    }
    (pictures, sounds)
}

/// What the peer has of a track, in order of sequence numbers. They begin at random; there are fewer than 32,768.
fn received<S: ViewerSession>(call: &Call<S>, kind: Kind) -> Vec<Sent> {
    let mapping = call.session.mapping(kind).expect("sent");
    let of_kind = || call.packets.iter().filter(|packet| packet.header.ssrc == mapping.ssrc);
    let first = of_kind().next().expect("some").header.sequence_number;
    let place = |number: u16| i32::from(number.wrapping_sub(first) as i16);
    let list: BTreeMap<i32, Sent> = of_kind()
        .map(|packet| {
            let header = &packet.header;
            let t = mapping.t_of(header.timestamp);
            (place(header.sequence_number), (t, header.marker, packet.payload.clone()))
        })
        .collect();
    let (low, high) = (*list.keys().next().expect("some"), *list.keys().last().expect("some"));
    assert_eq!(list.len() as i32, high - low + 1, "a hole was left");
    list.into_values().collect()
}

/// RTP time has steps of 1/90,000 and 1/48,000 s: T comes back within one.
fn assert_same(received: &[Sent], sent: &[Sent]) {
    assert_eq!(received.len(), sent.len());
    for (index, (got, meant)) in received.iter().zip(sent).enumerate() {
        let off = (got.0.as_micros() - meant.0.as_micros()).abs();
        assert!(off <= 21, "packet {index} is {off} us off");
        assert_eq!((got.1, &got.2), (meant.1, &meant.2), "packet {index}");
    }
}

fn pictures_and_sound_arrive_byte_for_byte<S: ViewerSession>() {
    let mut call = call::<S>();
    let (pictures, sounds) = play(&mut call, 0..90);
    call.run(Duration::from_secs(1));
    assert_eq!(call.packets.len(), pictures.len() + sounds.len(), "nothing twice");
    assert_same(&received(&call, Kind::Video), &pictures);
    assert_same(&received(&call, Kind::Audio), &sounds);
    assert_eq!(call.session.stats().nacks, 0);
    assert!(call.session.rtt().is_some(), "its reports are read");
    assert!(call.session.acknowledged().is_some());
}

/// The peer knows nothing but what came on the data channel.
fn the_mappings_tell_t_of_every_packet<S: ViewerSession>() {
    let mut call = call::<S>();
    let (pictures, _) = play(&mut call, 0..60);
    call.run(Duration::from_secs(1));
    let mut seen = Vec::new();
    for text in &call.texts {
        let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(value["type"], "mapping");
        let number = |name: &str| value[name].as_i64().expect("a number");
        let ssrc = number("ssrc") as u32;
        let first = call.packets.iter().find(|packet| packet.header.ssrc == ssrc).expect("of a track");
        let ticks = i64::from(first.header.timestamp.wrapping_sub(number("rtp0") as u32) as i32);
        let t = number("t0") + ticks * 1_000_000 / number("rate");
        assert!((t - pictures[0].0.as_micros()).abs() <= 21, "{text}");
        seen.push(value["kind"].as_str().expect("a kind").to_owned());
    }
    assert!(["video", "audio"].iter().all(|kind| seen.iter().any(|seen| seen == kind)), "{seen:?}");
}

/// Losses are seen by what comes after them, so the last pictures come without.
fn five_percent_of_loss_is_repaired<S: ViewerSession>() {
    let mut call = call::<S>();
    let mut dice = Dice::new(11);
    call.loses = Box::new(move |_| dice.roll() < 0.05);
    let (mut pictures, _) = play(&mut call, 0..150);
    call.loses = Box::new(|_| false);
    pictures.extend(play(&mut call, 150..180).0);
    call.run(Duration::from_secs(2));
    assert_same(&received(&call, Kind::Video), &pictures);
    assert!(call.session.stats().nacks > 3, "{:?}", call.session.stats());
}

fn its_plea_for_a_keyframe_is_heard<S: ViewerSession>() {
    let mut call = call::<S>();
    play(&mut call, 0..10);
    call.events.clear();
    let media_ssrc = call.session.mapping(Kind::Video).expect("sent").ssrc;
    let ids: Vec<_> = call.peer.get_receivers().collect();
    let now = call.now;
    let mut is_asked = false;
    for id in ids {
        let mut receiver = call.peer.rtp_receiver(id).expect("there");
        if receiver.track().kind() == RtpCodecKind::Video {
            let plea = PictureLossIndication { sender_ssrc: 1, media_ssrc };
            receiver.write_rtcp(now, vec![Box::new(plea)]).expect("written");
            is_asked = true;
        }
    }
    assert!(is_asked);
    call.run(Duration::from_millis(500));
    assert!(matches!(call.events[..], [EgressEvent::KeyframeRequest]), "{:?}", call.events);
}

fn its_texts_are_heard<S: ViewerSession>() {
    let mut call = call::<S>();
    call.events.clear();
    let id = call.channel.expect("open");
    let text = "x".repeat(9_000);
    let mut channel = call.peer.data_channel(id).expect("open");
    channel.send_text(call.now, text.clone()).expect("sent");
    call.run(Duration::from_millis(500));
    let [EgressEvent::Message(heard)] = &call.events[..] else { panic!("{:?}", call.events) };
    assert_eq!(*heard, text);
    assert!(call.session.send_message(call.now, &text));
    call.run(Duration::from_millis(500));
    assert!(call.texts.contains(&text), "{} texts", call.texts.len());
}

/// AEAD where the peer has it, and SHA-1 for one that has nothing else (GStreamer 1.22).
fn every_profile_it_offers_alone_is_taken<S: ViewerSession>() {
    let cases: [(&[SrtpProtectionProfile], &str); 5] = [
        (&[Gcm256], "SRTP_AEAD_AES_256_GCM"),
        (&[Gcm128], "SRTP_AEAD_AES_128_GCM"),
        (&[Sha1], "SRTP_AES128_CM_HMAC_SHA1_80"),
        (&[Sha1, Gcm128], "SRTP_AEAD_AES_128_GCM"),
        (&[Sha1, Gcm128, Gcm256], "SRTP_AEAD_AES_256_GCM"),
    ];
    for (offered, chosen) in cases {
        let mut call = Call::<S>::new(offered.to_vec());
        connect(&mut call);
        assert_eq!(call.srtp_cipher(), chosen, "of {offered:?}");
        let (pictures, sounds) = play(&mut call, 0..30);
        call.run(Duration::from_millis(200));
        assert_same(&received(&call, Kind::Video), &pictures);
        assert_same(&received(&call, Kind::Audio), &sounds);
    }
}
