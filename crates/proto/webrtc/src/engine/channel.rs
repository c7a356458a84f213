//! The data channel: SCTP (RFC 9260) by `sctp-proto` inside DTLS (RFC 8261), opened by the peer with DCEP (RFC 8832).

use super::{sctp_ahead::Ahead, sdp::MESSAGE_MAX};
use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ReliabilityType, ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Instant,
};

/// Bytes that may wait in the channel.
const BUFFERED_MAX: usize = 256 * 1024;
/// SCTP packets of ours, so that with DTLS, UDP and IPv6 around them they pass the smallest path we expect.
const PACKET_MAX: u32 = 1_120;
/// What a peer may send before we have read it; we read at once, so only what comes out of order waits.
const RECEIVE_MAX: u32 = 4 * MESSAGE_MAX;
/// Channels a peer may open. The first is the one we write to; from all of them we read.
const CHANNELS_MAX: usize = 8;
/// Streams with anything on them. SCTP knows 65,536, each of which costs memory as soon as one byte came for it, and the
/// library lets a peer begin all of them whatever the handshake agreed on. A peer with more loses its association.
const STREAMS_MAX: usize = 64;
/// SCTP packets of a peer are no longer than a datagram. What waits for the rest of a message keeps its whole packet.
const RECEIVED_PACKET_MAX: usize = 2_048;
/// Messages we send when the offer names no limit (RFC 8841 §6.1).
pub(super) const SEND_MAX: u32 = 64 * 1024;
/// Work done after one input; a peer cannot give more with one datagram.
const ROUNDS_MAX: usize = 1_024;

const DCEP_ACK: u8 = 0x02;
const DCEP_OPEN: u8 = 0x03;

/// What the channel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChannelEvent {
    /// Messages can be sent.
    Open,
    /// A message of the peer.
    Message(Bytes),
    /// The peer closed the channel.
    Closed,
}

/// The association and its channels. Made when SCTP begins, since many viewers never do.
pub(super) struct Channel {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    send_max: u32,
    /// The one we write to.
    current: Option<StreamId>,
    /// Opened by DCEP, the current one among them.
    open: Vec<StreamId>,
    /// Streams that the peer has begun and not reset.
    streams: usize,
    ahead: Ahead,
    is_lost: bool,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("current", &self.current)
            .field("is_lost", &self.is_lost)
            .finish_non_exhaustive()
    }
}

struct Shared {
    endpoint: Arc<EndpointConfig>,
    server: Arc<ServerConfig>,
    transport: Arc<TransportConfig>,
}

/// SCTP runs on DTLS here, where addresses mean nothing.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5_000);

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let transport = Arc::new(
            TransportConfig::default()
                // Whether the peer is there is ICE's to say.
                .with_max_init_retransmits(None)
                .with_max_data_retransmits(None)
                .with_rto_initial_ms(500)
                .with_rto_min_ms(200)
                .with_rto_max_ms(10_000)
                .with_max_receive_buffer_size(RECEIVE_MAX)
                .with_max_receive_message_size(MESSAGE_MAX),
        );
        let mut endpoint = EndpointConfig::new();
        endpoint.max_payload_size(PACKET_MAX);
        let mut server = ServerConfig::new();
        server.transport = Arc::clone(&transport);
        Shared { endpoint: Arc::new(endpoint), server: Arc::new(server), transport }
    })
}

impl Channel {
    /// `begins`: the DTLS client begins the association; the other side waits, or they meet. `send_max`: the peer's
    /// `a=max-message-size`.
    pub(super) fn new(begins: bool, send_max: u32) -> Self {
        let shared = shared();
        let mut endpoint = Endpoint::new(Arc::clone(&shared.endpoint), Some(Arc::clone(&shared.server)));
        let mut config = ClientConfig::new();
        config.transport = Arc::clone(&shared.transport);
        let association = begins.then(|| endpoint.connect(config, NOWHERE).ok()).flatten();
        let send_max = if send_max == 0 { u32::MAX } else { send_max };
        Self {
            endpoint,
            association,
            send_max,
            current: None,
            open: Vec::new(),
            streams: 0,
            ahead: Ahead::default(),
            is_lost: false,
        }
    }

