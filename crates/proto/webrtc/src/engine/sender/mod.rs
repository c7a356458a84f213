//! One RTP stream of a viewer: where it stands in sequence and time, and how a lost packet is found again.
//!
//! No packet is kept: a NACK leads to the number of a frame, which the caller looks up among the stream's recent frames,
//! shared by all viewers.

mod budget;
mod history;
mod repair;

use super::{
    Outlet, Prefetch,
    bwe::Bwe,
    header::{Detail, ExtensionIds, Extensions, PlayoutDelay, Stream},
    rtcp::{ReportBlock, SenderReport},
    srtp::Sealer,
};
use crate::{Mapping, Path, rtp_clock::RtpClock};
use budget::Budget;
use history::{FRAMES_MAX, History, SentFrame};
use std::{ops::Range, time::Instant};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packet, Packets};

pub use repair::{Resend, ResendStream};

/// Every extension goes out this often: what a receiver interpolates from (abs-capture-time asks for once a second).
const FULL_EVERY: Span = Span::from_millis(500);
/// What a stream was answered with.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Picture or sound.
    pub kind: Kind,
    /// The media section.
    pub mid: &'a str,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// SSRC of the media.
    pub ssrc: u32,
    /// Where retransmissions go. Without it nothing is resent, see [`Sealer::seal_rtp`].
    pub resend: Option<ResendStream>,
    /// Extensions negotiated.
    pub extensions: ExtensionIds,
    /// What the receiver's jitter buffer is told, where that was negotiated.
    pub playout_delay: Option<PlayoutDelay>,
    /// Any number: where sequence numbers and RTP time start (RFC 3550 §5.1).
    pub random: u64,
}

/// What all senders of one viewer share: the way to it, the keys and the count of packets on it.
pub struct Wire<'a> {
    /// Where media goes.
    pub path: &'a Path,
    /// Protects it.
    pub sealer: &'a Sealer,
    /// Numbers and remembers it.
    pub bwe: &'a mut Bwe,
}

/// A frame to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Its run of the timeline.
    pub epoch: Epoch,
    /// Its number in the stream's list of recent frames, by which a resend is asked for.
    pub number: u64,
    /// The frame.
    pub frame: &'a Frame,
    /// Its RTP payloads.
    pub packets: &'a Packets,
}

/// What a receiver report said, worked out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reception {
    /// Share of packets lost since the report before, 0 to 1.
    pub loss: f32,
    /// Round trip, where the receiver has had a sender report.
    pub rtt: Option<Span>,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderStats {
    /// Frames sent.
    pub frames: u64,
    /// RTP packets sent, resent ones left out.
    pub packets: u64,
    /// Bytes of RTP payload in them.
    pub bytes: u64,
    /// Packets resent.
    pub resent: u64,
    /// Packets asked for and not resent: too old, asked for a moment ago, or more than the budget.
    pub refused: u64,
}

/// One RTP stream of one viewer.
pub struct Sender {
    clock: RtpClock,
    payload_type: u8,
    next_sequence: u64,
    /// T of the last frame with all extensions.
    last_full: Option<MediaTime>,
    frames: u64,
    packets: u64,
    bytes: u64,
    extensions: Extensions,
    budget: Budget,
    past: Box<Past>,
}

/// What sending a frame hardly touches.
struct Past {
    history: History,
    resend: Option<ResendStream>,
    next_resend_sequence: u64,
    resent: u64,
    refused: u64,
    acknowledged: Option<MediaTime>,
    rtt: Option<Span>,
}

impl Sender {
    /// A stream that has sent nothing.
    pub fn new(config: Config<'_>) -> Self {
        let Config { kind, mid, payload_type, ssrc, resend, extensions, playout_delay, random } = config;
        let has_history = kind == Kind::Video || resend.is_some();
        // In the lower half, so that rollover counters start at 0 and an early loss does not wrap.
        let [start, resend_start] = [random, random >> 16].map(|random| random & 0x3fff);
        Self {
            clock: RtpClock::new(kind, ssrc, (random >> 32) as u32),
            payload_type,
            next_sequence: start,
            last_full: None,
            frames: 0,
            packets: 0,
            bytes: 0,
            extensions: Extensions::new(extensions, mid, playout_delay),
            budget: Budget::default(),
            past: Box::new(Past {
                history: History::new(if has_history { FRAMES_MAX } else { 0 }),
                resend,
                next_resend_sequence: resend_start,
                resent: 0,
                refused: 0,
                acknowledged: None,
                rtt: None,
            }),
        }
    }

    /// Picture or sound.
    pub fn kind(&self) -> Kind {
        self.clock.kind()
    }

    /// SSRC of the media.
    pub fn ssrc(&self) -> u32 {
        self.clock.ssrc()
    }

    /// Where retransmissions go.
    pub fn resend_stream(&self) -> Option<ResendStream> {
        self.past.resend
    }

    /// Totals.
    pub fn stats(&self) -> SenderStats {
        let Self { frames, packets, bytes, .. } = *self;
        SenderStats { frames, packets, bytes, resent: self.past.resent, refused: self.past.refused }
    }

    /// Sends all packets of a frame, at once; pacing is the caller's. Frames come in order of T; epochs may change and
    /// frames be left out at any time.
    pub fn send_frame(
        &mut self,
        now: Instant,
        outgoing: Outgoing<'_>,
        wire: &mut Wire<'_>,
        out: &mut impl Outlet,
    ) {
        let all = 0..outgoing.packets.list.len();
        self.send_part(now, outgoing, all, wire, out);
    }

