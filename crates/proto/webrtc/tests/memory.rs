//! What a connected viewer costs: bytes it holds, and no allocation for what it is sent.
#![expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]

use bytes::{BufMut, Bytes, BytesMut};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Input, Output, Rtc, RtcConfig,
    change::SdpAnswer,
    media::{Direction, MediaKind},
    net::{Protocol, Receive},
};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{AvcConfig, CodecConfig, Frame, Kind, Packets};
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264, packetize_opus};
use unisono_proto_webrtc::{
    Engine, EngineEvent, Identity, Moment, Outlet, Path, SenderId, Session, Wanted, engine::sender::Outgoing,
};

/// Everything that a connected viewer with picture, sound and data channel holds.
const WHOLE_MAX: usize = 48 * 1024;
/// What sending a frame to it touches of that, the payloads left out.
const HOT_MAX: usize = 1_024;

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 8189);
const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 2], 5000);
const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];

fn avc() -> AvcConfig {
    AvcConfig::new(Bytes::copy_from_slice(&SPS), vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])])
        .expect("valid")
}

/// A train buffer, as a worker has one for all its viewers.
struct Train {
    bytes: Vec<u8>,
    used: usize,
    packets: usize,
}

impl Outlet for Train {
    fn packet(&mut self, _: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        if self.used + length > self.bytes.len() {
            self.used = 0;
        }
        fill(&mut self.bytes[self.used..self.used + length]);
        self.used += length;
        self.packets += 1;
    }
}

struct World {
    now: Instant,
    client: Rtc,
    engine: Engine,
    train: Train,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let config =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_h264(true).enable_opus(true, false);
        let mut client = config.build(now);
        client.add_local_candidate(Candidate::host(CLIENT.into(), "udp").expect("a candidate"));
        let mut api = client.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        api.add_channel("unisono".to_owned());
        let (offer, pending) = api.apply().expect("an offer");
        let identity = Identity::generate().expect("an identity");
        let config = CodecConfig::H264(avc());
        let wanted = Wanted { video: Some(&config), audio: true };
        let server = SocketAddr::from(SERVER);
        let (engine, answer) =
            Engine::accept(&identity, &offer.to_sdp_string(), &[server], wanted, now).expect("accepted");
        let answer = SdpAnswer::from_sdp_string(&answer).expect("an answer");
        client.sdp_api().accept_answer(pending, answer).expect("agreed");
        Self { now, client, engine, train: Train { bytes: vec![0; 1 << 20], used: 0, packets: 0 } }
    }

    fn run(&mut self, by: Duration) {
        let end = self.now + by;
        while self.now < end {
            self.now += Duration::from_millis(5);
            self.client.handle_input(Input::Timeout(self.now)).expect("client");
            self.drain();
            if self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
                self.engine.handle_timeout(self.now);
            }
            while let Some(transmit) = self.engine.poll_transmit() {
                let receive = Receive::new(Protocol::Udp, SERVER.into(), CLIENT.into(), &transmit.bytes);
                self.client.handle_input(Input::Receive(self.now, receive.expect("valid"))).expect("client");
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        while let Output::Transmit(_) | Output::Event(_) = self.drained() {}
    }

    fn drained(&mut self) -> Output {
        let output = self.client.poll_output().expect("client");
        if let Output::Transmit(transmit) = &output {
            self.engine.handle_datagram(self.now, CLIENT.into(), SERVER.into(), &transmit.contents);
        }
        output
    }

    /// Sends 20 ms of it; returns how often that allocated.
    fn send(&mut self, kind: Kind, number: u64, frame: &Frame, packets: &Packets) -> u64 {
        let sender: SenderId = self.engine.sender(kind).expect("negotiated");
        let moment = Moment { now: self.now, clock: frame.t };
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
