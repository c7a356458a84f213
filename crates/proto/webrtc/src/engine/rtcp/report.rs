//! Sender and receiver reports (RFC 3550 §6.4).

use unisono_base::{MediaTime, Span};

/// What we say about one stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// The stream.
    pub ssrc: u32,
    /// The timeline clock; goes out as NTP time.
    pub clock: MediaTime,
    /// RTP time at that moment.
    pub rtp: u32,
    /// RTP packets since the start; wraps.
    pub packets: u32,
    /// Bytes of payload in them; wraps.
    pub octets: u32,
}

/// What a receiver says about one stream of ours (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Share of packets lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits with a sign: duplicates count against it.
    pub cumulative_lost: i32,
    /// Sequence number received, extended by the receiver's count of wraps.
    pub highest_sequence: u32,
    /// Ticks of RTP time.
    pub jitter: u32,
    /// Middle of the NTP time of our last sender report; 0 where it got none.
    pub last_report: u32,
    /// From that to this report, in 1/65536 s.
    pub delay: u32,
}

/// A receiver's clock, so that it can learn the round trip (RFC 3611 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReference {
    /// Who asks.
    pub ssrc: u32,
    /// Middle of its NTP time, to be sent back.
    pub ntp_middle: u32,
}

impl ReportBlock {
    /// Share of packets lost, 0 to 1.
    pub fn loss(&self) -> f32 {
        f32::from(self.fraction_lost) / 256.0
    }

    /// Round trip, when this report arrives as our clock reads `clock`; `None` without a report of ours, or where the
    /// numbers make no sense (over a minute; below zero by more than the clocks' grain).
    pub fn round_trip(&self, clock: MediaTime) -> Option<Span> {
        if self.last_report == 0 {
            return None;
        }
        let now = ntp_middle(clock);
        let steps = now.wrapping_sub(self.last_report).wrapping_sub(self.delay);
        let span = Span::from_micros((i64::from(steps as i32) * 1_000_000) >> 16);
        let is_sane = span >= Span::from_millis(-2) && span <= Span::from_secs(60);
        is_sane.then_some(span.max(Span::ZERO))
    }
}

/// The middle 32 bits of NTP time: seconds and fraction, 16 bits each.
pub(super) fn ntp_middle(clock: MediaTime) -> u32 {
    (clock.to_ntp() >> 16) as u32
}
