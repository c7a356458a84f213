//! Lost packets: which frame they were of, and sending them again (RFC 4588).

use super::{Outlet, Sender, Wire};
use crate::engine::header::{Detail, Stream};
use std::time::Instant;
use unisono_base::MediaTime;
use unisono_media::Packet;

/// Bytes of a retransmission's payload before the original's: the original sequence number (RFC 4588 §4).
const ORIGINAL_SEQUENCE: usize = 2;

/// The stream of retransmissions (RFC 4588, SSRC multiplexing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResendStream {
    /// Its payload type.
    pub payload_type: u8,
    /// Its SSRC.
    pub ssrc: u32,
}

/// A packet that a viewer lacks: which one of which frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// SSRC of the media.
    pub ssrc: u32,
    /// [`Outgoing::number`] of the frame.
    pub frame_number: u64,
    /// Which of its packets.
    pub packet_index: u16,
    /// Its sequence number.
    sequence: u16,
    /// RTP time of the frame.
    timestamp: u32,
    /// T of the frame.
    t: MediaTime,
}

impl Sender {
    /// Finds a packet that a NACK names; `None` when nothing is to be resent. Look the frame up, and call [`Self::resend`].
    pub fn find_lost(&mut self, now: Instant, sequence: u16) -> Option<Resend> {
        let found = self.past.resend.and_then(|_| self.extended(sequence)).and_then(|sequence| {
            let frame = self.past.history.find(sequence)?;
            self.past.history.may_resend(now, sequence as u16, self.past.rtt).then_some((frame, sequence))
        });
        let Some((frame, sequence)) = found else {
            self.past.refused += 1;
            return None;
        };
        Some(Resend {
            ssrc: self.ssrc(),
            frame_number: frame.number,
            packet_index: (sequence - frame.first_sequence) as u16,
            sequence: sequence as u16,
            timestamp: frame.timestamp,
            t: frame.t,
        })
    }

    /// Sends a packet again, on the stream of retransmissions. False where the viewer has used up its budget: half of what
    /// it gets in media.
    pub fn resend(
        &mut self,
        now: Instant,
        request: &Resend,
        Packet { payload, marker }: &Packet,
        wire: &mut Wire<'_>,
        out: &mut impl Outlet,
    ) -> bool {
        let Some(ResendStream { payload_type, ssrc }) = self.past.resend else { return false };
        if !self.budget.spend(payload.len()) {
            self.past.refused += 1;
            return false;
        }
        let stream = Stream { payload_type, timestamp: request.timestamp, ssrc };
        let template = self.extensions.template(stream, Detail::Full, request.t);
        let sequence = self.past.next_resend_sequence;
        self.past.next_resend_sequence += 1;
        let header_len = template.header_len();
        let body_len = ORIGINAL_SEQUENCE + payload.len();
        let length = header_len + body_len + wire.sealer.profile().rtp_overhead();
        let number = self.number(now, length, wire.bwe);
        let Wire { path, sealer, .. } = *wire;
        out.packet(path, length, |packet| {
            template.write(packet, *marker, sequence as u16, number);
            let body = &mut packet[header_len..header_len + body_len];
            body[..ORIGINAL_SEQUENCE].copy_from_slice(&request.sequence.to_be_bytes());
            body[ORIGINAL_SEQUENCE..].copy_from_slice(payload);
            let _sealed = sealer.seal_rtp_in_place(ssrc, sequence, packet, header_len);
        });
        self.past.history.resent(now, request.sequence);
        self.past.resent += 1;
        true
    }
}