    /// An SCTP packet of the peer.
    pub(super) fn handle_packet(&mut self, now: Instant, bytes: Vec<u8>) {
        if bytes.len() > RECEIVED_PACKET_MAX || !self.ahead.allows(&bytes) {
            return;
        }
        let event = self.endpoint.handle(now, NOWHERE, None, None, Bytes::from(bytes));
        if matches!(event, Some((_, DatagramEvent::NewAssociation(_)))) {
            // One is all there is; every INIT with another tag would make one more, and never give it back.
            self.endpoint.reject_new_associations();
        }
        match event {
            Some((handle, DatagramEvent::NewAssociation(association))) if self.association.is_none() => {
                self.association = Some((handle, association));
            }
            Some((known, DatagramEvent::AssociationEvent(event))) => {
                if let Some((handle, association)) =
                    self.association.as_mut().filter(|(own, _)| *own == known)
                {
                    let _ = handle;
                    association.handle_event(event);
                }
            }
            Some((_, DatagramEvent::NewAssociation(_))) | None => {}
        }
    }

    /// Time has reached `now`.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let Some((handle, association)) = &mut self.association else { return };
        association.handle_timeout(now);
        while let Some(event) = association.poll_endpoint_event() {
            if let Some(back) = self.endpoint.handle_event(*handle, event) {
                association.handle_event(back);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.association
            .as_ref()
            .filter(|_| !self.is_lost)
            .and_then(|(_, association)| association.poll_timeout())
    }

    /// Queues a text. False, and nothing queued, while no channel is open, when too much waits, or when the peer takes
    /// no message that long.
    pub(super) fn write(&mut self, text: &str) -> bool {
        let (Some(id), false) = (self.current, self.is_lost) else { return false };
        let Some((_, association)) = &mut self.association else { return false };
        let Ok(mut stream) = association.stream(id) else { return false };
        let waiting = stream.buffered_amount().unwrap_or(usize::MAX);
        let fits = waiting.saturating_add(text.len()) <= BUFFERED_MAX && text.len() <= self.send_max as usize;
        // An empty message is one zero byte under a name of its own (RFC 8831 §6.6).
        let (bytes, ppid) =
            if text.is_empty() { (&[0][..], Ppid::StringEmpty) } else { (text.as_bytes(), Ppid::String) };
        fits && stream.write_with_ppi(bytes, ppid).is_ok_and(|written| written == bytes.len())
    }

    /// The next packets to send inside DTLS.
    pub(super) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        let ahead = &mut self.ahead;
        let mut keep = |transmit: sctp_proto::Transmit| {
            if let Payload::RawEncode(packets) = transmit.payload {
                packets.iter().for_each(|packet| ahead.note_sent(packet));
                out.extend(packets);
            }
        };
        std::iter::from_fn(|| self.endpoint.poll_transmit()).for_each(&mut keep);
        if let Some((_, association)) = &mut self.association {
            std::iter::from_fn(|| association.poll_transmit(now)).take(ROUNDS_MAX).for_each(keep);
        }
    }

