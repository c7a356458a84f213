//! Many senders in one session of the engine, and offers that add and remove them while it plays.

use crate::world::{SERVER, World, address, avc, client, config, frame, identity};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use str0m::{
    Event,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind, Mid},
};
use unisono_base::Epoch;
use unisono_media::CodecConfig;
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264};
use unisono_proto_webrtc::{Engine, Moment, OfferError, SenderId, Session, Source, SourceKind, Viewer};

/// Pictures with these keys.
fn sources(config: &CodecConfig, keys: impl IntoIterator<Item = u32>) -> Vec<Source<'_>> {
    let source = |key| Source { key, kind: SourceKind::Video(config), playout_delay: None };
    keys.into_iter().map(source).collect()
}

fn world(pictures: u32) -> World<Viewer> {
    let start = Instant::now();
    let mut client = client(config(), start);
    let mut api = client.sdp_api();
    for _ in 0..pictures {
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    }
    api.add_channel("unisono".to_owned());
    let (offer, pending) = api.apply().expect("an offer");
    let picture = CodecConfig::H264(avc());
    let sources = sources(&picture, 0..pictures);
    let (engine, answer) =
        Engine::accept_sources(identity(), &offer.to_sdp_string(), &[address(SERVER)], &sources, start)
            .expect("accepted");
    let parsed = SdpAnswer::from_sdp_string(&answer).expect("an answer");
    client.sdp_api().accept_answer(pending, parsed).expect("agreed");
    World::new(client, Viewer::new(engine), answer, start)
}

