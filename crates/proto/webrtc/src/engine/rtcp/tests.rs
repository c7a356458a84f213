//! What peers send, what we send, and what nobody should.

use super::{write::REPORTS_MAX, *};
use proptest::prelude::*;
use unisono_base::{MediaTime, Span};

fn messages(bytes: &[u8]) -> Vec<Message<'_>> {
    read(bytes).collect()
}

/// A packet of this kind with a body of whole words.
fn packet(count: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    assert_eq!(body.len() % 4, 0);
    let length = (body.len() / 4) as u16;
    [&[0x80 | count, kind][..], &length.to_be_bytes(), body].concat()
}

#[test]
fn a_browsers_compound_packet_is_read_to_the_end() {
    let block = [
        &[0xca, 0xfe, 0xba, 0xbe, 64, 0xff, 0xff, 0xfe][..],
        &[0, 1, 0x12, 0x34, 0, 0, 0, 9],
        &[0x11, 0x22, 0x33, 0x44, 0, 1, 0, 0],
    ]
    .concat();
    let report = packet(1, 201, &[&[0, 0, 0, 1][..], &block].concat());
    let nack = packet(1, 205, &[0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 0xff, 0xff, 0x80, 0x01, 0, 9, 0, 0]);
    let loss = packet(1, 206, &[0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe]);
    let intra = packet(4, 206, &[0, 0, 0, 1, 0, 0, 0, 0, 0xca, 0xfe, 0xba, 0xbe, 7, 0, 0, 0]);
    let reference = packet(0, 207, &[0, 0, 0, 1, 4, 0, 0, 2, 9, 9, 1, 2, 3, 4, 9, 9]);
    let remb = packet(15, 206, &[0; 20]);
    let goodbye = packet(1, 203, &[0, 0, 0, 1]);
    let compound = [report, nack, loss, intra, remb, reference, goodbye].concat();
    let media = 0xcafe_babe;
    let mut found = messages(&compound).into_iter();
    let expected = ReportBlock {
        ssrc: media,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_sequence: 0x0001_1234,
        jitter: 9,
        last_report: 0x1122_3344,
        delay: 65_536,
    };
    assert_eq!(found.next(), Some(Message::Report(expected)));
    let Some(Message::Nack { media: 0xcafe_babe, lost }) = found.next() else { panic!("a NACK") };
    assert_eq!(lost.collect::<Vec<_>>(), [65_535, 0, 15, 9]);
    assert_eq!(found.next(), Some(Message::PictureLoss { media }));
    let Some(Message::FullIntra(targets)) = found.next() else { panic!("an intra request") };
    assert_eq!(targets.collect::<Vec<_>>(), [(media, 7)]);
    let reference = ReceiverReference { ssrc: 1, ntp_middle: 0x0102_0304 };
    assert_eq!(found.next(), Some(Message::Reference(reference)));
    assert_eq!(found.next(), Some(Message::Goodbye(&[[0, 0, 0, 1]])));
    assert_eq!(found.next(), None);
}

#[test]
fn round_trips_count_from_our_report() {
    let sent = MediaTime::from_micros(1_700_000_000_123_456);
    let clock = sent + Span::from_millis(350);
    let mut block = ReportBlock {
        ssrc: 1,
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 0,
        last_report: (sent.to_ntp() >> 16) as u32,
        // A quarter of a second.
        delay: 16_384,
    };
    let rtt = block.round_trip(clock).unwrap();
    assert!((rtt - Span::from_millis(100)).abs() < Span::from_micros(40), "{rtt}");
    block.delay = 65_536 * 10;
    assert_eq!(block.round_trip(clock), None, "answered before we asked");
    block.last_report = 0;
    assert_eq!(block.round_trip(clock), None, "never had a report");
}

