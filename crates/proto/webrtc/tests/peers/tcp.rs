//! ICE-TCP (RFC 6544): sessions over a connection that the peer opened, alone and beside datagrams.

use crate::{
    line::{Line, tcp, udp},
    world::on_both,
};
use std::time::Duration;
use unisono_proto_webrtc::{CloseReason, Path, ViewerSession};

on_both!(
    a_session_begins_and_plays_over_tcp_alone,
    media_moves_to_tcp_and_back_by_nomination,
    media_moves_to_tcp_when_datagrams_stop,
    consent_is_that_of_the_path_in_use,
    tcp_that_answers_proves_nothing_about_datagrams_between_the_same_addresses,
);

fn all(path: Path, count: usize) -> Vec<Path> {
    vec![path; count]
}

fn a_session_begins_and_plays_over_tcp_alone<S: ViewerSession>() {
    let mut line = Line::<S>::connected(tcp());
    let passive =
        line.answer.lines().filter(|line| line.contains(" tcp ") && line.contains("tcptype passive"));
    assert_eq!(passive.count(), 1, "{}", line.answer);
    line.play(0..60);
    assert_eq!(line.pictures(), all(tcp(), 60));
    line.run(Duration::from_secs(40));
    assert_eq!(line.session.closed(), None, "consent is kept there");
    line.play(60..90);
    assert_eq!(line.pictures(), all(tcp(), 30));
    // It closed the connection, and there is no other: media stops with its consent.
    line.keeps.clear();
    line.run(Duration::from_secs(31));
    assert!(matches!(line.session.closed(), Some(CloseReason::Silent | CloseReason::ConsentEnded)));
}

fn media_moves_to_tcp_and_back_by_nomination<S: ViewerSession>() {
    let mut line = Line::<S>::connected(udp());
    line.play(0..10);
    assert_eq!(line.pictures(), all(udp(), 10));
    // Valid, but not nominated.
    line.keeps.push(tcp());
    line.check(tcp(), None);
    line.play(10..20);
    assert_eq!(line.pictures(), all(udp(), 10));
    line.uses = tcp();
    line.check(tcp(), Some(200));
    line.play(20..30);
    assert_eq!(line.pictures(), all(tcp(), 10));
    // The way back has a lower priority than the one in use: it counts once that one is left alone.
    line.keeps = vec![udp()];
    line.uses = udp();
    line.run(Duration::from_millis(1_100));
    line.keeps.push(tcp());
    line.check(udp(), Some(100));
    line.play(30..60);
    assert_eq!(line.pictures(), all(udp(), 30));
    assert_eq!(line.session.closed(), None);
}

/// A firewall that closes in the middle: the peer's own packets say where it is before its next nomination does.
fn media_moves_to_tcp_when_datagrams_stop<S: ViewerSession>() {
    let mut line = Line::<S>::connected(udp());
    line.keeps.push(tcp());
    line.check(tcp(), None);
    line.play(0..10);
    assert_eq!(line.pictures(), all(udp(), 10));
    line.keeps = vec![tcp()];
    line.uses = tcp();
    line.run(Duration::from_millis(1_100));
    line.check(tcp(), Some(1));
    line.play(10..40);
    assert_eq!(line.pictures(), all(tcp(), 30), "none went where nobody listens");
}

fn consent_is_that_of_the_path_in_use<S: ViewerSession>() {
    let mut line = Line::<S>::connected(udp());
    line.keeps.push(tcp());
    line.uses = tcp();
    line.check(tcp(), Some(200));
    line.play(0..10);
    // The one that was left falls silent.
    line.keeps = vec![tcp()];
    line.asked.clear();
    for second in 0..40 {
        line.play(10 + second..11 + second);
        line.run(Duration::from_secs(1));
    }
    assert_eq!(line.session.closed(), None);
    assert!(line.asked.len() >= 6 && line.asked.iter().all(|path| *path == tcp()), "{:?}", line.asked);
    // Now the one in use does, while the other is checked and answered all the time.
    line.keeps = vec![udp()];
    line.check(udp(), None);
    for second in 0..40 {
        line.play(50 + second..51 + second);
        line.run(Duration::from_secs(1));
    }
    assert_eq!(line.session.closed(), Some(&CloseReason::ConsentEnded));
}

fn tcp_that_answers_proves_nothing_about_datagrams_between_the_same_addresses<S: ViewerSession>() {
    let mut line = Line::<S>::connected(tcp());
    line.play(0..10);
    let forged = Path::udp(tcp().remote, tcp().local);
    let check = line.insider.check(Some(300));
    let now = line.now;
    line.session.handle_packet(now, forged, &check);
    let mut aimed = 0;
    for index in 10..20 {
        let picture = crate::world::frame(index, index == 10);
        let packets =
            unisono_mux::rtp::packetize_h264(&picture, &crate::world::avc(), unisono_mux::rtp::PAYLOAD_MAX);
        line.session.send_video(line.now, picture.t, unisono_base::Epoch(9), &picture, &packets);
        let sent = std::iter::from_fn(|| line.session.poll_transmit());
        aimed += sent.filter(|sent| sent.path == forged).map(|sent| sent.bytes.len()).sum::<usize>();
        line.now += Duration::from_millis(35);
    }
    assert!(aimed <= 3 * check.len(), "{aimed} bytes for a check of {}", check.len());
}
