//! A viewer built on the `rtc` crate (webrtc-rs), which shares no code with str0m or with us, and the wire to a session.

use crate::world::{CLIENT, Loses, SERVER, address, avc, identity, insert};
use bytes::BytesMut;
use rtc::{
    dtls::extension::extension_use_srtp::SrtpProtectionProfile,
    interceptor::{NackGeneratorBuilder, Registry, Slot},
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        configuration::{
            interceptor_registry::{configure_rtcp_reports, configure_twcc_receiver_only},
            media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        event::{RTCDataChannelEvent, RTCPeerConnectionEvent},
        message::RTCMessage,
        sdp::RTCSessionDescription,
        state::RTCPeerConnectionState,
        transport::RTCIceCandidateInit,
    },
    rtp_transceiver::rtp_sender::RtpCodecKind,
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
    statistics::StatsSelector,
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use unisono_media::CodecConfig;
use unisono_proto_webrtc::{EgressEvent, ViewerSession, Wanted};

const DELAY: Duration = Duration::from_millis(20);

/// Both ends, and 20 ms of wire each way.
pub(crate) struct Call<S> {
    pub(crate) now: Instant,
    pub(crate) peer: RTCPeerConnection,
    pub(crate) session: S,
    /// RTP that came out of the peer, in its order; what it has repaired stands where it came.
    pub(crate) packets: Vec<rtc::rtp::Packet>,
    /// Texts of the data channel.
    pub(crate) texts: Vec<String>,
    /// What the session reported.
    pub(crate) events: Vec<EgressEvent>,
    pub(crate) state: RTCPeerConnectionState,
    pub(crate) channel: Option<usize>,
    /// True for a datagram of ours that is lost.
    pub(crate) loses: Loses,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
}

impl<S: ViewerSession> Call<S> {
    /// A viewer of picture and sound with a data channel, whose DTLS offers these profiles, or its own choice for none.
    pub(crate) fn new(profiles: Vec<SrtpProtectionProfile>) -> Self {
        let now = Instant::now();
        let mut peer = peer(profiles, now);
        let offer = peer.create_offer(None).expect("an offer");
        peer.set_local_description(now, offer.clone()).expect("its own offer");
        let config = CodecConfig::H264(avc());
        let wanted = Wanted { video: Some(&config), audio: true };
        let (session, answer) =
            S::accept_viewer(identity(), &offer.sdp, &[address(SERVER).into()], wanted, now)
                .expect("accepted");
        let answer = RTCSessionDescription::answer(answer).expect("an answer");
        peer.set_remote_description(now, answer).expect("agreed");
        Self {
            now,
            peer,
            session,
            packets: Vec::new(),
            texts: Vec::new(),
            events: Vec::new(),
            state: RTCPeerConnectionState::New,
            channel: None,
            loses: Box::new(|_| false),
            up: VecDeque::new(),
            down: VecDeque::new(),
        }
    }

    /// The profile that the peer's DTLS ended with, as it calls it.
    pub(crate) fn srtp_cipher(&mut self) -> String {
        let report = self.peer.get_stats(self.now, StatsSelector::None);
        report.transport().expect("a transport").srtp_cipher.clone()
    }

    /// Moves virtual time by `by` in steps of a millisecond.
    pub(crate) fn run(&mut self, by: Duration) {
        let end = self.now + by;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.turn_ours();
            self.turn_theirs();
        }
    }

    fn turn_ours(&mut self) {
        let now = self.now;
        while let Some((_, bytes)) = self.up.pop_front_if(|(at, _)| *at <= now) {
            self.session.handle_datagram(now, address(CLIENT), address(SERVER), &bytes);
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        while let Some(transmit) = self.session.poll_transmit() {
            if !(self.loses)(&transmit.bytes) {
                insert(&mut self.down, now + DELAY, transmit.bytes);
            }
        }
        self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    fn turn_theirs(&mut self) {
        let now = self.now;
        while let Some((_, bytes)) = self.down.pop_front_if(|(at, _)| *at <= now) {
            let transport = TransportContext {
                local_addr: address(CLIENT),
                peer_addr: address(SERVER),
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            };
            let message = BytesMut::from(&bytes[..]);
            self.peer.handle_read(TaggedBytesMut { now, transport, message }).expect("the peer goes on");
            self.drain();
        }
        if self.peer.poll_timeout().is_some_and(|at| at <= now) {
            self.peer.handle_timeout(now).expect("the peer goes on");
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.peer.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => self.state = state,
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                    self.channel = Some(id);
                }
                _ => {}
            }
        }
        while let Some(tagged) = self.peer.poll_read() {
            match tagged.message {
                RTCMessage::RtpPacket(_, packet) => self.packets.push(packet),
                RTCMessage::DataChannelMessage(_, message) => {
                    self.texts.push(String::from_utf8(message.data.to_vec()).expect("text"));
                }
                _ => {}
            }
        }
        while let Some(transmit) = self.peer.poll_write() {
            if transmit.transport.peer_addr == address(SERVER) {
                insert(&mut self.up, self.now + DELAY, transmit.message.to_vec());
            }
        }
    }
}

fn peer(profiles: Vec<SrtpProtectionProfile>, now: Instant) -> RTCPeerConnection {
    let mut media = MediaEngine::default();
    media.register_default_codecs().expect("codecs");
    // It sees what RTX repairs only behind the counter of what is missing, and would ask for each packet ten times a second
    // for ever: what one may have resent is used up by that.
    let nack = NackGeneratorBuilder::new().with_max_nacks_per_packet(4).build();
    let registry = Registry::new().with(Slot::NackGenerator, nack);
    let registry = configure_twcc_receiver_only(configure_rtcp_reports(registry), &mut media).expect("TWCC");
    let settings = SettingEngineBuilder::new().with_srtp_protection_profiles(profiles).build();
    let builder = RTCPeerConnectionBuilder::new().with_media_engine(media).with_setting_engine(settings);
    let mut peer = builder.with_interceptor_registry(registry).build(now).expect("a peer");
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        peer.add_transceiver_from_kind(kind, None).expect("a receiver");
    }
    peer.create_data_channel("unisono", None).expect("a channel");
    let own = address(CLIENT);
    let candidate = format!("candidate:1 1 udp 2130706431 {} {} typ host", own.ip(), own.port());
    peer.add_local_candidate(RTCIceCandidateInit { candidate, ..Default::default() }).expect("a candidate");
    peer
}