#[test]
fn feedback_tells_what_arrived_when() {
    let body = [
        &[0, 0, 0, 1, 0, 0, 0, 0][..],
        &[0xff, 0xfe, 0, 20, 0x00, 0x00, 0x02, 5],
        // A run of three; fourteen of one bit; of two bits for what is left.
        &[0x20, 3, 0b1010_0000, 0, 0b1110_0000, 0],
        &[4, 0, 8, 1, 0xff, 0xfc],
    ]
    .concat();
    let compound = packet(15, 205, &body);
    let [Message::TransportFeedback(feedback)] = messages(&compound)[..] else { panic!("feedback") };
    assert_eq!((feedback.number(), feedback.count()), (5, 20));
    let arrivals: Vec<_> = feedback.arrivals().map(|arrival| (arrival.sequence, arrival.at)).collect();
    let expected = [(65_534, Some(516)), (65_535, Some(516)), (0, Some(524)), (1, Some(525)), (2, None)];
    assert_eq!(arrivals[..5], expected);
    assert_eq!(arrivals[15..], [(13, None), (14, None), (15, Some(521)), (16, None), (17, None)]);
}

#[test]
fn feedback_that_says_too_much_or_too_little_is_left_out() {
    let feedback = |rest: &[u8]| packet(15, 205, &[&[0; 8][..], rest].concat());
    let too_many = feedback(&[0, 0, 0x20, 0, 0, 0, 0, 0, 0x1f, 0xff, 0x1f, 0xff]);
    let none = feedback(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let no_deltas = feedback(&[0, 0, 0, 9, 0, 0, 0, 0, 0x40, 9, 0, 0]);
    let no_chunks = feedback(&[0, 0, 0, 9, 0, 0, 0, 0]);
    assert!([too_many, none, no_deltas, no_chunks].iter().all(|packet| messages(packet).is_empty()));
}

#[test]
fn what_does_not_fit_ends_it_and_unknown_packets_do_not() {
    let loss = packet(1, 206, &[0, 0, 0, 1, 0, 0, 0, 2]);
    let found = [Message::PictureLoss { media: 2 }];
    assert_eq!(messages(&[packet(0, 250, &[1; 8]), loss.clone()].concat()), found);
    assert_eq!(messages(&[loss.clone(), vec![0x80, 206, 0, 9, 1]].concat()), found);
    assert_eq!(messages(&[loss.clone(), vec![0x40; 40]].concat()), found, "another version");
    let mut padded = packet(1, 206, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4]);
    padded[0] |= 0x20;
    assert_eq!(messages(&padded), found);
    padded[15] = 13;
    assert_eq!(messages(&padded), [], "more padding than packet");
    let mut short = packet(3, 201, &[0; 28]);
    short[8] = 1;
    assert_eq!(messages(&short).len(), 1, "as many blocks as are there");
}

#[test]
fn who_lacks_everything_is_not_listened_to_for_long() {
    let nack = packet(1, 205, &[&[0; 8][..], &[0xff; 4 * 300]].concat());
    let [Message::Nack { lost, .. }] = messages(&nack)[..] else { panic!("a NACK") };
    assert_eq!(lost.count(), 64 * 17);
}

#[test]
fn reports_of_twenty_streams_are_one_packet_below_a_datagram() {
    let report = |ssrc| SenderReport {
        ssrc,
        clock: MediaTime::from_micros(1_700_000_000_000_000),
        rtp: 90_000,
        packets: 7,
        octets: 7_000,
    };
    let reports: Vec<_> = (0..30).map(report).collect();
    let mut out = Vec::new();
    write_sender_reports(&mut out, &reports, "unisono");
    assert!(out.len() < 1_000);
    assert_eq!(out[..4], [0x80, 200, 0, 6]);
    assert_eq!(out[8..16], reports[0].clock.to_ntp().to_be_bytes());
    assert_eq!(out[16..28], [0, 1, 0x5f, 0x90, 0, 0, 0, 7, 0, 0, 0x1b, 0x58]);
    let description = &out[28 * REPORTS_MAX..];
    assert_eq!(description, b"\x81\xca\0\x04\0\0\0\0\x01\x07unisono\0\0\0");
    let mut none = Vec::new();
    write_sender_reports(&mut none, &[], "unisono");
    assert!(none.is_empty());
}

