//! What is lost is asked for again; where nothing comes, a keyframe is; and an ICE restart interrupts nothing.

use crate::world::{CLIENT, SERVER, World, address, config, frame, on_both};
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};
use str0m::{IceCreds, rtp::rtcp::Rtcp};
use unisono_base::Epoch;
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264};
use unisono_proto_webrtc::{CloseReason, PatchOutcome, Session, ViewerSession};

const FRAME: Duration = Duration::from_millis(33);

/// RTP, not RTCP, STUN or DTLS (RFC 7983 §7).
fn is_rtp(datagram: &[u8]) -> bool {
    (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1])
}

#[test]
fn a_publisher_gets_transport_wide_feedback() {
    let (mut world, video) = World::publisher(config(), |offer| offer);
    world.run(Duration::from_secs(3));
    let mut sequence = 1_000;
    for index in 0..30 {
        sequence = world.send(video, &frame(index, index == 0), index, sequence);
        world.run(FRAME);
    }
    assert!(world.heard_rtcp(|rtcp| matches!(rtcp, Rtcp::Twcc(_))) >= 5);
    assert_eq!(world.frames().len(), 30);
}

/// GStreamer and ffmpeg negotiate NACK without RTX.
#[test]
fn a_publisher_without_rtx_is_asked_for_losses_too() {
    let (mut world, video) = World::publisher(config(), without_rtx);
    world.run(Duration::from_secs(3));
    let mut sequence = world.send(video, &frame(0, true), 0, 1_000);
    world.run(FRAME);
    let losing = Rc::new(Cell::new(true));
    let loses = Rc::clone(&losing);
    // The first packet of the next frame.
    world.loses_up = Box::new(move |datagram| is_rtp(datagram) && loses.replace(false));
    sequence = world.send(video, &frame(1, false), 1, sequence);
    world.run(FRAME);
    assert!(!losing.get(), "one packet is gone");
    world.send(video, &frame(2, false), 2, sequence);
    world.run(Duration::from_millis(300));
    assert!(world.heard_rtcp(|rtcp| matches!(rtcp, Rtcp::Nack(_))) >= 1);
}

fn without_rtx(offer: String) -> String {
    let resends = offer.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.strip_suffix(" rtx/90000"));
    let resends: Vec<_> = resends.collect();
    let lines = offer.lines().filter(|line| !line.contains("rtx/90000") && !line.contains("apt="));
    let lines = lines.map(|line| match line.starts_with("m=video") {
        true => line.split(' ').filter(|word| !resends.contains(word)).collect::<Vec<_>>().join(" "),
        false => line.to_owned(),
    });
    lines.map(|line| line + "\r\n").collect()
}

/// The keyframe cannot be mended, because every packet with its sequence number is lost.
#[test]
fn a_lost_keyframe_is_asked_for_again_and_the_picture_goes_on() {
    let (mut world, video) = World::publisher(config(), |offer| offer);
    world.run(Duration::from_secs(3));
    let mut sequence = world.send(video, &frame(0, true), 0, 1_000);
    world.run(FRAME);
    assert_eq!(world.frames().len(), 1);
    let losing = Rc::new(Cell::new(true));
    let loses = Rc::clone(&losing);
    world.loses_up = Box::new(move |datagram| is_rtp(datagram) && loses.get());
    sequence = world.send(video, &frame(1, true), 1, sequence);
    world.run(FRAME);
    losing.set(false);
    // Its retransmissions will not come: the sender has forgotten them.
    let mut api = world.client.direct_api();
    let stream = api.stream_tx_by_mid(video, None).expect("a sender");
    stream.set_rtx_cache(0, Duration::ZERO, None);
    let plis = |world: &World<_>| world.heard_rtcp(|rtcp| matches!(rtcp, Rtcp::Pli(_)));
    let before = plis(&world);
    for index in 2..32 {
        sequence = world.send(video, &frame(index, false), index, sequence);
        world.run(FRAME);
    }
    assert!(plis(&world) > before, "a keyframe is asked for");
    assert_eq!(world.frames().len(), 0, "nothing that cannot be decoded comes out");
    sequence = world.send(video, &frame(32, true), 32, sequence);
    world.run(FRAME);
    world.send(video, &frame(33, false), 33, sequence);
    world.run(Duration::from_secs(1));
    let frames = world.frames();
    assert_eq!(frames.len(), 2);
    assert!(frames[0].key && frames[0].payload == frame(32, true).payload);
    assert_eq!(world.session.stats().frames, 3);
}

