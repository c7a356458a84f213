//! What a viewer with the keys says to its engine: after a whole handshake, of SCTP as well, each input is a byte that says
//! how it goes (as DTLS application data, as SCTP with the right tag and checksum, as SRTCP, or as it is) and how much time
//! passes, two bytes of length, and its content.

#![no_main]

#[expect(dead_code, reason = "its datagrams come from outside; these do not")]
mod door;
#[path = "../../crates/proto/webrtc/tests/common/insider.rs"]
mod insider;

use bytes::Bytes;
use insider::{Heard, Insider};
use libfuzzer_sys::fuzz_target;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use unisono_media::{AvcConfig, CodecConfig};
use unisono_proto_webrtc::{CloseReason, Engine, Session, Wanted};

const OFFER: &str = include_str!("../../crates/proto/webrtc/tests/peers/chromium-whep.sdp");

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];
const PPS: &[u8] = &[0x68, 0xee, 0x3c, 0x80];
/// Turns that a handshake without loss needs are fewer.
const TURNS_MAX: usize = 50;
/// Packets that one of the peer's may cost.
const ANSWERS_MAX: usize = 2_000;

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5000))
}

/// A connected session and its viewer.
fn connected(now: &mut Instant) -> (Engine, Insider) {
    let avc = AvcConfig::new(Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]).expect("valid");
    let config = CodecConfig::H264(avc);
    let wanted = Wanted { video: Some(&config), audio: true };
    let (mut insider, offer) = Insider::new(OFFER, *now);
    let (mut engine, answer) =
        Engine::accept(door::identity(), &offer, &[door::server()], wanted, *now).expect("a real offer");
    insider.agree(&answer);
    engine.handle_datagram(*now, peer(), door::server(), &insider.check(Some(1)));
    for _ in 0..TURNS_MAX {
        let mut waiting = insider.handle_timeout(*now);
        while let Some(transmit) = engine.poll_transmit() {
            match insider.handle_packet(&transmit.bytes) {
                Some(Heard::Check(reply)) => waiting.push(reply),
                Some(Heard::Dtls(records, _)) => waiting.extend(records),
                _ => {}
            }
        }
        for packet in waiting {
            engine.handle_datagram(*now, peer(), door::server(), &packet);
        }
        if insider.is_connected && engine.is_connected() {
            break;
        }
        *now += Duration::from_millis(20);
        engine.handle_timeout(*now);
    }
    assert!(insider.is_connected && engine.is_connected(), "a handshake without loss");
    (engine, insider)
}

/// An SCTP association; the tag that its packets carry. The first chunk may have TSN 1,000.
fn associated(now: Instant, engine: &mut Engine, insider: &mut Insider) -> u32 {
    const INIT: [u8; 20] = [1, 0, 0, 20, 1, 2, 3, 4, 0, 1, 0, 0, 0, 16, 0, 16, 0, 0, 3, 232];
    let answer = say(now, engine, insider, &whole(0, &INIT)).expect("INIT ACK");
    let tag = u32::from_be_bytes(*answer[16..].first_chunk().expect("a tag"));
    // Its parameters; the cookie has type 7 (RFC 9260 §3.3.3).
    let mut parameters = &answer[32..];
    let cookie = loop {
        let length = usize::from(u16::from_be_bytes([parameters[2], parameters[3]]));
        if parameters[..2] == [0, 7] {
            break &parameters[4..length];
        }
        parameters = &parameters[length.next_multiple_of(4)..];
    };
    let mut echo = vec![10, 0];
    echo.extend((cookie.len() as u16 + 4).to_be_bytes());
    echo.extend(cookie);
    echo.resize(echo.len().next_multiple_of(4), 0);
    say(now, engine, insider, &whole(tag, &echo)).expect("COOKIE ACK");
    tag
}

/// Says this inside DTLS; what comes back in there.
fn say(now: Instant, engine: &mut Engine, insider: &mut Insider, packet: &[u8]) -> Option<Vec<u8>> {
    for record in insider.wrap(packet) {
        engine.handle_datagram(now, peer(), door::server(), &record);
    }
    let sent: Vec<_> = std::iter::from_fn(|| engine.poll_transmit()).collect();
    sent.iter().find_map(|transmit| match insider.handle_packet(&transmit.bytes) {
        Some(Heard::Dtls(_, inside)) => inside.into_iter().next(),
        _ => None,
    })
}

fuzz_target!(|data: &[u8]| {
    let mut now = Instant::now();
    let (mut engine, mut insider) = connected(&mut now);
    let tag = associated(now, &mut engine, &mut insider);
    let mut rest = data;
    while let Some((&[how, high, low], after)) = rest.split_first_chunk::<3>() {
        let (bytes, after) = after.split_at((usize::from(high) << 8 | usize::from(low)).min(after.len()));
        rest = after;
        now += Duration::from_millis(u64::from(how >> 2));
        let packets = match how & 3 {
            0 => insider.wrap(bytes),
            1 => insider.wrap(&whole(tag, bytes.get(12..).unwrap_or_default())),
            2 => insider.seal(bytes).into_iter().collect(),
            _ => vec![bytes.to_vec()],
        };
        for packet in packets {
            engine.handle_datagram(now, peer(), door::server(), &packet);
        }
        engine.handle_timeout(now);
        let answers = std::iter::from_fn(|| engine.poll_transmit()).count();
        assert!(answers <= ANSWERS_MAX, "{answers} packets for one");
        while engine.poll_event().is_some() {}
        while engine.poll_resend().is_some() {}
        if let Some(CloseReason::Protocol(words)) = engine.closed() {
            // A panic of a library is contained, and a find all the same.
            assert!(!words.contains("the WebRTC stack failed"), "{words}");
            return;
        }
    }
});

/// An SCTP packet around these chunks (CRC-32C: RFC 9260 appendix A).
fn whole(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    let checksum = !packet.iter().fold(u32::MAX, step);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}
