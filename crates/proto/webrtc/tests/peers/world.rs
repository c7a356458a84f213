//! A str0m client, a session, and the wire between them, on which a test can lose what it likes.

use bytes::{BufMut, Bytes, BytesMut};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpOffer},
    format::Codec,
    media::{Direction, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::{RawPacket, RtpWrite, SeqNo, rtcp::Rtcp},
};
use unisono_base::MediaTime;
use unisono_media::{AvcConfig, CodecConfig, Frame};
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264};
use unisono_proto_webrtc::{Identity, Ingress, IngressEvent, IngressFrame, Session, ViewerSession, Wanted};

pub(crate) const SERVER: &str = "192.0.2.1:8189";
pub(crate) const CLIENT: &str = "192.0.2.2:5000";
const DELAY: Duration = Duration::from_millis(20);
const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];

pub(crate) fn avc() -> AvcConfig {
    AvcConfig::new(Bytes::copy_from_slice(&SPS), vec![Bytes::from_static(&[0x68, 0xee, 0x3c, 0x80])])
        .expect("valid")
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// One for all tests, as a node has one for all sessions.
pub(crate) fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
}

/// Frame `index` of a 30 fps stream; its bytes tell its index.
pub(crate) fn frame(index: u32, key: bool) -> Frame {
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

pub(crate) fn config() -> RtcConfig {
    RtcConfig::new()
        .set_rtp_mode(true)
        .enable_raw_packets(true)
        .clear_codecs()
        .enable_h264(true)
        .enable_opus(true, false)
}

/// The same tests on each of the egresses.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod on_str0m {
            $(#[test] fn $test() { super::$test::<unisono_proto_webrtc::Egress>(); })*
        }
        mod on_engine {
            $(#[test] fn $test() { super::$test::<unisono_proto_webrtc::Viewer>(); })*
        }
    };
}
pub(crate) use on_both;

/// What becomes of a datagram, ours (`true`) or the client's: each copy that arrives, and how much later than on a good day.
pub(crate) type Mangles = Box<dyn FnMut(bool, Vec<u8>) -> Vec<(Duration, Vec<u8>)>>;

/// A datagram of the client on its way, or ours: true when it is lost.
pub(crate) type Loses = Box<dyn FnMut(&[u8]) -> bool>;

/// Both ends, and 20 ms of wire each way.
pub(crate) struct World<S> {
    pub(crate) now: Instant,
    pub(crate) client: Rtc,
    pub(crate) session: S,
    pub(crate) heard: Vec<Event>,
    pub(crate) loses_up: Loses,
    pub(crate) mangles: Mangles,
    /// One way.
    pub(crate) delay: Duration,
    /// When the RTP packets among `heard` came, in their order.
    pub(crate) arrivals: Vec<Instant>,
    /// Our answer, as the client got it.
    pub(crate) answer: String,
    /// When the client last sent a datagram that was not lost.
    pub(crate) last_sent: Instant,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
}

impl World<Ingress> {
    /// A publisher of one picture; `edit` may change its offer on the way.
    pub(crate) fn publisher(config: RtcConfig, edit: impl Fn(String) -> String) -> (Self, Mid) {
        let start = Instant::now();
        let mut client = client(config, start);
        let mut api = client.sdp_api();
        let mid = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().expect("an offer");
        let offer = edit(offer.to_sdp_string());
        SdpOffer::from_sdp_string(&offer).expect("still an offer");
        let (session, answer) =
            Ingress::accept(identity(), &offer, &[address(SERVER)], start).expect("accepted");
        let parsed = SdpAnswer::from_sdp_string(&answer).expect("an answer");
        client.sdp_api().accept_answer(pending, parsed).expect("agreed");
        (Self::new(client, session, answer, start), mid)
    }

    /// Sends one frame with sequence numbers from `sequence` on; returns the next one.
    pub(crate) fn send(&mut self, mid: Mid, frame: &Frame, index: u32, mut sequence: u64) -> u64 {
        let pt = self.h264();
        let now = self.now;
        let mut api = self.client.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).expect("a sender");
        for packet in &packetize_h264(frame, &avc(), PAYLOAD_MAX).list {
            let time = 500_000 + index * 3_000;
            let write = RtpWrite::new(pt, SeqNo::from(sequence), time, now, packet.payload.clone());
            stream.write_rtp(write.marker(packet.marker).nackable(true));
            sequence += 1;
        }
        sequence
    }

    pub(crate) fn frames(&mut self) -> Vec<IngressFrame> {
        let events = std::iter::from_fn(|| self.session.poll_event());
        events.filter_map(|e| if let IngressEvent::Frame(frame) = e { Some(frame) } else { None }).collect()
    }

    fn h264(&self) -> Pt {
        let params = self.client.codec_config().params();
        let is_h264 = |p: &&str0m::format::PayloadParams| {
            p.spec().codec == Codec::H264 && p.spec().format.packetization_mode == Some(1)
        };
        params.iter().find(is_h264).expect("H.264").pt()
    }
}

