//! Sending must not touch the heap: ten thousand viewers times a hundred packets a second. A process of its own, since
//! the counter is the allocator.

#[path = "common/train.rs"]
mod train;

use std::{sync::Arc, time::Instant};
use train::Train;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packet, Packets};
use unisono_proto_webrtc::{
    Path,
    engine::{
        bwe::Bwe,
        header::{ExtensionId, ExtensionIds},
        sender::{Config, Outgoing, ResendStream, Sender, Wire},
        srtp::{Keys, Profile, Sealer, Side},
    },
};

struct Viewer {
    sender: Sender,
    sealer: Sealer,
    bwe: Bwe,
    path: Path,
}

impl Viewer {
    fn new(profile: Profile, now: Instant) -> Self {
        let keys = Keys::from_dtls(profile, &vec![7; profile.material_len()], Side::Server).expect("keys");
        let [mid, transport_cc, abs_capture_time] = [1, 2, 3].map(ExtensionId::new);
        let extensions = ExtensionIds { mid, transport_cc, abs_capture_time, playout_delay: None };
        let config = Config {
            kind: Kind::Video,
            mid: "0",
            payload_type: 108,
            ssrc: 1,
            resend: Some(ResendStream { payload_type: 109, ssrc: 2 }),
            extensions,
            playout_delay: None,
            random: 1,
        };
        let [remote, local] = ["192.0.2.1:1", "192.0.2.2:2"].map(|text| text.parse().expect("an address"));
        Self {
            sender: Sender::new(config),
            sealer: keys.sealer().expect("a key"),
            bwe: Bwe::new(now, 1_000_000),
            path: Path::udp(remote, local),
        }
    }

    /// Sends a frame, and resends a packet of it.
    fn send(&mut self, now: Instant, outgoing: Outgoing<'_>, train: &mut Train) {
        let Self { sender, sealer, bwe, path } = self;
        let mut wire = Wire { path, sealer, bwe };
        sender.send_frame(now, outgoing, &mut wire, train);
        let sequence = sender.stats().packets as u16;
        if let Some(request) = sender.find_lost(now, sequence) {
            let packet = &outgoing.packets.list[usize::from(request.packet_index)];
            sender.resend(now, &request, packet, &mut wire, train);
        }
    }
}

fn counted(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start virtual time from")]
fn sending_and_resending_allocate_nothing() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new([0u8; 100])))), 1, "the counter counts");
    let start = Instant::now();
    let payload: Arc<[u8]> = vec![5; 1_148].into();
    let list = (0..8).map(|i| Packet { payload: payload.clone(), marker: i == 7 }).collect();
    let packets = Packets { list, complete: true };
    for profile in [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
        let mut viewers: Vec<_> = (0..10).map(|_| Viewer::new(profile, start)).collect();
        let mut train = Train::new(64 * 1_024);
        let mut send = |frames: std::ops::Range<u64>| {
            for number in frames {
                let t = MediaTime::from_micros(1_700_000_000_000_000) + Span::from_millis(33 * number as i64);
                let mut frame = Frame::new(t, t, bytes::Bytes::new());
                frame.key = number % 60 == 0;
                let outgoing = Outgoing { epoch: Epoch(1), number, frame: &frame, packets: &packets };
                let now = start + std::time::Duration::from_millis(33 * number);
                viewers.iter_mut().for_each(|viewer| viewer.send(now, outgoing, &mut train));
            }
        };
        // Five seconds until every ring has its size; then not one allocation in a minute.
        send(0..150);
        assert_eq!(counted(|| send(150..1_950)), 0, "{profile:?}");
        assert!(train.packets >= 10 * 1_950 * 8, "{}", train.packets);
    }
}

/// Of 48 KiB for all of a viewer, DTLS and the data channel want most. The crypto library's own 600 bytes for each key come
/// on top.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start virtual time from")]
fn what_a_viewer_keeps_for_its_media_stays_small() {
    let start = Instant::now();
    let payload: Arc<[u8]> = vec![5; 1_148].into();
    let list = (0..8).map(|i| Packet { payload: payload.clone(), marker: i == 7 }).collect();
    let packets = Packets { list, complete: true };
    let mut train = Train::new(64 * 1_024);
    let mut viewer = None;
    let kept = allocation_counter::measure(|| {
        let viewer = viewer.insert(Viewer::new(Profile::AeadAes256Gcm, start));
        for number in 0..300 {
            let t = MediaTime::from_micros(1_700_000_000_000_000) + Span::from_millis(33 * number as i64);
            let frame = Frame::new(t, t, bytes::Bytes::new());
            let outgoing = Outgoing { epoch: Epoch(1), number, frame: &frame, packets: &packets };
            viewer.send(start + std::time::Duration::from_millis(33 * number), outgoing, &mut train);
        }
    });
    assert!((1..16 * 1_024).contains(&kept.bytes_current), "{} bytes on the heap", kept.bytes_current);
    assert!(size_of::<Viewer>() <= 1_024, "{} bytes", size_of::<Viewer>());
    drop(viewer);
}
