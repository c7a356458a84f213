//! Where media may go: only to addresses that showed that they are the peer's, and no longer than they want it.

use crate::world::{CLIENT, SERVER, World, address, avc, config, frame, on_both};
use std::time::Duration;
use str0m::{
    crypto::from_feature_flags,
    ice::{StunMessage, TransId},
};
use unisono_base::Epoch;
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264};
use unisono_proto_webrtc::{CloseReason, Session, ViewerSession};

on_both!(
    a_wrong_password_a_stranger_and_a_guessed_answer_leave_no_trace,
    a_stranger_gets_three_times_what_is_sent_in_its_name_at_most,
    media_does_not_follow_a_nomination_to_an_address_that_does_not_answer,
    a_peer_that_answers_no_checks_connects_and_plays,
    consent_is_renewed_for_minutes_and_ends_after_thirty_seconds_without_it,
    a_session_without_a_valid_check_is_gone_after_ten_seconds,
    a_peer_moves_to_another_address_and_media_follows_once_that_one_answers,
);

const STRANGER: &str = "198.51.100.9:4000";
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// The answer's ICE credentials: user fragment, password.
fn credentials(answer: &str) -> (&str, &str) {
    let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    (value("a=ice-ufrag:"), value("a=ice-pwd:"))
}

/// A check as the peer with these credentials sends it, nominating its address.
fn check<S>(world: &mut World<S>, password: &str) -> Vec<u8> {
    let ufrag = credentials(&world.answer).0.to_owned();
    let own = world.client.direct_api().local_ice_credentials().ufrag;
    let username = format!("{ufrag}:{own}");
    // Its priority lies above that of the address in use, so that the nomination counts.
    let request = StunMessage::binding_request(&username, TransId::new(), true, 7, 0x7fff_ffff, true);
    let mut bytes = vec![0; 300];
    let hmac = |key: &[u8], parts: &[&[u8]]| from_feature_flags().sha1_hmac_provider.sha1_hmac(key, parts);
    let length = request.to_bytes(Some(password.as_bytes()), &mut bytes, hmac).expect("fits");
    bytes.truncate(length);
    bytes
}

/// Everything the session wants to send now, in bytes by address.
fn sent<S: ViewerSession>(session: &mut S, to: &str) -> usize {
    let transmits = std::iter::from_fn(|| session.poll_transmit());
    transmits.filter(|t| t.path.remote == address(to)).map(|t| t.bytes.len()).sum()
}

fn play<S: ViewerSession>(world: &mut World<S>, frames: std::ops::Range<u32>) {
    for index in frames {
        let frame = frame(index, index.is_multiple_of(30));
        let packets = packetize_h264(&frame, &avc(), PAYLOAD_MAX);
        let now = world.now;
        world.session.send_video(now, frame.t, Epoch::next(None, 1), &frame, &packets);
        world.run(Duration::from_millis(33));
    }
}

fn a_wrong_password_a_stranger_and_a_guessed_answer_leave_no_trace<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    let wrong = check(&mut world, "not the password of this answer");
    let now = world.now;
    assert!(!world.session.handle_datagram(now, address(STRANGER), address(SERVER), &wrong));
    // A ClientHello from an address without a valid check (RFC 6347: handshake, DTLS 1.0 record).
    let hello = [&[22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0][..], &[0; 40]].concat();
    assert!(!world.session.handle_datagram(now, address(STRANGER), address(SERVER), &hello));
    let mut answer = wrong;
    answer[..2].copy_from_slice(&BINDING_SUCCESS);
    assert!(!world.session.handle_datagram(now, address(STRANGER), address(SERVER), &answer));
    assert_eq!(sent(&mut world.session, STRANGER), 0);
    world.run(Duration::from_secs(2));
    assert!(world.client.is_connected(), "the peer itself connects all the same");
}

/// The peer is the attacker: it knows the password, and sends checks and handshakes in the name of a stranger.
fn a_stranger_gets_three_times_what_is_sent_in_its_name_at_most<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    let password = credentials(&world.answer).1.to_owned();
    let (mut received, mut aimed) = (0, 0);
    for _ in 0..200 {
        let forged = check(&mut world, &password);
        let now = world.now;
        assert!(world.session.handle_datagram(now, address(STRANGER), address(SERVER), &forged));
        received += forged.len();
        aimed += sent(&mut world.session, STRANGER);
        assert!(aimed <= 3 * received, "{aimed} bytes out for {received} in");
        world.now += Duration::from_millis(20);
        let now = world.now;
        world.session.handle_timeout(now);
    }
    assert!(aimed > 0, "checks are answered");
}

fn media_does_not_follow_a_nomination_to_an_address_that_does_not_answer<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    world.run(Duration::from_secs(2));
    assert!(world.client.is_connected());
    play(&mut world, 0..10);
    let password = credentials(&world.answer).1.to_owned();
    let forged = check(&mut world, &password);
    let mut aimed = 0;
    let now = world.now;
    assert!(world.session.handle_datagram(now, address(STRANGER), address(SERVER), &forged));
    for index in 10..40 {
        let frame = frame(index, index.is_multiple_of(30));
        let packets = packetize_h264(&frame, &avc(), PAYLOAD_MAX);
        let now = world.now;
        world.session.send_video(now, frame.t, Epoch::next(None, 1), &frame, &packets);
        aimed += sent(&mut world.session, STRANGER);
        world.now += Duration::from_millis(33);
    }
    assert!(aimed <= 3 * forged.len(), "{aimed} bytes of media for a check of {}", forged.len());
}