impl<S: ViewerSession> World<S> {
    /// A viewer of picture and sound with a data channel.
    pub(crate) fn viewer(config: RtcConfig) -> Self {
        let start = Instant::now();
        let mut client = client(config, start);
        let mut api = client.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        api.add_channel("unisono".to_owned());
        let (offer, pending) = api.apply().expect("an offer");
        let config = CodecConfig::H264(avc());
        let wanted = Wanted { video: Some(&config), audio: true };
        let (session, answer) =
            S::accept_viewer(identity(), &offer.to_sdp_string(), &[address(SERVER).into()], wanted, start)
                .expect("accepted");
        let parsed = SdpAnswer::from_sdp_string(&answer).expect("an answer");
        client.sdp_api().accept_answer(pending, parsed).expect("agreed");
        Self::new(client, session, answer, start)
    }
}

impl<S: Session> World<S> {
    pub(crate) fn new(client: Rtc, session: S, answer: String, now: Instant) -> Self {
        let (up, down) = (VecDeque::new(), VecDeque::new());
        Self {
            now,
            client,
            session,
            heard: Vec::new(),
            loses_up: Box::new(|_| false),
            mangles: Box::new(|_, bytes| vec![(Duration::ZERO, bytes)]),
            delay: DELAY,
            arrivals: Vec::new(),
            answer,
            last_sent: now,
            up,
            down,
        }
    }

    /// Moves virtual time by `by` in steps of a millisecond.
    pub(crate) fn run(&mut self, by: Duration) {
        let end = self.now + by;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some((_, bytes)) = self.up.pop_front_if(|(at, _)| *at <= now) {
            self.session.handle_datagram(now, address(CLIENT), address(SERVER), &bytes);
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        while let Some(transmit) = self.session.poll_transmit() {
            let copies = (self.mangles)(true, transmit.bytes);
            copies
                .into_iter()
                .for_each(|(later, bytes)| insert(&mut self.down, now + self.delay + later, bytes));
        }
        while let Some((_, bytes)) = self.down.pop_front_if(|(at, _)| *at <= now) {
            let receive = Receive::new(Protocol::Udp, address(SERVER), address(CLIENT), &bytes);
            self.client.handle_input(Input::Receive(now, receive.expect("a datagram"))).expect("client");
            self.drain();
        }
        self.client.handle_input(Input::Timeout(now)).expect("client");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.client.poll_output().expect("client") {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) if (self.loses_up)(&transmit.contents) => {}
                Output::Transmit(transmit) => {
                    self.last_sent = self.now;
                    let copies = (self.mangles)(false, transmit.contents.to_vec());
                    let at = self.now + self.delay;
                    copies.into_iter().for_each(|(later, bytes)| insert(&mut self.up, at + later, bytes));
                }
                Output::Event(event) => {
                    self.arrivals.extend(matches!(event, Event::RtpPacket(_)).then_some(self.now));
                    self.heard.push(event);
                }
            }
        }
    }

    /// How many RTCP packets of ours the client has heard that are like this.
    pub(crate) fn heard_rtcp(&self, is_like: impl Fn(&Rtcp) -> bool) -> usize {
        let rtcp = self.heard.iter().filter_map(|event| match event.as_raw_packet()? {
            RawPacket::RtcpRx(rtcp) => Some(rtcp),
            _ => None,
        });
        rtcp.filter(|rtcp| is_like(rtcp)).count()
    }
}

/// In the order of arrival.
pub(crate) fn insert(wire: &mut VecDeque<(Instant, Vec<u8>)>, at: Instant, bytes: Vec<u8>) {
    let index = wire.partition_point(|(other, _)| *other <= at);
    wire.insert(index, (at, bytes));
}

pub(crate) fn client(config: RtcConfig, start: Instant) -> Rtc {
    let mut client = config.build(start);
    client.add_local_candidate(Candidate::host(address(CLIENT), "udp").expect("a candidate"));
    client
}
