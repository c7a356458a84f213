//! Publisher and viewer sessions against a str0m client, over a lossy link in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]

use bytes::{BufMut, Bytes, BytesMut};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::SdpAnswer,
    crypto::dtls::DtlsCert,
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{RtpWrite, SeqNo},
};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{AvcConfig, CodecConfig, Frame, Kind};
use unisono_mux::rtp::{AccessUnitAssembler, PAYLOAD_MAX, packetize_h264, packetize_opus};
use unisono_proto_webrtc::{
    CloseReason, Egress, EgressEvent, Identity, Ingress, IngressEvent, IngressFrame, OfferError, Session,
    Viewer, ViewerSession, Wanted,
};
use unisono_testkit::{Link, LinkConfig};

const SERVER: &str = "192.0.2.1:8189";
const CLIENT: &str = "192.0.2.2:5000";
const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];

fn avc() -> AvcConfig {
    AvcConfig::new(Bytes::copy_from_slice(&SPS), vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])])
        .expect("valid")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Frame `index` of a 30 fps stream with a keyframe each second; its bytes tell its index.
fn frame(index: u32) -> Frame {
    let key = index.is_multiple_of(30);
    let size = if key { 9_000 } else { 2_500 };
    let mut payload = BytesMut::new();
    payload.put_u32(size + 1);
    payload.put_u8(if key { 0x65 } else { 0x41 });
    payload.extend((0..size).map(|i| (i.wrapping_mul(31).wrapping_add(index)) as u8));
    let t = MediaTime::from_micros(1_790_000_000_000_000 + i64::from(index) * 33_333);
    let mut frame = Frame::new(t, t, payload.freeze());
    frame.key = key;
    frame
}

/// The client's end, and the link between both.
struct World<S> {
    now: Instant,
    start: Instant,
    client: Rtc,
    session: S,
    up: Link<Vec<u8>>,
    down: Link<Vec<u8>>,
    heard: Vec<Event>,
}

impl<S: Session> World<S> {
    fn new(client: Rtc, session: S, start: Instant, loss: f64) -> Self {
        let config = |seed| LinkConfig {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(if loss > 0.0 { 8 } else { 0 }),
            loss,
            seed,
        };
        Self {
            now: start,
            start,
            client,
            session,
            up: Link::new(config(7)),
            down: Link::new(config(8)),
            heard: Vec::new(),
        }
    }

    /// Moves virtual time by `by` in steps of a millisecond.
    fn run(&mut self, by: Duration) {
        let end = self.now + by;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(bytes) = self.up.receive(now) {
            self.session.handle_datagram(now, address(CLIENT), address(SERVER), &bytes);
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        while let Some(transmit) = self.session.poll_transmit() {
            self.down.send(now, transmit.bytes);
        }
        while let Some(bytes) = self.down.receive(now) {
            let Ok(receive) = Receive::new(Protocol::Udp, address(SERVER), address(CLIENT), &bytes) else {
                continue;
            };
            self.client.handle_input(Input::Receive(now, receive)).expect("client");
            self.drain_client();
        }
        self.client.handle_input(Input::Timeout(now)).expect("client");
        self.drain_client();
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output().expect("client") {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => self.up.send(self.now, transmit.contents.to_vec()),
                Output::Event(event) => self.heard.push(event),
            }
        }
    }
}

fn client(start: Instant) -> Rtc {
    client_of(RtcConfig::new(), start)
}

fn client_of(config: RtcConfig, start: Instant) -> Rtc {
    let config = config.set_rtp_mode(true).clear_codecs().enable_h264(true).enable_opus(true, false);
    let mut client = config.build(start);
    client.add_local_candidate(Candidate::host(address(CLIENT), "udp").expect("a candidate"));
    client
}

fn publisher(loss: f64) -> (World<Ingress>, Mid, Mid) {
    publisher_of(RtcConfig::new(), loss)
}

