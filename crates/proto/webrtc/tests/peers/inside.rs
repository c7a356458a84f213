//! What a peer with the keys may do to its session: say nonsense inside DTLS and SRTCP, and what the network does to
//! what it says: twice, late, out of order. str0m neither remembers which RTCP came before nor takes what is longer than its
//! buffer, so this is about the engine alone.

use crate::{
    line::{Got, Line, udp},
    links::Dice,
    sctp::{Association, DATA, PORTS, chunk, data, init, packet},
};
use std::time::Duration;
use unisono_proto_webrtc::{EgressEvent, Session, Viewer, ViewerSession};

/// Bytes that a session may gain while nonsense comes in; a window of SCTP has 64 KiB.
const GROWTH_MAX: i64 = 128 * 1024;

/// Feedback of the insider's, behind an empty receiver report (RFC 3550 §6.1): kind, format, about whom, what.
fn feedback(kind: u8, format: u8, media: u32, what: &[u8]) -> Vec<u8> {
    let mut compound = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
    compound.extend([0x80 | format, kind]);
    compound.extend((what.len() as u16 / 4 + 2).to_be_bytes());
    compound.extend([0, 0, 0, 1]);
    compound.extend(media.to_be_bytes());
    compound.extend(what);
    compound
}

fn pli(media: u32) -> Vec<u8> {
    feedback(206, 1, media, &[])
}

/// Names this packet and the sixteen after it.
fn nack(media: u32, first: u16) -> Vec<u8> {
    let [high, low] = first.to_be_bytes();
    feedback(205, 1, media, &[high, low, 0xff, 0xff])
}

fn resent(line: &mut Line<Viewer>) -> usize {
    let ssrc = line.ssrc();
    line.got.drain(..).filter(|got: &Got| got.ssrc != ssrc).count()
}

#[test]
fn a_nack_that_comes_again_is_answered_once() {
    let mut line = Line::<Viewer>::connected(udp());
    line.play(0..20);
    let first = line.got[20].sequence;
    let media = line.ssrc();
    line.got.clear();
    let lost = line.insider.seal(&nack(media, first)).expect("sealed");
    for later in [0, 0, 5, 500] {
        line.run(Duration::from_millis(later));
        line.send(udp(), &lost);
    }
    line.run(Duration::from_millis(500));
    assert_eq!(resent(&mut line), 17, "each packet once");
    assert_eq!(line.session.stats().nacks, 1, "a copy is no message");
    // A packet that is lost again is asked for by another message.
    let again = line.insider.seal(&nack(media, first)).expect("sealed");
    line.send(udp(), &again);
    line.run(Duration::from_millis(500));
    assert!(resent(&mut line) > 0);
    line.play(20..30);
    assert_eq!(line.pictures().len(), 10);
}

#[test]
fn reordered_rtcp_is_read_and_old_rtcp_is_not() {
    let mut line = Line::<Viewer>::connected(udp());
    line.play(0..5);
    let media = line.ssrc();
    let pleas: Vec<_> = (0..200).map(|_| line.insider.seal(&pli(media)).expect("sealed")).collect();
    for index in [2, 0, 1, 2, 0, 4, 3] {
        line.send(udp(), &pleas[index]);
    }
    assert_eq!(line.session.stats().plis, 5);
    // Nobody remembers 150 packets back whether this one came before.
    line.send(udp(), &pleas[199]);
    line.send(udp(), &pleas[20]);
    assert_eq!(line.session.stats().plis, 6);
    line.run(Duration::from_secs(1));
    assert_eq!(line.session.closed(), None);
}

/// Hands these over and takes what comes; returns by how much the session has grown.
fn growth(line: &mut Line<Viewer>, packets: &[Vec<u8>]) -> i64 {
    let now = line.now;
    let session = &mut line.session;
    let measured = allocation_counter::measure(|| {
        for packet in packets {
            session.handle_packet(now, udp(), packet);
            let answers = std::iter::from_fn(|| session.poll_transmit()).count();
            assert!(answers < 64, "{answers} packets for one");
            while session.poll_event().is_some() {}
        }
    });
    measured.bytes_current
}

