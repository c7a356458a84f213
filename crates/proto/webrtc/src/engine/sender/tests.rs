//! A sender against an opener: what arrives, in which order, at which time, and what is resent.

use super::*;
use crate::engine::{
    header::{self, ExtensionId},
    srtp::{Keys, Profile, RtpOpener, Side},
};
use std::{sync::Arc, time::Duration};

/// Keeps what was sent, one packet each.
#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl Outlet for Sent {
    fn packet(&mut self, _: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        let mut packet = vec![0xff; length];
        fill(&mut packet);
        self.0.push(packet);
    }
}

struct World {
    sender: Sender,
    sealer: Sealer,
    opener: RtpOpener,
    bwe: Bwe,
    now: Instant,
    path: Path,
    number: u64,
}

const MEDIA: u32 = 0xcafe_babe;
const RESENT: ResendStream = ResendStream { payload_type: 109, ssrc: 0xdead_beef };
const T0: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

#[expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]
fn world(kind: Kind, resend: Option<ResendStream>) -> World {
    let profile = Profile::AeadAes128Gcm;
    let material = vec![7; profile.material_len()];
    let keys = Keys::from_dtls(profile, &material, Side::Server).unwrap();
    let [mid, transport_cc, abs_capture_time] = [1, 2, 3].map(ExtensionId::new);
    let extensions = ExtensionIds { mid, transport_cc, abs_capture_time, playout_delay: None };
    let now = Instant::now();
    let path = Path::udp("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    let random = u64::MAX;
    World {
        sender: Sender::new(Config {
            kind,
            mid: "0",
            payload_type: 108,
            ssrc: MEDIA,
            resend,
            extensions,
            playout_delay: None,
            random,
        }),
        sealer: keys.sealer().unwrap(),
        opener: keys.rtp_opener().unwrap(),
        bwe: Bwe::new(now, 1_000_000),
        now,
        path,
        number: 0,
    }
}

/// A packet as it was opened.
#[derive(Debug)]
struct Rtp {
    index: u64,
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl Rtp {
    fn marker(&self) -> bool {
        self.header[1] & 0x80 != 0
    }

    fn timestamp(&self) -> u32 {
        u32::from_be_bytes(self.header[4..8].try_into().unwrap())
    }

    fn ssrc(&self) -> u32 {
        u32::from_be_bytes(self.header[8..12].try_into().unwrap())
    }
}

impl World {
    fn packets(sizes: &[usize]) -> Packets {
        let last = sizes.len() - 1;
        let packet =
            |(i, size): (usize, &usize)| Packet { payload: vec![i as u8; *size].into(), marker: i == last };
        Packets { list: sizes.iter().enumerate().map(packet).collect(), complete: true }
    }

    /// Sends a frame with packets of these sizes at T0 + `at`.
    fn send(&mut self, at: Span, key: bool, sizes: &[usize]) -> Vec<Rtp> {
        let mut frame = Frame::new(T0 + at, T0 + at, bytes::Bytes::new());
        frame.key = key;
        frame.duration = Span::from_millis(20);
        let packets = Self::packets(sizes);
        let outgoing = Outgoing { epoch: Epoch(1), number: self.number, frame: &frame, packets: &packets };
        self.number += 1;
        let mut sent = Sent::default();
        let mut wire = Wire { path: &self.path, sealer: &self.sealer, bwe: &mut self.bwe };
        self.sender.send_frame(self.now, outgoing, &mut wire, &mut sent);
        self.open(sent)
    }

    fn resend(&mut self, request: &Resend, size: usize) -> Vec<Rtp> {
        let packet = Packet { payload: Arc::from(vec![9; size]), marker: true };
        let mut sent = Sent::default();
        let mut wire = Wire { path: &self.path, sealer: &self.sealer, bwe: &mut self.bwe };
        let is_sent = self.sender.resend(self.now, request, &packet, &mut wire, &mut sent);
        assert_eq!(is_sent, !sent.0.is_empty());
        self.open(sent)
    }

    fn open(&mut self, sent: Sent) -> Vec<Rtp> {
        let open = |packet: Vec<u8>| {
            let mut plain = [0; 1_500];
            let (index, plain) = self.opener.open_rtp(&packet, &mut plain).expect("authentic");
            let (header, payload) = plain.split_at(header::length(plain).unwrap());
            Rtp { index, header: header.to_vec(), payload: payload.to_vec() }
        };
        sent.0.into_iter().map(open).collect()
    }

    fn report(&mut self, sequence: u64) {
        let highest_sequence = sequence as u32;
        let (cumulative_lost, jitter, last_report, delay) = (0, 0, 0, 0);
        let block = ReportBlock {
            ssrc: MEDIA,
            fraction_lost: 0,
            cumulative_lost,
            highest_sequence,
            jitter,
            last_report,
            delay,
        };
        self.sender.handle_report(T0, &block);
    }
}

#[test]
fn a_frame_is_a_train_of_headers_of_one_length() {
    let mut world = world(Kind::Video, Some(RESENT));
    for (at, key) in [(0, true), (33, false), (66, false), (600, false)] {
        let sent = world.send(Span::from_millis(at), key, &[1_148, 1_148, 1_148, 300]);
        assert!(sent.iter().all(|rtp| rtp.header.len() == sent[0].header.len() && rtp.ssrc() == MEDIA));
        assert!(sent.iter().all(|rtp| rtp.timestamp() == sent[0].timestamp()));
        assert_eq!(sent.iter().map(Rtp::marker).collect::<Vec<_>>(), [false, false, false, true]);
        assert!(sent.iter().enumerate().all(|(i, rtp)| rtp.payload[0] == i as u8));
        // Everything with the keyframe and half a second after it.
        assert_eq!(sent[0].header.len() > 24, key || at == 600, "at {at}");
    }
}

#[test]
fn sequence_numbers_count_on_through_the_wrap_and_the_rollover_counter_with_them() {
    let mut world = world(Kind::Video, None);
    let first = world.send(Span::ZERO, true, &[10])[0].index;
    assert!(first < 0x4000, "so that the rollover counter is 0");
    let mut last = first;
    for frame in 1..3_000 {
        for rtp in world.send(Span::from_millis(frame), false, &[5; 50]) {
            last += 1;
            assert_eq!(rtp.index, last);
        }
    }
    assert!(last > 2 << 16, "two rounds");
}

#[test]
fn video_time_wraps_after_thirteen_hours_and_goes_on() {
    let mut world = world(Kind::Video, None);
    let start = world.send(Span::ZERO, true, &[10])[0].timestamp();
    // 2^32 ticks are 47,721.858 s.
    for seconds in [1, 47_721, 47_722, 86_400] {
        let now = world.send(Span::from_secs(seconds), false, &[10])[0].timestamp();
        assert_eq!(now, start.wrapping_add((seconds * 90_000) as u32), "{seconds} s");
    }
    let report = world.sender.report(T0 + Span::from_secs(86_401)).unwrap();
    assert_eq!(report.rtp, start.wrapping_add((86_401i64 * 90_000) as u32));
    assert_eq!((report.packets, report.octets), (5, 50));
}

#[test]
fn audio_counts_samples() {
    let mut world = world(Kind::Audio, None);
    let start = world.send(Span::ZERO, false, &[80])[0].timestamp();
    // T is 1 ms off each time, sound is not.
    let next = world.send(Span::from_millis(21), false, &[80])[0].timestamp();
    assert_eq!(next.wrapping_sub(start), 960);
    let after_gap = world.send(Span::from_millis(1_000), false, &[80])[0].timestamp();
    assert_eq!(after_gap.wrapping_sub(start), 48_000);
}

#[test]
fn a_lost_packet_is_found_by_frame_and_place_and_resent_with_its_number() {
    let mut world = world(Kind::Video, Some(RESENT));
    let first = world.send(Span::ZERO, true, &[100, 100, 50]);
    world.send(Span::from_millis(33), false, &[100, 30]);
    let lost = first[2].index as u16;
    let request = world.sender.find_lost(world.now, lost).expect("known");
    assert_eq!((request.ssrc, request.frame_number, request.packet_index), (MEDIA, 0, 2));
    let [again] = &world.resend(&request, 50)[..] else { panic!("one packet") };
    assert_eq!((again.ssrc(), again.header[1]), (RESENT.ssrc, 0x80 | RESENT.payload_type));
    assert_eq!(again.timestamp(), first[2].timestamp());
    assert_eq!(again.payload[..2], lost.to_be_bytes());
    assert_eq!(again.payload[2..], [9; 50]);
    assert_eq!(world.sender.find_lost(world.now, lost), None, "asked for twice at once");
    world.now += Duration::from_millis(100);
    assert!(world.sender.find_lost(world.now, lost).is_some(), "lost again");
    let stats = world.sender.stats();
    assert_eq!((stats.frames, stats.packets, stats.bytes, stats.resent, stats.refused), (2, 5, 380, 1, 1));
}

#[test]
fn nothing_is_resent_that_was_never_sent_or_long_ago_or_without_a_stream_for_it() {
    let mut world = world(Kind::Video, Some(RESENT));
    let first = world.send(Span::ZERO, true, &[100])[0].index as u16;
    for sequence in [first.wrapping_sub(1), first.wrapping_add(1), first.wrapping_add(30_000)] {
        assert_eq!(world.sender.find_lost(world.now, sequence), None);
    }
    for frame in 1..=128 {
        world.send(Span::from_millis(33 * frame), false, &[100]);
    }
    assert_eq!(world.sender.find_lost(world.now, first), None, "too old");
    assert!(world.sender.find_lost(world.now, first + 1).is_some());
    let mut plain = self::world(Kind::Video, None);
    let sent = plain.send(Span::ZERO, true, &[100])[0].index as u16;
    assert_eq!(
        plain.sender.find_lost(plain.now, sent),
        None,
        "under the same SSRC it would give the key away"
    );
}

#[test]
fn a_viewer_that_asks_for_everything_twice_gets_half_again() {
    let mut world = world(Kind::Video, Some(RESENT));
    let (mut resent, mut sent) = (0, 0);
    for frame in 0..2_000 {
        world.now += Duration::from_millis(33);
        for rtp in world.send(Span::from_millis(33 * frame), false, &[1_000; 3]) {
            sent += 1;
            for _ in 0..2 {
                world.now += Duration::from_millis(40);
                let request = world.sender.find_lost(world.now, rtp.index as u16).expect("known");
                resent += world.resend(&request, 1_000).len();
            }
        }
    }
    assert!(resent <= sent / 2 + 66, "{resent} of {sent}");
    assert!(resent >= sent / 2, "{resent} of {sent}");
}

#[test]
fn acknowledged_is_the_newest_frame_that_arrived_to_its_end() {
    let mut world = world(Kind::Video, Some(RESENT));
    assert_eq!(world.sender.acknowledged(), None);
    let first = world.send(Span::ZERO, true, &[100, 100])[0].index;
    world.send(Span::from_millis(33), false, &[100, 100]);
    world.report(first);
    assert_eq!(world.sender.acknowledged(), None, "half a frame");
    world.report(first + 2);
    assert_eq!(world.sender.acknowledged(), Some(T0));
    // Another count of rounds, as after a change of the receiver's; and one that comes late.
    world.report((first + 3) | 7 << 16);
    let newest = Some(T0 + Span::from_millis(33));
    assert_eq!(world.sender.acknowledged(), newest);
    world.report(first + 1);
    assert_eq!(world.sender.acknowledged(), newest);
}

#[test]
fn transport_wide_numbers_count_all_streams_of_a_viewer() {
    let mut world = world(Kind::Video, Some(RESENT));
    let number = |rtp: &Rtp| u16::from_be_bytes([rtp.header[17], rtp.header[18]]);
    let sent = world.send(Span::ZERO, true, &[100, 100]);
    let request = world.sender.find_lost(world.now, sent[0].index as u16).unwrap();
    let again = world.resend(&request, 100);
    let next = world.send(Span::from_millis(33), false, &[100]);
    let numbers: Vec<_> = sent.iter().chain(&again).chain(&next).map(number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    for frame in 0..1_400 {
        world.send(Span::from_millis(33 * frame), false, &[5; 50]);
    }
    let wrapped = world.send(Span::from_secs(60), false, &[100]);
    assert_eq!(number(&wrapped[0]), ((4 + 1_400 * 50) % 65_536) as u16);
}

#[test]
fn a_sender_and_its_history_stay_small() {
    assert!(size_of::<Sender>() <= 512, "{}", size_of::<Sender>());
    assert!(size_of::<SentFrame>() * FRAMES_MAX <= 4_096);
}

#[test]
fn a_frame_in_parts_is_one_frame_and_what_is_lost_of_it_is_found() {
    let mut world = world(Kind::Video, Some(RESENT));
    let mut frame = Frame::new(T0, T0, bytes::Bytes::new());
    frame.key = true;
    let packets = World::packets(&[1_000; 100]);
    let outgoing = Outgoing { epoch: Epoch(1), number: 7, frame: &frame, packets: &packets };
    let mut sent = Sent::default();
    for part in [0..48, 48..64, 64..100] {
        let mut wire = Wire { path: &world.path, sealer: &world.sealer, bwe: &mut world.bwe };
        world.sender.send_part(world.now, outgoing, part, &mut wire, &mut sent);
        world.now += Duration::from_millis(5);
    }
    let sent = world.open(sent);
    assert_eq!(sent.len(), 100);
    assert!(sent.iter().all(|rtp| rtp.timestamp() == sent[0].timestamp()));
    assert!(sent.windows(2).all(|pair| pair[1].index == pair[0].index + 1));
    assert!(sent.iter().enumerate().all(|(at, rtp)| rtp.marker() == (at == 99)));
    let request = world.sender.find_lost(world.now, sent[70].index as u16).expect("known");
    assert_eq!((request.frame_number, request.packet_index), (7, 70));
    let stats = world.sender.stats();
    assert_eq!((stats.frames, stats.packets, stats.bytes), (1, 100, 100_000));
    let next = world.send(Span::from_millis(33), false, &[10]);
    assert_eq!(next[0].index, sent[99].index + 1);
}