/// From its last packet on.
fn silence<S: Session>(mut world: World<S>) -> Duration {
    world.run(Duration::from_secs(3));
    let before = world.last_sent;
    world.run(Duration::from_secs(5));
    let last = world.last_sent;
    assert!(last > before, "a living peer checks its consent");
    world.loses_up = Box::new(|_| true);
    while world.session.closed().is_none() {
        world.run(Duration::from_millis(1));
    }
    assert_eq!(world.session.closed(), Some(&CloseReason::Silent));
    world.now - last
}

const SLACK: Duration = Duration::from_millis(50);

#[test]
fn a_silent_publisher_is_lost_after_six_seconds() {
    let publisher = silence(World::publisher(config(), |offer| offer).0);
    assert!(
        publisher >= Duration::from_secs(6) && publisher < Duration::from_secs(6) + SLACK,
        "{publisher:?}"
    );
}

fn a_silent_viewer_is_lost_after_ten_seconds<S: ViewerSession>() {
    let viewer = silence(World::<S>::viewer(config()));
    assert!(viewer >= Duration::from_secs(10) && viewer < Duration::from_secs(10) + SLACK, "{viewer:?}");
}

#[test]
fn media_goes_on_across_an_ice_restart() {
    let (mut world, video) = World::publisher(config(), |offer| offer);
    world.run(Duration::from_secs(3));
    let mut sequence = 1_000;
    for index in 0..120 {
        if index == 60 {
            restart(&mut world, |session, now, fragment| {
                session.handle_patch(now, fragment).expect("patched")
            });
        }
        sequence = world.send(video, &frame(index, index % 30 == 0), index, sequence);
        world.run(FRAME);
    }
    world.run(Duration::from_secs(1));
    let frames = world.frames();
    assert_eq!(frames.len(), 120);
    assert!(frames.iter().enumerate().all(|(i, got)| got.payload == frame(i as u32, i % 30 == 0).payload));
    // Longer than any consent of the old credentials.
    world.run(Duration::from_secs(12));
    assert_eq!(world.session.closed(), None);
}

on_both!(a_viewer_keeps_watching_across_an_ice_restart, a_silent_viewer_is_lost_after_ten_seconds);

fn a_viewer_keeps_watching_across_an_ice_restart<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    world.run(Duration::from_secs(4));
    let config = crate::world::avc();
    for index in 0..120 {
        if index == 60 {
            restart(&mut world, |session, now, fragment| {
                session.handle_patch(now, fragment).expect("patched")
            });
        }
        let frame = frame(index, index % 30 == 0);
        let packets = packetize_h264(&frame, &config, PAYLOAD_MAX);
        assert!(world.session.send_video(world.now, frame.t, Epoch(9), &frame, &packets));
        world.run(FRAME);
    }
    world.run(Duration::from_secs(1));
    let is_end = |event: &&str0m::Event| matches!(event, str0m::Event::RtpPacket(packet) if packet.header.marker && !packet.payload.is_empty());
    assert_eq!(world.heard.iter().filter(is_end).count(), 120);
}

/// New credentials from the client by PATCH, and ours from the answer to it.
fn restart<S: Session>(world: &mut World<S>, patch: impl FnOnce(&mut S, Instant, &str) -> PatchOutcome) {
    let old = world.session.local_ufrag().to_owned();
    let ours = IceCreds::new();
    let fragment = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=mid:0\r\n", ours.ufrag, ours.pass);
    let PatchOutcome::Restarted { fragment } = patch(&mut world.session, world.now, &fragment) else {
        panic!("no restart")
    };
    assert_ne!(old, world.session.local_ufrag());
    assert!(fragment.contains(&format!(" {} {} typ host", address(SERVER).ip(), address(SERVER).port())));
    assert!(!fragment.contains(CLIENT));
    let value =
        |name: &str| fragment.lines().find_map(|line| line.strip_prefix(name)).expect(name).to_owned();
    let theirs = IceCreds { ufrag: value("a=ice-ufrag:"), pass: value("a=ice-pwd:") };
    let mut api = world.client.direct_api();
    api.set_local_ice_credentials(ours);
    api.set_remote_ice_credentials(theirs);
}