/// The same packets inside DTLS.
fn growth_inside(line: &mut Line<Viewer>, packets: &[Vec<u8>]) -> i64 {
    let records: Vec<_> = packets.iter().flat_map(|packet| line.insider.wrap(packet)).collect();
    assert_eq!(records.len(), packets.len());
    growth(line, &records)
}

/// Up to `end` random bytes.
fn noise(dice: &mut Dice, end: usize) -> Vec<u8> {
    let length = (dice.roll() * end as f64) as usize;
    (0..length).map(|_| (dice.roll() * 256.0) as u8).collect()
}

/// Other ports and tags, wrong checksums, lengths that lie, noise, and records as long as DTLS has them.
#[test]
fn broken_sctp_does_not_touch_the_channel() {
    let mut line = Line::<Viewer>::connected(udp());
    let mut association = Association::open(&mut line);
    assert!(association.is_heard(&mut line, "before"));
    let tag = association.tag;
    let mut dice = Dice::new(3);
    let hello = chunk(DATA, 3, &data(association.tsn, 0, 1, 51, b"not from this association"));
    let mut round = |_| {
        let mut damaged = packet(PORTS, tag, &hello);
        damaged[8] ^= 1;
        let lying = [DATA, 3, 0xff, 0xff, 0, 0, 0, 1];
        let short = [DATA, 3, 0, 1, 0, 0, 0, 1];
        vec![
            noise(&mut dice, 1_200),
            packet([1, 2], tag ^ 1, &hello),
            packet(PORTS, tag ^ 1, &hello),
            packet(PORTS, tag, &lying),
            packet(PORTS, tag, &short),
            packet(PORTS, tag, &[]),
            damaged,
            noise(&mut dice, 16_000),
        ]
    };
    let packets: Vec<_> = (0..300).flat_map(&mut round).filter(|packet| !packet.is_empty()).collect();
    let grown = growth_inside(&mut line, &packets);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    assert_eq!(line.session.closed(), None);
    assert!(association.is_heard(&mut line, "after"));
}

/// Every kind of chunk with the right tag: the association may end of it, the session may not.
#[test]
fn nonsense_in_a_real_association_does_not_touch_the_media() {
    let mut line = Line::<Viewer>::connected(udp());
    line.play(0..5);
    line.pictures();
    let association = Association::open(&mut line);
    let mut dice = Dice::new(4);
    let mut packets = Vec::new();
    // ABORT and the three of SHUTDOWN come last.
    let kinds = (0..=15).chain([0x40, 0x80, 0x81, 0x82, 0x83, 0xc0, 0xc1]);
    let kinds: Vec<u8> = kinds.filter(|kind| ![6, 7, 8, 14].contains(kind)).collect();
    for _ in 0..1_500 {
        let kind = kinds[(dice.roll() * kinds.len() as f64) as usize];
        let mut chunks = chunk(kind, (dice.roll() * 256.0) as u8, &noise(&mut dice, 200));
        chunks.extend(chunk(DATA, 3, &data((dice.roll() * 4e9) as u32, 0, 1, 50, &noise(&mut dice, 60))));
        packets.push(packet(PORTS, association.tag, &chunks));
    }
    let grown = growth_inside(&mut line, &packets);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    let ends: Vec<_> =
        [7, 8, 14, 6].iter().map(|kind| packet(PORTS, association.tag, &chunk(*kind, 0, &[]))).collect();
    growth_inside(&mut line, &ends);
    line.run(Duration::from_secs(5));
    assert_eq!(line.session.closed(), None);
    line.play(5..35);
    assert_eq!(line.pictures().len(), 30);
}