fn publisher_of(config: RtcConfig, loss: f64) -> (World<Ingress>, Mid, Mid) {
    let start = Instant::now();
    let mut client = client_of(config, start);
    let mut api = client.sdp_api();
    let video = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    let audio = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    let (offer, pending) = api.apply().expect("an offer");
    let identity = Identity::generate().expect("an identity");
    let (session, answer) =
        Ingress::accept(&identity, &offer.to_sdp_string(), &[address(SERVER)], start).expect("accepted");
    let answer = SdpAnswer::from_sdp_string(&answer).expect("an answer");
    client.sdp_api().accept_answer(pending, answer).expect("agreed");
    (World::new(client, session, start, loss), video, audio)
}

/// Publishes `count` frames in real pace of virtual time and returns what came out.
fn publish(world: &mut World<Ingress>, video: Mid, count: u32) -> (Vec<IngressFrame>, u64) {
    world.run(Duration::from_secs(3));
    let h264 = |p: &&str0m::format::PayloadParams| {
        p.spec().codec == str0m::format::Codec::H264 && p.spec().format.packetization_mode == Some(1)
    };
    let pt = world.client.codec_config().params().iter().find(h264).expect("H.264").pt();
    // Like a browser: no cap on the share of retransmissions.
    let mut api = world.client.direct_api();
    let stream = api.stream_tx_by_mid(video, None).expect("a sender");
    stream.set_rtx_cache(1_024, Duration::from_secs(3), None);
    let (config, mut sequence, mut frames, mut lost) = (avc(), 1_000u64, Vec::new(), 0);
    for index in 0..count {
        let frame = frame(index);
        let packets = packetize_h264(&frame, &config, PAYLOAD_MAX);
        let now = world.now;
        let mut api = world.client.direct_api();
        let stream = api.stream_tx_by_mid(video, None).expect("a sender");
        for packet in &packets.list {
            let time = 500_000 + index * 3_000;
            let write = RtpWrite::new(pt, SeqNo::from(sequence), time, now, packet.payload.clone());
            stream.write_rtp(write.marker(packet.marker).nackable(true));
            sequence += 1;
        }
        world.run(Duration::from_millis(33));
        collect(world, &mut frames, &mut lost);
    }
    world.run(Duration::from_secs(2));
    collect(world, &mut frames, &mut lost);
    (frames, lost)
}

fn collect(world: &mut World<Ingress>, frames: &mut Vec<IngressFrame>, lost: &mut u64) {
    while let Some(event) = world.session.poll_event() {
        match event {
            IngressEvent::Frame(frame) => frames.push(frame),
            IngressEvent::Lost { packets, .. } => *lost += packets,
            IngressEvent::Closed(reason) => panic!("closed: {reason:?}"),
            _ => {}
        }
    }
}

#[test]
fn a_publisher_over_a_clean_link_arrives_bit_exact() {
    let (mut world, video, _) = publisher(0.0);
    let (frames, lost) = publish(&mut world, video, 60);
    assert_eq!((frames.len(), lost), (60, 0));
    assert!(matches!(&frames[0].config, Some(CodecConfig::H264(config)) if *config == avc()));
    for (index, got) in frames.iter().enumerate() {
        let sent = frame(index as u32);
        assert_eq!((&got.payload, got.key), (&sent.payload, sent.key), "frame {index}");
        assert_eq!(got.config.is_some(), index == 0);
    }
    let first = frames[0].pts;
    assert_eq!(frames[59].pts - first, Span::from_micros(59 * 3_000 * 100 / 9));
}

#[test]
fn five_percent_of_loss_and_reordering_is_repaired() {
    let (mut world, video, _) = publisher(0.05);
    let (frames, lost) = publish(&mut world, video, 300);
    assert_eq!(lost, 0, "every hole was filled by a retransmission");
    // What was lost before the first packet arrived cannot be asked for: the first group may be missing.
    let missing = 300 - frames.len() as u32;
    assert!(missing == 0 || missing == 30, "{missing}");
    assert!(frames.iter().zip(missing..).all(|(got, index)| got.payload == frame(index).payload));
}

