//! str0m over one UDP socket, or over one TCP connection.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    net::{Protocol, Receive, TcpType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};
use unisono_proto_webrtc::{Deframer, encode_frame};

/// What carries the client's packets.
enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, server: SocketAddr, deframer: Deframer },
}

pub(crate) struct Client {
    pub(crate) rtc: Box<Rtc>,
    wire: Wire,
    local: SocketAddr,
    buffer: Vec<u8>,
    deadline: Instant,
    pub(crate) is_connected: bool,
}

impl Client {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let local = socket.local_addr().expect("an address");
        let candidate = Candidate::host(local, "udp").expect("a candidate");
        Self::over(Wire::Udp(socket), local, candidate)
    }

    /// Has only a connection to `server`, as behind a firewall that drops UDP.
    pub(crate) async fn over_tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.expect("a connection");
        let local = stream.local_addr().expect("an address");
        let candidate = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
        let wire = Wire::Tcp { stream, server, deframer: Deframer::default() };
        Self::over(wire, local, candidate.expect("a candidate"))
    }

    fn over(wire: Wire, local: SocketAddr, candidate: Candidate) -> Self {
        let config =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_h264(true).enable_opus(true, false);
        let mut rtc = Box::new(config.build(Instant::now()));
        rtc.add_local_candidate(candidate);
        Self { rtc, wire, local, buffer: vec![0; 2_000], deadline: Instant::now(), is_connected: false }
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
            let received = tokio::time::timeout_at(wake.into(), self.wire.receive(&mut self.buffer)).await;
            let now = Instant::now();
            match received {
                Ok(Some((protocol, from, contents))) => {
                    if let Ok(receive) = Receive::new(protocol, from, self.local, &contents) {
                        let _ = self.rtc.handle_input(Input::Receive(now, receive));
                    }
                }
                Ok(None) => return,
                Err(_) => {
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
                    self.wire.send(&transmit).await;
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

impl Wire {
    /// The next packet and who sent it; `None` when the connection is over. Giving up waiting loses nothing.
    async fn receive(&mut self, buffer: &mut [u8]) -> Option<(Protocol, SocketAddr, Vec<u8>)> {
        match self {
            Self::Udp(socket) => loop {
                // An error is an earlier datagram that nobody took.
                if let Ok((length, from)) = socket.recv_from(buffer).await {
                    return Some((Protocol::Udp, from, buffer[..length].to_vec()));
                }
            },
            Self::Tcp { stream, server, deframer } => loop {
                if let Some(packet) = deframer.poll_packet().expect("well formed") {
                    return Some((Protocol::Tcp, *server, packet.to_vec()));
                }
                match stream.read(buffer).await {
                    Ok(length @ 1..) => deframer.handle_bytes(&buffer[..length]),
                    _ => return None,
                }
            },
        }
    }

    async fn send(&mut self, transmit: &str0m::net::Transmit) {
        match self {
            Self::Udp(socket) => {
                let _ = socket.send_to(&transmit.contents, transmit.destination).await;
            }
            Self::Tcp { stream, server, .. } => {
                assert_eq!((transmit.proto, transmit.destination), (Protocol::Tcp, *server));
                let mut frame = Vec::new();
                assert!(encode_frame(&transmit.contents, &mut frame));
                let _ = stream.write_all(&frame).await;
            }
        }
    }
}
