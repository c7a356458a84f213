//! str0m over one UDP socket.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    net::{Protocol, Receive},
};
use tokio::net::UdpSocket;

pub(crate) struct Client {
    pub(crate) rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    buffer: Vec<u8>,
    deadline: Instant,
    pub(crate) is_connected: bool,
}

impl Client {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let local = socket.local_addr().expect("an address");
        let config =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_h264(true).enable_opus(true, false);
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("a candidate"));
        Self { rtc, socket, local, buffer: vec![0; 2_000], deadline: Instant::now(), is_connected: false }
    }

    pub(crate) fn accept(&mut self, pending: SdpPendingOffer, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("agreed");
    }

    /// Drives the session until `until`, or for as long as datagrams wait.
    pub(crate) async fn run(&mut self, until: Instant, mut on_event: impl FnMut(Event)) {
        loop {
            self.drain(&mut on_event).await;
            let wake = self.deadline.min(until);
            let received =
                tokio::time::timeout_at(wake.into(), self.socket.recv_from(&mut self.buffer)).await;
            let now = Instant::now();
            match received {
                Ok(Ok((length, from))) => {
                    let contents = self.buffer[..length].to_vec();
                    if let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, &contents) {
                        let _ = self.rtc.handle_input(Input::Receive(now, receive));
                    }
                }
                _ => {
                    let _ = self.rtc.handle_input(Input::Timeout(now));
                }
            }
            if now >= until {
                self.drain(&mut on_event).await;
                return;
            }
        }
    }

    /// Tells the session the time, so that what was just written leaves.
    pub(crate) async fn flush(&mut self, on_event: impl FnMut(Event)) {
        let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
        self.drain(on_event).await;
    }

    async fn drain(&mut self, mut on_event: impl FnMut(Event)) {
        loop {
            if !self.rtc.is_alive() {
                self.deadline = Instant::now() + Duration::from_secs(3_600);
                return;
            }
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at;
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination).await;
                }
                Ok(Output::Event(event)) => {
                    self.is_connected |= matches!(event, Event::Connected);
                    on_event(event);
                }
                Err(error) => panic!("client: {error}"),
            }
        }
    }
}