#[test]
fn keyframe_requests_are_coalesced() {
    let (mut world, video, _) = publisher(0.0);
    publish(&mut world, video, 30);
    world.heard.clear();
    for _ in 0..20 {
        world.session.request_keyframe(world.now);
        world.run(Duration::from_millis(10));
    }
    let requests = |heard: &[Event]| heard.iter().filter(|e| matches!(e, Event::KeyframeRequest(_))).count();
    assert_eq!(requests(&world.heard), 1);
    world.run(Duration::from_secs(1));
    assert_eq!(requests(&world.heard), 2, "the ones that came too early make one more");
}

/// str0m reads certificates of up to 2,000 bytes; the assertion behind that must end this session and no other.
#[test]
fn a_publisher_with_an_enormous_certificate_is_ended_in_words() {
    let names: Vec<_> = (0..100).map(|i| format!("camera-{i}.studio.example.net")).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
    let certificate = DtlsCert { certificate: cert.der().to_vec(), private_key: signing_key.serialize_der() };
    assert!(certificate.certificate.len() > 2_000);
    let (mut world, ..) = publisher_of(RtcConfig::new().set_dtls_cert(certificate), 0.0);
    for _ in 0..5_000 {
        world.now += Duration::from_millis(1);
        world.step();
        if world.session.closed().is_some() {
            break;
        }
    }
    let Some(CloseReason::Protocol(words)) = world.session.closed() else {
        panic!("{:?}", world.session.closed())
    };
    assert!(words.contains("certificate"), "{words}");
}

#[test]
fn a_vanished_publisher_is_noticed() {
    let (mut world, video, _) = publisher(0.0);
    publish(&mut world, video, 3);
    for _ in 0..11_000 {
        world.now += Duration::from_millis(1);
        if world.session.poll_timeout().is_some_and(|at| at <= world.now) {
            world.session.handle_timeout(world.now);
        }
    }
    assert_eq!(world.session.closed(), Some(&CloseReason::Silent));
}

fn viewer<S: ViewerSession>(loss: f64) -> World<S> {
    let start = Instant::now();
    let mut client = client(start);
    let mut api = client.sdp_api();
    api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
    api.add_channel("unisono".to_owned());
    let (offer, pending) = api.apply().expect("an offer");
    let identity = Identity::generate().expect("an identity");
    let config = CodecConfig::H264(avc());
    let wanted = Wanted { video: Some(&config), audio: true };
    let candidates = [address(SERVER).into()];
    let (session, answer) =
        S::accept_viewer(&identity, &offer.to_sdp_string(), &candidates, wanted, start).expect("accepted");
    let answer = SdpAnswer::from_sdp_string(&answer).expect("an answer");
    client.sdp_api().accept_answer(pending, answer).expect("agreed");
    World::new(client, session, start, loss)
}