    /// Sends some packets of a frame: those from 0 on first, then the others, before another frame.
    pub fn send_part(
        &mut self,
        now: Instant,
        outgoing: Outgoing<'_>,
        part: Range<usize>,
        wire: &mut Wire<'_>,
        out: &mut impl Outlet,
    ) {
        let (sent, detail) = if part.start == 0 {
            self.begin(&outgoing)
        } else {
            match self.past.history.newest() {
                Some(sent) => (sent, Detail::Lean),
                None => return,
            }
        };
        let stream = Stream { payload_type: self.payload_type, timestamp: sent.timestamp, ssrc: self.ssrc() };
        let template = self.extensions.template(stream, detail, sent.t);
        let mut bytes = 0;
        let packets = outgoing.packets.list.get(part.clone()).unwrap_or_default();
        for (Packet { payload, marker }, sequence) in
            packets.iter().zip(sent.first_sequence + part.start as u64..)
        {
            bytes += payload.len();
            let length = template.header_len() + payload.len() + wire.sealer.profile().rtp_overhead();
            let number = self.number(now, length, wire.bwe);
            let Wire { path, sealer, .. } = *wire;
            out.packet(path, length, |packet| {
                template.write(packet, *marker, sequence as u16, number);
                let _sealed = sealer.seal_rtp(stream.ssrc, sequence, packet, template.header_len(), payload);
            });
        }
        self.budget.earn(bytes);
        self.packets += packets.len() as u64;
        self.bytes += bytes as u64;
    }

    /// See [`Engine::prefetch`](super::Engine::prefetch).
    pub(super) fn prefetch(&self, stage: usize, memory: &impl Prefetch) {
        match stage {
            1 => memory.prefetch(&*self.past),
            _ => self.past.history.prefetch(memory),
        }
    }

    /// Gives a frame its place in sequence and time, all its packets at once.
    fn begin(&mut self, Outgoing { epoch, number, frame, packets }: &Outgoing<'_>) -> (SentFrame, Detail) {
        let detail = self.detail(*epoch, frame);
        let timestamp = self.clock.stamp(*epoch, frame);
        let count = packets.list.len();
        let first_sequence = self.next_sequence;
        self.next_sequence += count as u64;
        let sent = SentFrame { number: *number, t: frame.t, timestamp, first_sequence, count: count as u16 };
        self.past.history.push(sent);
        self.frames += 1;
        (sent, detail)
    }

    /// What to report when the timeline clock reads `clock`; `None` before the first frame.
    pub fn report(&self, clock: MediaTime) -> Option<SenderReport> {
        Some(SenderReport {
            ssrc: self.ssrc(),
            clock,
            rtp: self.clock.at(clock)?,
            packets: self.packets as u32,
            octets: self.bytes as u32,
        })
    }

    /// The viewer's report on this stream arrived as the timeline clock read `clock`.
    pub fn handle_report(&mut self, clock: MediaTime, block: &ReportBlock) -> Reception {
        let reception = Reception { loss: block.loss(), rtt: block.round_trip(clock) };
        self.past.rtt = reception.rtt.or(self.past.rtt);
        // A receiver that has got nothing yet reports zero, or whatever.
        let received = self
            .extended(block.highest_sequence as u16)
            .and_then(|highest| self.past.history.newest_within(highest));
        self.past.acknowledged = received.max(self.past.acknowledged);
        reception
    }

    /// T of the newest frame that the viewer has got to the end by its reports; `None` while it has shown nothing as far
    /// as we know.
    pub fn acknowledged(&self) -> Option<MediaTime> {
        self.past.acknowledged
    }

    /// The mapping in force; `None` before the first frame.
    pub fn mapping(&self) -> Option<Mapping> {
        self.clock.mapping()
    }

    /// The mapping, when the viewer should be told it now.
    pub fn mapping_due(&self, now: Instant) -> Option<Mapping> {
        self.clock.due(now)
    }

    /// It has been told.
    pub fn set_mapping_told(&mut self, mapping: Mapping, now: Instant) {
        self.clock.set_told(mapping, now);
    }

    /// Everything with the first frame, with keyframes, in every new epoch and every half second.
    fn detail(&mut self, epoch: Epoch, frame: &Frame) -> Detail {
        let is_new = self.clock.epoch() != Some(epoch);
        let is_old = self.last_full.is_none_or(|last| (frame.t - last).abs() >= FULL_EVERY);
        if !frame.key && !is_new && !is_old {
            return Detail::Lean;
        }
        self.last_full = Some(frame.t);
        Detail::Full
    }

    /// The transport-wide number of a packet that leaves now.
    fn number(&self, now: Instant, length: usize, bwe: &mut Bwe) -> u16 {
        if self.extensions.has_transport_cc() { bwe.sent(now, length) } else { 0 }
    }

    /// The sequence number that was sent last with these lower 16 bits; `None` where none was.
    fn extended(&self, sequence: u16) -> Option<u64> {
        let newest = self.next_sequence.checked_sub(1)?;
        let behind = (newest as u16).wrapping_sub(sequence);
        newest.checked_sub(behind.into())
    }
}

#[cfg(test)]
mod tests;
