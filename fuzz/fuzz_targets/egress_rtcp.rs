//! RTCP of a viewer: a compound packet as it was opened, read to the end and acted upon by a sender and the estimator;
//! and the same bytes as a sealed packet, which nothing opens.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packet, Packets};
use unisono_proto_webrtc::{
    Path,
    engine::{
        Outlet,
        bwe::Bwe,
        header::{ExtensionId, ExtensionIds},
        rtcp::{self, Message},
        sender::{Config, Outgoing, ResendStream, Sender, Wire},
        srtp::{Keys, Profile, Side},
    },
};

const SSRC: u32 = 0xcafe_babe;
const T0: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

struct Nowhere;

impl Outlet for Nowhere {
    fn packet(&mut self, _: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        fill(&mut vec![0; length]);
    }
}

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    let profile = Profile::AeadAes128Gcm;
    let keys = Keys::from_dtls(profile, &[7; 56], Side::Server).expect("keys");
    let (sealer, mut opener) = (keys.sealer().expect("a key"), keys.opener().expect("a key"));
    let mut plain = [0; 2_048];
    assert!(opener.open_rtcp(data, &mut plain).is_err(), "nobody without the key can seal");
    let transport_cc = ExtensionId::new(3);
    let mut sender = Sender::new(Config {
        kind: Kind::Video,
        mid: "0",
        payload_type: 108,
        ssrc: SSRC,
        resend: Some(ResendStream { payload_type: 109, ssrc: 2 }),
        extensions: ExtensionIds { transport_cc, ..ExtensionIds::default() },
        playout_delay: None,
        random: 0,
    });
    let mut bwe = Bwe::new(now, 1_000_000);
    let path = Path::udp(([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into());
    let list = vec![Packet { payload: vec![5; 100].into(), marker: true }; 4];
    let packets = Packets { list, complete: true };
    for number in 0..64u64 {
        let t = T0 + Span::from_millis(33 * number as i64);
        let frame = Frame::new(t, t, bytes::Bytes::new());
        let outgoing = Outgoing { epoch: Epoch(1), number, frame: &frame, packets: &packets };
        let mut wire = Wire { path: &path, sealer: &sealer, bwe: &mut bwe };
        sender.send_frame(now + Duration::from_millis(33 * number), outgoing, &mut wire, &mut Nowhere);
    }
    let now = now + Duration::from_secs(3);
    for message in rtcp::read(data) {
        match message {
            Message::Report(block) => {
                let reception = sender.handle_report(T0 + Span::from_secs(3), &block);
                bwe.reception(now, reception.loss, reception.rtt);
            }
            Message::Nack { lost, .. } => {
                for sequence in lost {
                    if let Some(request) = sender.find_lost(now, sequence) {
                        assert!(request.frame_number < 64 && request.packet_index < 4);
                        let packet = &packets.list[usize::from(request.packet_index)];
                        let mut wire = Wire { path: &path, sealer: &sealer, bwe: &mut bwe };
                        sender.resend(now, &request, packet, &mut wire, &mut Nowhere);
                    }
                }
            }
            Message::TransportFeedback(feedback) => {
                assert!(feedback.arrivals().count() <= 4_096);
                bwe.feedback(now, &feedback);
                let _probe = bwe.poll_probe(now);
            }
            Message::FullIntra(targets) => assert!(targets.count() <= data.len() / 8),
            _ => {}
        }
        let estimate = bwe.estimate();
        assert!(estimate.bits_per_second > 0 && (0.0..=1.0).contains(&estimate.loss));
    }
});