fn agree(world: &mut World<Viewer>, offer: &str, pending: SdpPendingOffer, sources: &[Source<'_>]) {
    let now = world.now;
    let answer = world.session.engine_mut().reoffer(now, offer, sources).expect("accepted");
    let parsed = SdpAnswer::from_sdp_string(&answer).expect("an answer");
    world.client.sdp_api().accept_answer(pending, parsed).expect("agreed");
}

fn keys(world: &World<Viewer>) -> Vec<u32> {
    world.session.engine().senders().map(|(_, key)| key).collect()
}

/// Sends frames of these numbers on every sender.
fn play(world: &mut World<Viewer>, frames: std::ops::Range<u32>) {
    for index in frames {
        let frame = frame(index, index.is_multiple_of(30));
        let packets = packetize_h264(&frame, &avc(), PAYLOAD_MAX);
        let moment = Moment { now: world.now, clock: frame.t };
        let senders: Vec<SenderId> = world.session.engine().senders().map(|(id, _)| id).collect();
        for sender in senders {
            assert!(world.session.send(sender, moment, Epoch(9), &frame, &packets));
        }
        world.run(Duration::from_millis(33));
    }
    world.run(Duration::from_millis(200));
}

/// Whole frames by section since the last call.
fn whole(world: &mut World<Viewer>) -> BTreeMap<String, usize> {
    let mut frames = BTreeMap::new();
    for event in world.heard.drain(..) {
        if let Event::RtpPacket(packet) = event
            && packet.header.marker
        {
            let mid: Option<Mid> = packet.header.ext_vals.mid;
            let key = mid.map_or_else(|| packet.header.ssrc.to_string(), |mid| mid.to_string());
            *frames.entry(key).or_insert(0) += 1;
        }
    }
    frames
}

#[test]
fn one_two_and_twenty_senders_play_side_by_side() {
    for pictures in [1, 2, 20] {
        let mut world = world(pictures);
        world.run(Duration::from_secs(3));
        assert_eq!(keys(&world), (0..pictures).collect::<Vec<_>>());
        play(&mut world, 0..10);
        let count: usize = whole(&mut world).values().sum();
        assert_eq!(count, 10 * pictures as usize, "{pictures} senders");
        assert_eq!(world.session.engine().stats().frames, u64::from(10 * pictures));
    }
}

#[test]
fn a_new_offer_adds_senders_and_those_that_were_there_go_on() {
    let mut world = world(1);
    world.run(Duration::from_secs(3));
    play(&mut world, 0..10);
    whole(&mut world);
    let first = world.session.engine().senders().next().expect("one").0;
    let before = world.session.engine().mapping(first).expect("sent");
    let mut api = world.client.sdp_api();
    api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let (offer, pending) = api.apply().expect("an offer");
    let picture = CodecConfig::H264(avc());
    // The new ones stand in front: what is sent already stays where it is all the same.
    agree(&mut world, &offer.to_sdp_string(), pending, &sources(&picture, [7, 8, 0]));
    assert_eq!(keys(&world), [0, 7, 8]);
    play(&mut world, 10..20);
    assert_eq!(whole(&mut world).values().sum::<usize>(), 30);
    assert_eq!(world.session.engine().mapping(first).expect("sent").ssrc, before.ssrc);
    assert!(world.session.closed().is_none());
}

#[test]
fn a_sender_goes_when_its_source_or_its_section_does() {
    let mut world = world(3);
    world.run(Duration::from_secs(3));
    play(&mut world, 0..5);
    let picture = CodecConfig::H264(avc());
    let mids: Vec<Mid> = world
        .answer
        .lines()
        .filter_map(|line| line.strip_prefix("a=mid:"))
        .map(|mid| Mid::from(mid.trim()))
        .collect();
    let mut api = world.client.sdp_api();
    api.set_direction(mids[0], Direction::Inactive);
    let (offer, pending) = api.apply().expect("an offer");
    // The first section is gone by the viewer's wish, the last source by ours.
    agree(&mut world, &offer.to_sdp_string(), pending, &sources(&picture, [1]));
    assert_eq!(keys(&world), [1]);
    whole(&mut world);
    play(&mut world, 5..15);
    assert_eq!(whole(&mut world).values().sum::<usize>(), 10);
}

#[test]
fn an_offer_may_restart_ice() {
    let mut world = world(1);
    world.run(Duration::from_secs(3));
    play(&mut world, 0..5);
    let before = world.session.local_ufrag().to_owned();
    let mut api = world.client.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().expect("an offer");
    let picture = CodecConfig::H264(avc());
    agree(&mut world, &offer.to_sdp_string(), pending, &sources(&picture, [0]));
    assert_ne!(world.session.local_ufrag(), before);
    whole(&mut world);
    play(&mut world, 5..65);
    assert_eq!(whole(&mut world).values().sum::<usize>(), 60);
    // Longer than any consent of the old credentials.
    world.run(Duration::from_secs(35));
    assert_eq!(world.session.closed(), None);
}

#[test]
fn an_offer_that_cannot_be_is_refused_and_the_session_goes_on() {
    let mut world = world(2);
    world.run(Duration::from_secs(3));
    let mut api = world.client.sdp_api();
    api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let offer = api.apply().expect("an offer").0.to_sdp_string();
    let picture = CodecConfig::H264(avc());
    let sources = sources(&picture, 0..3);
    let (_, print) = offer.split_once("a=fingerprint:sha-256 ").expect("a fingerprint");
    let (given, another) =
        (format!("sha-256 {}", &print[..2]), if &print[..2] == "00" { "sha-256 11" } else { "sha-256 00" });
    let other = offer.replace(&given, another);
    let cut = offer.rsplit_once("m=video").expect("a section").0.replace(" 3", "");
    let cut = cut.rsplit_once("m=").expect("a section").0.to_owned();
    for hostile in [other, cut, String::new()] {
        let now = world.now;
        let error = world.session.engine_mut().reoffer(now, &hostile, &sources).expect_err("refused");
        assert!(matches!(error, OfferError::Malformed(_)), "{error}");
    }
    assert_eq!(keys(&world), [0, 1]);
    play(&mut world, 0..5);
    assert_eq!(whole(&mut world).values().sum::<usize>(), 10);
}