#[test]
fn a_receivers_clock_comes_back_with_the_time_we_held_it() {
    let received = MediaTime::from_micros(1_700_000_000_000_000);
    let reference = ReceiverReference { ssrc: 9, ntp_middle: 0x0102_0304 };
    let mut out = Vec::new();
    write_reference_answer(&mut out, 5, reference, received, received + Span::from_millis(500));
    let expected = [
        0x80, 201, 0, 1, 0, 0, 0, 5, 0x80, 207, 0, 5, 0, 0, 0, 5, 5, 0, 0, 3, 0, 0, 0, 9, 1, 2, 3, 4, 0, 0,
        0x80, 0,
    ];
    assert_eq!(out, expected);
}

#[test]
fn goodbyes_name_the_streams() {
    let mut out = Vec::new();
    write_goodbye(&mut out, &[1, 2]);
    assert_eq!(messages(&out), [Message::Goodbye(&[[0, 0, 0, 1], [0, 0, 0, 2]])]);
    write_goodbye(&mut out, &[]);
    assert_eq!(messages(&out).len(), 1);
}

/// Some bytes that look like RTCP, so that the reader gets further than the first check.
fn compound() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop_oneof![Just(200u8), Just(201), Just(203), Just(205), Just(206), Just(207), any::<u8>()];
    let body = prop::collection::vec(any::<[u8; 4]>(), 0..40);
    let one = (any::<u8>(), kinds, body, any::<bool>()).prop_map(|(first, kind, body, is_honest)| {
        let mut packet = packet(first & 0x1f, kind, &body.concat());
        packet[0] |= first & 0x20;
        if !is_honest {
            packet[3] = first;
        }
        packet
    });
    prop::collection::vec(one, 0..6).prop_map(|packets| packets.concat())
}

proptest! {
    #[test]
    fn nothing_panics_the_reader(bytes in prop_oneof![compound(), prop::collection::vec(any::<u8>(), 0..1500)]) {
        // At most one message for each four bytes, one number for each two bits.
        let (mut count, mut inner) = (0, 0);
        for message in read(&bytes) {
            count += 1;
            inner += match message {
                Message::Nack { lost, .. } => lost.count(),
                Message::FullIntra(targets) => targets.count(),
                Message::TransportFeedback(feedback) => feedback.arrivals().count(),
                _ => 0,
            };
        }
        prop_assert!(count <= bytes.len() / 4);
        prop_assert!(inner <= 4_096 * (bytes.len() / 20 + 1));
    }

    #[test]
    fn arrivals_are_those_that_a_receiver_wrote(
        base in any::<u16>(),
        reference in -(1i32 << 23)..(1 << 23),
        deltas in prop::collection::vec(prop::option::weighted(0.8, -32_768i64..32_768), 1..300),
    ) {
        let mut body = [&[0; 8][..], &base.to_be_bytes(), &(deltas.len() as u16).to_be_bytes()].concat();
        body.extend(&reference.to_be_bytes()[1..]);
        body.push(0);
        let symbol = |delta: &Option<i64>| match delta {
            None => 0,
            Some(0..=255) => 1u16,
            Some(_) => 2,
        };
        for seven in deltas.chunks(7) {
            let chunk = seven.iter().enumerate().fold(0xc000, |chunk, (i, d)| chunk | symbol(d) << (12 - 2 * i));
            body.extend(chunk.to_be_bytes());
        }
        for delta in deltas.iter().flatten() {
            match delta {
                0..=255 => body.push(*delta as u8),
                _ => body.extend((*delta as i16).to_be_bytes()),
            }
        }
        body.resize(body.len().next_multiple_of(4), 0);
        let compound = packet(15, 205, &body);
        let [Message::TransportFeedback(feedback)] = messages(&compound)[..] else { panic!("feedback") };
        let mut at = i64::from(reference) * 256;
        let expected: Vec<_> = deltas.iter().enumerate().map(|(i, delta)| {
            at += delta.unwrap_or(0);
            Arrival { sequence: base.wrapping_add(i as u16), at: delta.map(|_| at) }
        }).collect();
        prop_assert_eq!(feedback.arrivals().collect::<Vec<_>>(), expected);
    }
}