fn sound_and_picture_of_an_answer_are_one_media_stream<S: ViewerSession>() {
    let mut client = client(Instant::now());
    let mut api = client.sdp_api();
    api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
    let offer = api.apply().expect("an offer").0.to_sdp_string();
    let (identity, config) = (Identity::generate().expect("an identity"), CodecConfig::H264(avc()));
    let wanted = Wanted { video: Some(&config), audio: true };
    let candidates = [address(SERVER).into()];
    let (_, answer) =
        S::accept_viewer(&identity, &offer, &candidates, wanted, Instant::now()).expect("accepted");
    let of = |name: &str| -> Vec<String> {
        let values =
            answer.lines().filter_map(|line| line.split_once(name)).filter(|(a, _)| a.starts_with("a="));
        values.map(|(_, ids)| ids.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    for name in ["msid:", "cname:"] {
        let values = of(name);
        assert!(values.len() >= 2 && values.iter().all(|id| id == "unisono"), "{name} {answer}");
    }
    SdpAnswer::from_sdp_string(&answer).expect("still an answer");
}

/// The viewer's tests, on each of the egresses.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod on_str0m {
            $(#[test] fn $test() { super::$test::<super::Egress>(); })*
        }
        mod on_engine {
            $(#[test] fn $test() { super::$test::<super::Viewer>(); })*
        }
    };
}

on_both!(
    sound_and_picture_of_an_answer_are_one_media_stream,
    a_viewer_gets_every_frame_and_the_mapping,
    loss_towards_a_viewer_is_repaired_by_retransmission,
    a_reported_frame_is_acknowledged,
);

/// Sends `count` video frames and as much audio, and returns the video access units the client could put together.
fn watch<S: ViewerSession>(world: &mut World<S>, count: u32) -> Vec<Bytes> {
    let mut events = Vec::new();
    // Lost handshakes are repeated after seconds, by DTLS and by SCTP.
    for _ in 0..15 {
        world.run(Duration::from_secs(1));
        events.extend(std::iter::from_fn(|| world.session.poll_event()));
        if events.len() == 2 {
            break;
        }
    }
    assert!(matches!(events[..], [EgressEvent::Connected, EgressEvent::Ready]), "{events:?}");
    let config = avc();
    for index in 0..count {
        let frame = frame(index);
        let packets = frame.packets(|| packetize_h264(&frame, &config, PAYLOAD_MAX)).clone();
        world.session.send_video(world.now, frame.t, Epoch(9), &frame, &packets);
        let mut sound = Frame::new(frame.t, frame.t, Bytes::from_static(&[0xfc, 1, 2, 3]));
        sound.duration = Span::from_millis(20);
        world.session.send_audio(world.now, frame.t, Epoch(9), &sound, &packetize_opus(&sound));
        world.run(Duration::from_millis(33));
    }
    world.run(Duration::from_secs(1));
    let mut packets: Vec<_> = world
        .heard
        .iter()
        .filter_map(|event| match event {
            Event::RtpPacket(packet) if !packet.payload.is_empty() => Some(packet),
            _ => None,
        })
        .filter(|packet| packet.payload[0] != 0xfc)
        .collect();
    packets.sort_by_key(|packet| *packet.seq_no);
    let mut assembler = AccessUnitAssembler::default();
    let mut units = Vec::new();
    // Nobody can ask for a packet from before the first that arrived; a browser asks for a keyframe then.
    let first_time = packets[0].header.timestamp;
    let first_is_whole = packets[0].payload[0] & 0x1f == 24;
    let mut packets = packets.into_iter().filter(|p| first_is_whole || p.header.timestamp != first_time);
    let mut sequence = None;
    for packet in &mut packets {
        assert!(sequence.is_none_or(|last| *packet.seq_no == last + 1), "a hole was left");
        sequence = Some(*packet.seq_no);
        assembler.push(&packet.payload).expect("a whole access unit");
        if packet.header.marker {
            units.push(assembler.finish().expect("an access unit").payload);
        }
    }
    units
}

fn a_viewer_gets_every_frame_and_the_mapping<S: ViewerSession>() {
    let mut world = viewer::<S>(0.0);
    let units = watch(&mut world, 90);
    assert_eq!(units.len(), 90);
    assert!(units.iter().enumerate().all(|(i, unit)| *unit == frame(i as u32).payload));
    let messages: Vec<_> = world
        .heard
        .iter()
        .filter_map(|event| match event {
            Event::ChannelData(data) => Some(String::from_utf8(data.data.clone()).expect("text")),
            _ => None,
        })
        .collect();
    let about = |kind: &str| messages.iter().filter(|m| m.contains(&format!(r#""kind":"{kind}""#))).count();
    assert_eq!(about("video"), 2, "at join and 2 s later: {messages:?}");
    assert!(about("audio") >= 2);
    let mapping = world.session.mapping(Kind::Video).expect("sent");
    assert_eq!((mapping.epoch, mapping.rate), (Epoch(9), 90_000));
    assert!(world.session.send_message(world.now, "{}"));
    assert!(world.start < world.now);
}

fn loss_towards_a_viewer_is_repaired_by_retransmission<S: ViewerSession>() {
    let mut world = viewer::<S>(0.03);
    // Where the first packet of all or the last ones are lost, nobody knows that there is something to ask for.
    let units = watch(&mut world, 155);
    assert!(units.len() >= 150, "{}", units.len());
}

fn a_reported_frame_is_acknowledged<S: ViewerSession>() {
    let mut world = viewer::<S>(0.0);
    watch(&mut world, 90);
    let acknowledged = world.session.acknowledged().expect("reports came");
    assert!(acknowledged > frame(30).t);
}

/// Found by mutating offers: str0m asserts that a payload type belongs to one codec.
#[test]
fn one_payload_type_for_sound_and_picture_is_refused() {
    let mut client = client(Instant::now());
    let mut api = client.sdp_api();
    api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    let offer = api.apply().expect("an offer").0.to_sdp_string();
    let h264 = offer.lines().find(|line| line.contains("H264/90000")).expect("offered").to_owned();
    let hostile = offer.replacen("a=rtpmap:111", &format!("{h264}\r\na=rtpmap:111"), 1);
    let identity = Identity::generate().expect("an identity");
    let error =
        Ingress::accept(&identity, &hostile, &[address(SERVER)], Instant::now()).err().expect("refused");
    assert!(error.to_string().contains("sections of two kinds"), "{error}");
}

#[test]
fn a_publisher_that_also_wants_to_receive_gets_nothing() {
    let (_, answer) = accept_publisher(Direction::SendRecv);
    assert!(
        answer.contains("a=recvonly") && !answer.contains("a=sendrecv") && !answer.contains("a=ssrc"),
        "{answer}"
    );
}

#[test]
fn the_answer_prefers_constrained_baseline_and_knows_only_mode_1() {
    let (_, answer) = accept_publisher(Direction::SendOnly);
    let profile = answer.lines().find_map(|line| line.split_once("profile-level-id=")).expect("H.264").1;
    assert!(profile.starts_with("42e01f"), "{answer}");
    assert!(!answer.contains("packetization-mode=0"), "{answer}");
    assert!(answer.contains("transport-cc"), "the sender needs it to find its bitrate");
}

/// A session and its answer for an offer with a picture and a sound.
fn accept_publisher(direction: Direction) -> (Ingress, String) {
    let mut client = client(Instant::now());
    let mut api = client.sdp_api();
    api.add_media(MediaKind::Video, direction, None, None, None);
    api.add_media(MediaKind::Audio, direction, None, None, None);
    let (offer, _) = api.apply().expect("an offer");
    let identity = Identity::generate().expect("an identity");
    Ingress::accept(&identity, &offer.to_sdp_string(), &[address(SERVER)], Instant::now()).expect("accepted")
}

#[test]
fn offers_are_refused_in_words() {
    let identity = Identity::generate().expect("an identity");
    let now = Instant::now();
    let refuse = |sdp: &str| Ingress::accept(&identity, sdp, &[address(SERVER)], now).err().expect("refused");
    assert!(matches!(refuse(""), OfferError::Malformed(_)));
    assert!(matches!(refuse(&format!("v=0\r\n{}", "a=x\r\n".repeat(20_000))), OfferError::TooLong(_)));
    assert!(matches!(
        refuse(&format!("v=0\r\n{}", "m=audio 9 x 0\r\n".repeat(40))),
        OfferError::TooManyMedia(40)
    ));
    assert!(matches!(refuse("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), OfferError::Malformed(_)));
}