fn a_peer_that_answers_no_checks_connects_and_plays<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    world.loses_up = Box::new(|bytes| bytes.starts_with(&BINDING_SUCCESS));
    world.run(Duration::from_secs(2));
    assert!(world.client.is_connected());
    play(&mut world, 0..60);
    let media = world.heard.iter().filter(|event| event.as_raw_packet().is_some()).count();
    assert!(media > 100, "{media} packets");
}

fn consent_is_renewed_for_minutes_and_ends_after_thirty_seconds_without_it<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    world.run(Duration::from_secs(2));
    for minute in 0..2 {
        play(&mut world, minute * 60..minute * 60 + 60);
        world.run(Duration::from_secs(58));
    }
    assert!(world.session.closed().is_none(), "{:?}", world.session.closed());
    // From now on it neither asks nor answers, and yet it sends receiver reports.
    let is_consent =
        |bytes: &[u8]| bytes.starts_with(&BINDING_SUCCESS) || bytes.starts_with(&BINDING_REQUEST);
    world.loses_up = Box::new(is_consent);
    let silenced = world.now;
    for index in 200.. {
        play(&mut world, index..index + 1);
        if world.session.closed().is_some() {
            break;
        }
        assert!(world.now < silenced + Duration::from_secs(60), "media goes on");
    }
    assert_eq!(world.session.closed(), Some(&CloseReason::ConsentEnded));
    assert!(world.now >= silenced + Duration::from_secs(20), "not before its time");
}

fn a_session_without_a_valid_check_is_gone_after_ten_seconds<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    world.loses_up = Box::new(|_| true);
    world.run(Duration::from_millis(9_900));
    assert_eq!(world.session.closed(), None);
    world.run(Duration::from_millis(200));
    assert_eq!(world.session.closed(), Some(&CloseReason::Unreachable));
}

fn a_peer_moves_to_another_address_and_media_follows_once_that_one_answers<S: ViewerSession>() {
    let mut world = World::<S>::viewer(config());
    world.run(Duration::from_secs(2));
    play(&mut world, 0..10);
    let password = credentials(&world.answer).1.to_owned();
    let moved = check(&mut world, &password);
    let now = world.now;
    assert!(world.session.handle_datagram(now, address(STRANGER), address(SERVER), &moved));
    let asked = std::iter::from_fn(|| world.session.poll_transmit())
        .find(|t| t.path.remote == address(STRANGER) && t.bytes.starts_with(&BINDING_REQUEST))
        .expect("it is asked whether it is there");
    let reply = {
        let request = StunMessage::parse(&asked.bytes).expect("ours");
        let own = world.client.direct_api().local_ice_credentials().pass;
        let hmac =
            |key: &[u8], parts: &[&[u8]]| from_feature_flags().sha1_hmac_provider.sha1_hmac(key, parts);
        assert!(request.verify(own.as_bytes(), hmac), "signed with the peer's password");
        let mut bytes = vec![0; 200];
        let reply = StunMessage::binding_reply(request.trans_id(), address(SERVER));
        let length = reply.to_bytes(Some(own.as_bytes()), &mut bytes, hmac).expect("fits");
        bytes.truncate(length);
        bytes
    };
    // The same answer from elsewhere proves nothing.
    assert!(!world.session.handle_datagram(now, address("203.0.113.3:1"), address(SERVER), &reply));
    assert!(world.session.handle_datagram(now, address(STRANGER), address(SERVER), &reply));
    let mut followed = 0;
    for index in 10..20 {
        let frame = frame(index, index == 10);
        let packets = packetize_h264(&frame, &avc(), PAYLOAD_MAX);
        let now = world.now;
        world.session.send_video(now, frame.t, Epoch::next(None, 1), &frame, &packets);
        followed += sent(&mut world.session, STRANGER);
        world.now += Duration::from_millis(33);
    }
    assert!(followed > 20_000, "{followed} bytes");
    assert_eq!(sent(&mut world.session, CLIENT), 0);
}

/// FFmpeg 8.0 by WHIP: one check that nominates, no answer to ours, the server's part in DTLS, and then only media.
#[test]
fn a_publisher_that_speaks_only_dtls_and_media_after_its_first_check_stays() {
    let passive = |offer: String| offer.replace("a=setup:actpass", "a=setup:passive");
    let (mut world, mid) = World::publisher(config(), passive);
    assert!(world.answer.contains("a=setup:active"), "{}", world.answer);
    let password = credentials(&world.answer).1.to_owned();
    let nominating = check(&mut world, &password);
    let now = world.now;
    assert!(world.session.handle_datagram(now, address(CLIENT), address(SERVER), &nominating));
    let first: Vec<_> = std::iter::from_fn(|| world.session.poll_transmit()).collect();
    assert!(first.iter().any(|t| t.bytes.starts_with(&BINDING_SUCCESS)), "its check is answered");
    assert!(
        !first.iter().any(|t| t.bytes.starts_with(&BINDING_REQUEST)),
        "no check of ours takes the ClientHello's bytes"
    );
    // This client needs two checks to connect; all others are lost.
    let mut checks = 0;
    world.loses_up = Box::new(move |bytes| {
        checks += u32::from(bytes.starts_with(&BINDING_REQUEST));
        bytes.starts_with(&BINDING_SUCCESS) || bytes.starts_with(&BINDING_REQUEST) && checks > 2
    });
    world.run(Duration::from_secs(4));
    assert!(world.client.is_connected(), "{:?}", world.session.closed());
    let (mut sequence, mut frames) = (1, 0);
    for index in 0..45 {
        sequence = world.send(mid, &frame(index, true), index * 30, sequence);
        world.run(Duration::from_secs(1));
        frames += world.frames().len();
    }
    assert_eq!(world.session.closed(), None);
    assert!(frames > 10, "{frames} frames");
}
