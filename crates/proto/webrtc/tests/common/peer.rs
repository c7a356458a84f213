//! A viewer on str0m that does the handshake with a session of ours in memory, in virtual time.

use std::time::{Duration, Instant};
use str0m::{
    Candidate, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind},
    net::{Protocol, Receive},
};
use unisono_proto_webrtc::Session;

pub(crate) const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 8189);
pub(crate) const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 2], 5000);
const STEP: Duration = Duration::from_millis(5);

/// See the module.
pub(crate) struct Peer {
    pub(crate) now: Instant,
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
}

impl Peer {
    /// Wants picture (H.264) and sound, and a data channel where asked for; with its offer.
    pub(crate) fn new(now: Instant, has_channel: bool) -> (Self, String) {
        let config =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_h264(true).enable_opus(true, false);
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(CLIENT.into(), "udp").expect("a candidate"));
        let mut api = rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        if has_channel {
            api.add_channel("unisono".to_owned());
        }
        let (offer, pending) = api.apply().expect("an offer");
        (Self { now, rtc, pending: Some(pending) }, offer.to_sdp_string())
    }

    pub(crate) fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        let pending = self.pending.take().expect("one answer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("agreed");
    }

    /// Both talk for so long.
    pub(crate) fn run(&mut self, session: &mut impl Session, by: Duration) {
        let end = self.now + by;
        while self.now < end {
            self.step(session);
        }
    }

    pub(crate) fn step(&mut self, session: &mut impl Session) {
        self.now += STEP;
        self.rtc.handle_input(Input::Timeout(self.now)).expect("client");
        self.drain(session);
        if session.poll_timeout().is_some_and(|at| at <= self.now) {
            session.handle_timeout(self.now);
        }
        while let Some(transmit) = session.poll_transmit() {
            let receive = Receive::new(Protocol::Udp, SERVER.into(), CLIENT.into(), &transmit.bytes);
            self.rtc.handle_input(Input::Receive(self.now, receive.expect("valid"))).expect("client");
            self.drain(session);
        }
    }

    fn drain(&mut self, session: &mut impl Session) {
        loop {
            match self.rtc.poll_output().expect("client") {
                Output::Transmit(transmit) => {
                    session.handle_datagram(self.now, CLIENT.into(), SERVER.into(), &transmit.contents);
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }
}