    /// What has happened since the last call.
    pub(super) fn poll_events(&mut self, out: &mut Vec<ChannelEvent>) {
        for _ in 0..ROUNDS_MAX {
            let Some((_, association)) = &mut self.association else { return };
            let Some(event) = association.poll() else { return };
            match event {
                Event::Connected => association.set_max_send_message_size(self.send_max),
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.lose(out),
                Event::Stream(StreamEvent::Opened { .. }) => {
                    self.streams += 1;
                    if self.streams > STREAMS_MAX {
                        tracing::debug!("a peer began more than {STREAMS_MAX} streams");
                        self.association = None;
                        return self.lose(out);
                    }
                }
                Event::Stream(StreamEvent::Readable { id } | StreamEvent::Writable { id }) => {
                    self.read(id, out)
                }
                Event::Stream(StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. }) => {
                    self.finish(id, out)
                }
                _ => {}
            }
        }
    }

    /// Nothing more comes or goes.
    fn lose(&mut self, out: &mut Vec<ChannelEvent>) {
        self.is_lost = true;
        out.extend(self.current.take().map(|_| ChannelEvent::Closed));
    }

    fn read(&mut self, id: StreamId, out: &mut Vec<ChannelEvent>) {
        let mut bytes = vec![0; MESSAGE_MAX as usize];
        for _ in 0..ROUNDS_MAX {
            let Some((_, association)) = &mut self.association else { return };
            let Ok(mut stream) = association.stream(id) else { return };
            let Ok(Some(chunks)) = stream.read_sctp() else { return };
            let ppid = chunks.ppi;
            let Ok(length) = chunks.read(&mut bytes) else { return };
            let message = &bytes[..length];
            match ppid {
                Ppid::Dcep => self.establish(id, message, out),
                Ppid::StringEmpty | Ppid::BinaryEmpty => out.push(ChannelEvent::Message(Bytes::new())),
                Ppid::String | Ppid::Binary => {
                    out.push(ChannelEvent::Message(Bytes::copy_from_slice(message)))
                }
                Ppid::Unknown => {}
            }
        }
    }

    /// DATA_CHANNEL_OPEN (RFC 8832 §5.1):
    ///
    /// ```text
    ///  0                   1                   2                   3
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    /// +---------------+---------------+-------------------------------+
    /// | 0x03          | channel type  | priority                      |
    /// +---------------+---------------+-------------------------------+
    /// | reliability parameter                                         |
    /// +-------------------------------+-------------------------------+
    /// | label length                  | protocol length               |  label, protocol
    /// +-------------------------------+-------------------------------+
    /// ```
    fn establish(&mut self, id: StreamId, message: &[u8], out: &mut Vec<ChannelEvent>) {
        let Some((_, association)) = &mut self.association else { return };
        let Ok(mut stream) = association.stream(id) else { return };
        let &[DCEP_OPEN, kind, _, _, r0, r1, r2, r3, ..] = message else { return };
        if message.len() < 12 || self.open.contains(&id) {
            return;
        }
        if self.open.len() == CHANNELS_MAX {
            let _ = stream.close();
            return;
        }
        let reliability = match kind & 0x7f {
            0x01 => ReliabilityType::Rexmit,
            0x02 => ReliabilityType::Timed,
            _ => ReliabilityType::Reliable,
        };
        let parameter = u32::from_be_bytes([r0, r1, r2, r3]);
        let _ = stream.set_reliability_params(kind & 0x80 != 0, reliability, parameter);
        if stream.write_with_ppi(&[DCEP_ACK], Ppid::Dcep).is_err() {
            return;
        }
        self.open.push(id);
        if self.current.is_none() {
            self.current = Some(id);
            out.push(ChannelEvent::Open);
        }
    }

    /// The peer reset its side; so do we ours (RFC 8831 §6.7).
    fn finish(&mut self, id: StreamId, out: &mut Vec<ChannelEvent>) {
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            let _ = stream.close();
        }
        self.streams = self.streams.saturating_sub(1);
        self.open.retain(|open| *open != id);
        if self.current == Some(id) {
            self.current = None;
            out.push(ChannelEvent::Closed);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// A peer that opens channels, as a browser does.
    struct Peer {
        endpoint: Endpoint,
        handle: AssociationHandle,
        association: Association,
        events: Vec<Event>,
    }

    impl Peer {
        fn new() -> Self {
            let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), None);
            let (handle, association) = endpoint.connect(ClientConfig::new(), NOWHERE).expect("begins");
            Self { endpoint, handle, association, events: Vec::new() }
        }

        fn open(&mut self, id: StreamId) {
            let mut open = vec![DCEP_OPEN, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0];
            open.extend(b"unisono");
            let mut stream = self.association.open_stream(id, Ppid::Binary).expect("opened");
            stream.write_with_ppi(&open, Ppid::Dcep).expect("written");
        }

        fn send(&mut self, id: StreamId, text: &[u8]) {
            self.association.stream(id).expect("open").write_with_ppi(text, Ppid::String).expect("written");
        }

        fn read(&mut self, id: StreamId) -> Option<(Ppid, Vec<u8>)> {
            let chunks = self.association.stream(id).ok()?.read_sctp().ok()??;
            let mut bytes = vec![0; 70_000];
            let (ppid, length) = (chunks.ppi, chunks.read(&mut bytes).expect("fits"));
            bytes.truncate(length);
            Some((ppid, bytes))
        }

        fn step(&mut self, now: Instant, ours: &mut Channel) {
            let mut packets = Vec::new();
            ours.handle_timeout(now);
            ours.poll_transmit(now, &mut packets);
            for packet in packets {
                match self.endpoint.handle(now, NOWHERE, None, None, packet) {
                    Some((_, DatagramEvent::AssociationEvent(event))) => self.association.handle_event(event),
                    _ => panic!("the peer knows its association"),
                }
            }
            self.association.handle_timeout(now);
            while let Some(event) = self.association.poll_endpoint_event() {
                self.endpoint.handle_event(self.handle, event);
            }
            self.events.extend(std::iter::from_fn(|| self.association.poll()));
            let transmits: Vec<_> = std::iter::from_fn(|| self.endpoint.poll_transmit())
                .chain(std::iter::from_fn(|| self.association.poll_transmit(now)))
                .collect();
            for transmit in transmits {
                let Payload::RawEncode(packets) = transmit.payload else { continue };
                packets.into_iter().for_each(|packet| ours.handle_packet(now, packet.to_vec()));
            }
        }
    }

    /// Runs both for a second of virtual time; what ours reported.
    fn run(now: &mut Instant, peer: &mut Peer, ours: &mut Channel) -> Vec<ChannelEvent> {
        let mut events = Vec::new();
        for _ in 0..50 {
            *now += Duration::from_millis(20);
            peer.step(*now, ours);
            ours.poll_events(&mut events);
        }
        events
    }

    fn open() -> (Instant, Peer, Channel) {
        let (mut now, mut peer, mut ours) = (Instant::now(), Peer::new(), Channel::new(false, SEND_MAX));
        assert!(!ours.write("too early"));
        assert_eq!(run(&mut now, &mut peer, &mut ours), []);
        peer.open(0);
        assert_eq!(run(&mut now, &mut peer, &mut ours), [ChannelEvent::Open]);
        assert_eq!(peer.read(0), Some((Ppid::Dcep, vec![DCEP_ACK])));
        (now, peer, ours)
    }

    #[test]
    fn messages_go_both_ways() {
        let (mut now, mut peer, mut ours) = open();
        assert!(ours.write("from us"));
        peer.send(0, b"from them");
        assert_eq!(
            run(&mut now, &mut peer, &mut ours),
            [ChannelEvent::Message(Bytes::from_static(b"from them"))]
        );
        assert_eq!(peer.read(0), Some((Ppid::String, b"from us".to_vec())));
    }

    #[test]
    fn what_waits_is_bounded_and_goes_out_later() {
        let (mut now, mut peer, mut ours) = open();
        let text = "x".repeat(16 * 1024);
        let taken = (0..100).take_while(|_| ours.write(&text)).count();
        assert_eq!(taken, BUFFERED_MAX / text.len());
        assert!(!ours.write(&"y".repeat(SEND_MAX as usize + 1)), "longer than the peer takes");
        for _ in 0..5 {
            run(&mut now, &mut peer, &mut ours);
            while peer.read(0).is_some() {}
        }
        assert!(ours.write(&text), "there is room again");
    }

    #[test]
    fn a_channel_the_peer_closes_is_closed_here_too_and_another_one_opens() {
        let (mut now, mut peer, mut ours) = open();
        peer.association.stream(0).expect("open").close().expect("closed");
        assert_eq!(run(&mut now, &mut peer, &mut ours), [ChannelEvent::Closed]);
        assert!(!ours.write("nobody hears"));
        peer.open(2);
        assert_eq!(run(&mut now, &mut peer, &mut ours), [ChannelEvent::Open]);
        assert!(ours.write("here we are"));
    }

    #[test]
    fn more_channels_than_allowed_are_closed_again() {
        let (mut now, mut peer, mut ours) = open();
        for id in 1..=CHANNELS_MAX as StreamId {
            peer.open(id);
        }
        assert_eq!(run(&mut now, &mut peer, &mut ours), [], "the first one stays the one we write to");
        assert_eq!(ours.open.len(), CHANNELS_MAX);
        assert!(ours.write("still here"));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let (mut now, mut ours) = (Instant::now(), Channel::new(false, 0));
            let (mut events, mut out) = (Vec::new(), Vec::new());
            for packet in packets {
                now += Duration::from_millis(10);
                ours.handle_packet(now, packet);
                ours.handle_timeout(now);
                ours.poll_events(&mut events);
                ours.poll_transmit(now, &mut out);
            }
            prop_assert!(events.is_empty());
        }
    }
}