#[test]
fn nonsense_in_genuine_rtcp_changes_nothing() {
    let mut line = Line::<Viewer>::connected(udp());
    line.play(0..30);
    line.pictures();
    let media = line.ssrc();
    let mut dice = Dice::new(6);
    let mut compounds = vec![vec![0x80, 201, 0, 1, 0, 0, 0, 1]];
    for index in 0..4_000_u32 {
        let kind = 192 + (dice.roll() * 32.0) as u8;
        let about = if index % 2 == 0 { media } else { index };
        let mut compound = feedback(kind, (dice.roll() * 32.0) as u8, about, &noise(&mut dice, 400));
        match index % 4 {
            // Lengths that lie.
            0 => compound[10..12].copy_from_slice(&((dice.roll() * 65_536.0) as u16).to_be_bytes()),
            // Other senders than one.
            1 => compound[4..8].copy_from_slice(&(index % 100).to_be_bytes()),
            _ => {}
        }
        compounds.push(compound);
    }
    let packets: Vec<_> = compounds.iter().filter_map(|compound| line.insider.seal(compound)).collect();
    assert_eq!(packets.len(), compounds.len());
    let grown = growth(&mut line, &packets);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    assert_eq!(line.session.closed(), None);
    line.got.clear();
    line.play(30..60);
    assert_eq!(line.pictures().len(), 30);
    let before = line.session.stats().plis;
    let plea = line.insider.seal(&pli(media)).expect("sealed");
    line.send(udp(), &plea);
    assert_eq!(line.session.stats().plis, before + 1, "who speaks sense again is heard");
}

/// Handshakes within the handshake.
#[test]
fn a_thousand_associations_are_one() {
    let mut line = Line::<Viewer>::connected(udp());
    let mut association = Association::open(&mut line);
    let packets: Vec<_> = (1..4_000).map(|tag| packet(PORTS, 0, &init(tag))).collect();
    let grown = growth_inside(&mut line, &packets);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    assert!(association.is_heard(&mut line, "after"));
}

/// Messages that never end, on as many streams as there are, and on one.
#[test]
fn messages_without_an_end_are_bounded() {
    for streams in [1, u32::from(u16::MAX)] {
        let mut line = Line::<Viewer>::connected(udp());
        line.play(0..5);
        line.pictures();
        let association = Association::open(&mut line);
        let begin = |index: u32| {
            let part = data(association.tsn + 2 + index, (index % streams) as u16, 1, 51, &[7; 1_000]);
            packet(PORTS, association.tag, &chunk(DATA, 2, &part))
        };
        let packets: Vec<_> = (0..4_000).map(begin).collect();
        let grown = growth_inside(&mut line, &packets);
        assert!(grown < GROWTH_MAX, "{grown} bytes on {streams} streams");
        line.run(Duration::from_secs(5));
        assert_eq!(line.session.closed(), None);
        line.play(5..35);
        assert_eq!(line.pictures().len(), 30);
    }
}

/// One byte each, in packets that are otherwise padding, behind a chunk that never comes.
#[test]
fn tiny_chunks_in_long_packets_are_bounded() {
    let mut line = Line::<Viewer>::connected(udp());
    let mut association = Association::open(&mut line);
    let padding = chunk(0x84, 0, &[0; 1_000]);
    let begin = |index: u32| {
        let tiny = chunk(DATA, 2, &data(association.tsn + 1 + index, 0, 9, 51, &[7]));
        packet(PORTS, association.tag, &[tiny, padding.clone()].concat())
    };
    let packets: Vec<_> = (0..20_000).map(begin).collect();
    let grown = growth_inside(&mut line, &packets);
    assert!(grown < 1024 * 1024, "{grown} bytes");
    assert!(association.is_heard(&mut line, "the one that was missing"));
}

/// A browser's reports alone must not fill anything: the same from the engine's own queues.
#[test]
fn a_thousand_pleas_wait_for_nobody() {
    let mut line = Line::<Viewer>::connected(udp());
    line.play(0..5);
    let media = line.ssrc();
    let pleas: Vec<_> = (0..1_000).map(|_| line.insider.seal(&pli(media)).expect("sealed")).collect();
    let now = line.now;
    for plea in &pleas {
        line.session.handle_packet(now, udp(), plea);
    }
    let events: Vec<_> = std::iter::from_fn(|| line.session.poll_event()).collect();
    assert!(events.len() <= 64, "{} events", events.len());
    assert!(events.iter().all(|event| matches!(event, EgressEvent::KeyframeRequest)));
}
