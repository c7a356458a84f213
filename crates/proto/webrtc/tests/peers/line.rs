//! An insider ([`crate::insider`]) and a session, with nothing between them but the paths that carry packets: over TCP
//! each is a frame of a stream that arrives in pieces (RFC 4571).

use crate::{
    insider::{Heard, Insider},
    offers::WHEP,
    world::{CLIENT, SERVER, address, avc, frame, identity},
};
use std::time::{Duration, Instant};
use unisono_base::Epoch;
use unisono_media::CodecConfig;
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264};
use unisono_proto_webrtc::{
    Deframer, EgressEvent, HostCandidate, Path, Transport, ViewerSession, Wanted, encode_frame,
};

const STEP: Duration = Duration::from_millis(5);
/// Between two checks of each path that is kept (RFC 8445 §11 and RFC 7675: up to 5 s).
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Bytes of a stream that arrive together.
const PIECE: usize = 700;

/// By datagrams.
pub(crate) fn udp() -> Path {
    Path::udp(address(CLIENT), address(SERVER))
}

/// By a connection from the same address to another port of ours.
pub(crate) fn tcp() -> Path {
    Path::tcp(address(CLIENT), address("192.0.2.1:8190"))
}

/// An RTP packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) path: Path,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) is_end: bool,
}

/// See the module.
pub(crate) struct Line<S> {
    pub(crate) now: Instant,
    pub(crate) session: S,
    pub(crate) insider: Insider,
    pub(crate) answer: String,
    /// Paths that the insider keeps: it checks them and answers on them. What is sent over others is lost.
    pub(crate) keeps: Vec<Path>,
    /// Where it sends DTLS and RTCP.
    pub(crate) uses: Path,
    pub(crate) got: Vec<Got>,
    /// What came inside DTLS.
    pub(crate) inside: Vec<Vec<u8>>,
    pub(crate) events: Vec<EgressEvent>,
    /// Checks of the session's, by path.
    pub(crate) asked: Vec<Path>,
    may_begin: bool,
    check_at: Instant,
    streams: [Deframer; 2],
}

impl<S: ViewerSession> Line<S> {
    /// Nothing is sent yet. The first path will be this one.
    pub(crate) fn new(path: Path) -> Self {
        let now = Instant::now();
        let (mut insider, offer) = Insider::new(WHEP, now);
        let config = CodecConfig::H264(avc());
        let wanted = Wanted { video: Some(&config), audio: true };
        let candidates = [HostCandidate::udp(udp().local), HostCandidate::tcp(tcp().local)];
        let (session, answer) =
            S::accept_viewer(identity(), &offer, &candidates, wanted, now).expect("accepted");
        insider.agree(&answer);
        Self {
            now,
            session,
            insider,
            answer,
            keeps: vec![path],
            uses: path,
            got: Vec::new(),
            inside: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            may_begin: false,
            check_at: now + CHECK_EVERY,
            streams: [Deframer::default(), Deframer::default()],
        }
    }

    /// The same, connected.
    pub(crate) fn connected(path: Path) -> Self {
        let mut line = Self::new(path);
        line.check(path, Some(100));
        let is_up = (0..1_000).any(|_| {
            line.run(STEP);
            line.insider.is_connected && !line.events.is_empty()
        });
        assert!(is_up, "{:?} {:?}", line.session.closed(), line.events);
        assert!(matches!(line.events[..], [EgressEvent::Connected]), "{:?}", line.events);
        line.events.clear();
        line
    }

    /// Checks a path; nominates it where a priority is given.
    pub(crate) fn check(&mut self, path: Path, priority: Option<u32>) {
        let check = self.insider.check(priority);
        self.send(path, &check);
    }

    /// Hands a packet of the insider's to the session, and what it answers to the insider.
    pub(crate) fn send(&mut self, path: Path, bytes: &[u8]) {
        for bytes in carried(path, bytes, &mut self.streams[0]) {
            self.session.handle_packet(self.now, path, &bytes);
        }
        self.drain();
    }

    /// Sends these bytes inside DTLS.
    pub(crate) fn send_inside(&mut self, bytes: &[u8]) {
        for record in self.insider.wrap(bytes) {
            self.send(self.uses, &record);
        }
    }

    pub(crate) fn run(&mut self, by: Duration) {
        let end = self.now + by;
        while self.now < end {
            self.now += STEP;
            self.turn();
        }
    }

    fn turn(&mut self) {
        if self.may_begin {
            for record in self.insider.handle_timeout(self.now) {
                self.send(self.uses, &record);
            }
        }
        if self.now >= self.check_at {
            self.check_at = self.now + CHECK_EVERY;
            for path in self.keeps.clone() {
                self.check(path, None);
            }
        }
        if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
        }
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            if !self.keeps.contains(&transmit.path) {
                continue;
            }
            for bytes in carried(transmit.path, &transmit.bytes, &mut self.streams[1]) {
                self.hear(transmit.path, &bytes);
            }
        }
        self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    fn hear(&mut self, path: Path, bytes: &[u8]) {
        match self.insider.handle_packet(bytes) {
            Some(Heard::CheckAnswered) => self.may_begin = true,
            Some(Heard::Check(reply)) => {
                self.asked.push(path);
                self.send(path, &reply);
            }
            Some(Heard::Dtls(records, inside)) => {
                self.inside.extend(inside);
                records.iter().for_each(|record| self.send(self.uses, record));
            }
            Some(Heard::Rtp(packet)) => {
                let ssrc = u32::from_be_bytes(*packet[8..].first_chunk().expect("a header"));
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                self.got.push(Got { path, ssrc, sequence, is_end: packet[1] & 0x80 != 0 });
            }
            Some(Heard::Rtcp(_)) | None => {}
        }
    }

    /// Sends pictures of these numbers, one a frame time.
    pub(crate) fn play(&mut self, frames: std::ops::Range<u32>) {
        for index in frames {
            let picture = frame(index, index.is_multiple_of(30));
            let packets = packetize_h264(&picture, &avc(), PAYLOAD_MAX);
            self.session.send_video(self.now, picture.t, Epoch(9), &picture, &packets);
            self.drain();
            self.run(Duration::from_millis(35));
        }
    }

    /// SSRC of the pictures.
    pub(crate) fn ssrc(&self) -> u32 {
        self.session.mapping(unisono_media::Kind::Video).expect("pictures were sent").ssrc
    }

    /// Pictures that came to their end since the last call, by path; checks that no packet is missing, comes twice or out
    /// of order.
    pub(crate) fn pictures(&mut self) -> Vec<Path> {
        let ssrc = self.ssrc();
        let got: Vec<Got> = self.got.drain(..).filter(|got| got.ssrc == ssrc).collect();
        assert!(got.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)), "{got:?}");
        got.iter().filter(|got| got.is_end).map(|got| got.path).collect()
    }
}

/// What arrives of a packet: itself, or what a deframer makes of its frame, which comes in pieces.
fn carried(path: Path, bytes: &[u8], stream: &mut Deframer) -> Vec<Vec<u8>> {
    if path.transport == Transport::Udp {
        return vec![bytes.to_vec()];
    }
    let mut framed = Vec::new();
    assert!(encode_frame(bytes, &mut framed), "{} bytes in a frame", bytes.len());
    framed.chunks(PIECE).for_each(|piece| stream.handle_bytes(piece));
    std::iter::from_fn(|| stream.poll_packet().expect("frames")).map(|bytes| bytes.to_vec()).collect()
}
