//! A WebRTC client: str0m over one UDP socket.

use anyhow::Context;
use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    net::{Protocol, Receive},
};
use tokio::net::UdpSocket;

/// Datagrams taken in one wake-up, so that one peer cannot keep the others of its thread waiting.
const BURST: usize = 32;
const DATAGRAM_MAX: usize = 2_000;

/// One session and its socket.
pub(super) struct Peer {
    /// Boxed: it is 20 KiB, and the futures that hold a peer are moved.
    pub(super) rtc: Box<Rtc>,
    socket: UdpSocket,
    local: SocketAddr,
    buffer: Box<[u8; DATAGRAM_MAX]>,
    deadline: Instant,
    received_bytes: u64,
}

/// A browser nominates its first working pair at once where the server is ICE-lite. str0m does so with its second
/// check, after the retransmission time; with str0m's usual 250 ms that would be most of what a join takes.
const SECOND_CHECK_AFTER: Duration = Duration::from_millis(20);

/// H.264 and Opus only, as they are what the measured servers forward.
pub(super) fn config() -> RtcConfig {
    let mut config = RtcConfig::new().clear_codecs().enable_opus(true, false).enable_h264(true);
    config.set_initial_stun_rto(SECOND_CHECK_AFTER);
    config
}

impl Peer {
    /// Accepts the answer and binds a socket that can reach the first candidate in it.
    pub(super) async fn accept(
        mut rtc: Box<Rtc>,
        pending: SdpPendingOffer,
        answer: &str,
    ) -> anyhow::Result<Self> {
        let remote = first_candidate(answer).context("the answer has no usable candidate")?;
        let socket = UdpSocket::bind(SocketAddr::new(towards(remote).await?, 0)).await?;
        let local = socket.local_addr()?;
        let answer = SdpAnswer::from_sdp_string(answer).context("the answer is not SDP")?;
        rtc.sdp_api().accept_answer(pending, answer).context("the answer was not accepted")?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let buffer = Box::new([0; DATAGRAM_MAX]);
        Ok(Self { rtc, socket, local, buffer, deadline: Instant::now(), received_bytes: 0 })
    }

    /// Bytes of UDP payload received since the last call.
    pub(super) fn take_received_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.received_bytes)
    }

    /// Waits for datagrams, for the session's own deadline or until `until`, and handles what came.
    pub(super) async fn step(
        &mut self,
        until: Instant,
        on_event: &mut impl FnMut(Event),
    ) -> anyhow::Result<()> {
        self.drain(on_event)?;
        let wake = self.deadline.min(until);
        tokio::select! {
            biased;
            readable = self.socket.readable() => {
                readable?;
                self.receive(on_event)?;
            }
            () = tokio::time::sleep_until(wake.into()) => {
                self.rtc.handle_input(Input::Timeout(Instant::now()))?;
            }
        }
        self.drain(on_event)
    }

    /// Sends what was just written. str0m makes packets of it only when time goes on, and refuses a second write before.
    pub(super) fn send_written(&mut self, now: Instant) -> anyhow::Result<()> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(&mut |_| {})
    }

    /// Sends what the session has to say until it names its next deadline. Call after every mutation of `rtc`.
    pub(super) fn drain(&mut self, on_event: &mut impl FnMut(Event)) -> anyhow::Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(deadline) => {
                    // str0m names a time far ahead when it waits for nothing; tokio's timer need not know it.
                    self.deadline = deadline.min(Instant::now() + Duration::from_secs(1));
                    return Ok(());
                }
                // A full socket buffer loses the datagram, as a network would.
                Output::Transmit(transmit) => {
                    let _ = self.socket.try_send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(event) => on_event(event),
            }
        }
    }

    fn receive(&mut self, on_event: &mut impl FnMut(Event)) -> anyhow::Result<()> {
        for _ in 0..BURST {
            let (length, source) = match self.socket.try_recv_from(&mut self.buffer[..]) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            self.received_bytes += length as u64;
            let Ok(datagram) = Receive::new(Protocol::Udp, source, self.local, &self.buffer[..length]) else {
                continue;
            };
            self.rtc.handle_input(Input::Receive(Instant::now(), datagram))?;
            self.drain(on_event)?;
        }
        Ok(())
    }
}

/// Address of the first UDP candidate: `a=candidate:<foundation> <component> udp <priority> <address> <port> ...`
pub(super) fn first_candidate(answer: &str) -> Option<SocketAddr> {
    answer.lines().filter_map(|line| line.trim().strip_prefix("a=candidate:")).find_map(|candidate| {
        let mut fields = candidate.split_ascii_whitespace().skip(2);
        let is_udp = fields.next()?.eq_ignore_ascii_case("udp");
        let address: IpAddr = fields.nth(1)?.parse().ok()?;
        let port = fields.next()?.parse().ok()?;
        is_udp.then(|| SocketAddr::new(address, port))
    })
}

/// The address of this machine that the kernel would send to `remote` from.
async fn towards(remote: SocketAddr) -> anyhow::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
    let probe = UdpSocket::bind(any).await?;
    probe.connect(remote).await.with_context(|| format!("there is no way to the candidate {remote}"))?;
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_udp_candidate_is_taken() {
        let sdp = "v=0\r\na=candidate:1 1 tcp 9 10.0.0.1 9 typ host tcptype passive\r\n\
            a=candidate:2 1 UDP 2130706431 192.0.2.7 8189 typ host\r\n";
        assert_eq!(first_candidate(sdp), Some("192.0.2.7:8189".parse().expect("valid")));
        assert_eq!(first_candidate("v=0\r\n"), None);
    }
}
