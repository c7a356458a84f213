//! What a connected viewer costs: bytes it holds, and no allocation for what it is sent.
#![expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]

#[path = "common/peer.rs"]
mod peer;
#[path = "common/train.rs"]
mod train;

use bytes::{BufMut, Bytes, BytesMut};
use peer::{Peer, SERVER};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use train::Train;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{AvcConfig, CodecConfig, Frame, Kind, Packets};
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264, packetize_opus};
use unisono_proto_webrtc::{
    Engine, EngineEvent, Identity, Moment, SenderId, Session, Wanted, engine::sender::Outgoing,
};

/// Everything that a connected viewer with picture, sound and data channel holds.
const WHOLE_MAX: usize = 48 * 1024;
/// What sending a frame to it touches of that, the payloads left out.
const HOT_MAX: usize = 1_024;

const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];

fn avc() -> AvcConfig {
    AvcConfig::new(Bytes::copy_from_slice(&SPS), vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])])
        .expect("valid")
}

struct World {
    peer: Peer,
    engine: Engine,
    train: Train,
}

impl World {
    fn new() -> Self {
        let (mut peer, offer) = Peer::new(Instant::now(), true);
        let identity = Identity::generate().expect("an identity");
        let config = CodecConfig::H264(avc());
        let wanted = Wanted { video: Some(&config), audio: true };
        let server = SocketAddr::from(SERVER);
        let (engine, answer) =
            Engine::accept(&identity, &offer, &[server], wanted, peer.now).expect("accepted");
        peer.accept(&answer);
        Self { peer, engine, train: Train::new(1 << 20) }
    }

    fn run(&mut self, by: Duration) {
        self.peer.run(&mut self.engine, by);
    }

    /// Sends 20 ms of it; returns how often that allocated.
    fn send(&mut self, kind: Kind, number: u64, frame: &Frame, packets: &Packets) -> u64 {
        let sender: SenderId = self.engine.sender(kind).expect("negotiated");
        let moment = Moment { now: self.peer.now, clock: frame.t };
        let outgoing = Outgoing { epoch: Epoch(9), number, frame, packets };
        let (engine, train) = (&mut self.engine, &mut self.train);
        allocation_counter::measure(|| {
            assert!(engine.send_frame(sender, moment, outgoing, train), "connected")
        })
        .count_total
    }
}

fn video(index: u32) -> Frame {
    let mut payload = BytesMut::new();
    payload.put_u32(6_001);
    payload.put_u8(if index == 0 { 0x65 } else { 0x41 });
    payload.extend((0..6_000).map(|i| i as u8));
    let t = MediaTime::from_micros(1_790_000_000_000_000 + i64::from(index) * 20_000);
    let mut frame = Frame::new(t, t, payload.freeze());
    frame.key = index == 0;
    frame
}

#[test]
fn a_connected_viewer_is_small_and_is_sent_frames_without_allocations() {
    let mut world = World::new();
    world.run(Duration::from_secs(4));
    let events: Vec<_> = std::iter::from_fn(|| world.engine.poll_event()).collect();
    assert_eq!(events, [EngineEvent::Connected, EngineEvent::Ready]);
    let mut allocations = 0;
    for index in 0..500 {
        let frame = video(index);
        let pictures = packetize_h264(&frame, &avc(), PAYLOAD_MAX);
        let mut sound = Frame::new(frame.t, frame.t, Bytes::from_static(&[0xfc; 160]));
        sound.duration = Span::from_millis(20);
        let sounds = packetize_opus(&sound);
        let sent = world.send(Kind::Video, u64::from(index) * 2, &frame, &pictures)
            + world.send(Kind::Audio, u64::from(index) * 2 + 1, &sound, &sounds);
        // Reports and mappings have their own time, and are no part of the media: once a second each at most.
        let is_control = sent > 0;
        allocations += usize::from(is_control);
        world.run(Duration::from_millis(20));
    }
    assert!(world.train.packets > 3_000);
    assert!(allocations <= 22, "{allocations} of 1000 frames allocated, in 10 s with a report in each");
    assert!(world.engine.closed().is_none());
    let hot = Engine::HOT_BYTES;
    assert!(hot <= HOT_MAX, "{hot} bytes of hot state");
    let freed = allocation_counter::measure(|| drop(world.engine));
    let whole =
        usize::try_from(-freed.bytes_current).expect("more freed than allocated") + size_of::<Engine>();
    println!("{whole} bytes in all, {hot} hot, of which {} the session's", size_of::<Engine>());
    assert!(whole <= WHOLE_MAX, "{whole} bytes in all");
}
