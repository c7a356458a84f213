//! RTCP of a viewer: reports, NACK, PLI and transport-wide feedback out; sender reports and goodbyes in.

use std::time::{Duration, Instant};

/// One reception report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub(super) fraction_lost: u8,
    pub(super) lost: u32,
    /// Highest sequence number with its cycles.
    pub(super) highest: u32,
    /// In units of the RTP clock.
    pub(super) jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 before the first.
    pub(super) last_report: u32,
    /// Since that report arrived, in 65,536ths of a second.
    pub(super) delay: u32,
}

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A sender report: who, and the middle 32 bits of its NTP time.
    Report {
        ssrc: u32,
        ntp: u32,
    },
    Goodbye,
}

/// A sender report as it is told back.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastReport {
    pub(super) ntp: u32,
    pub(super) at: Instant,
}

impl LastReport {
    /// Time since the report, in 65,536ths of a second.
    pub(super) fn delay(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.at).min(Duration::from_secs(65_535));
        (since.as_micros() * 65_536 / 1_000_000) as u32
    }
}

/// Writes a receiver report with up to 31 blocks. It goes first in a compound packet (RFC 3550 §6.1).
pub(super) fn receiver_report(out: &mut Vec<u8>, sender: u32, blocks: &[Block]) {
    let blocks = &blocks[..blocks.len().min(31)];
    put_head(out, blocks.len() as u8, 201, 1 + 6 * blocks.len());
    out.extend_from_slice(&sender.to_be_bytes());
    for block in blocks {
        out.extend_from_slice(&block.ssrc.to_be_bytes());
        let lost = block.lost.min(0x7f_ffff) | u32::from(block.fraction_lost) << 24;
        for word in [lost, block.highest, block.jitter, block.last_report, block.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// Writes a generic NACK (RFC 4585 §6.2.1) for `missing`, in order.
pub(super) fn nack(out: &mut Vec<u8>, sender: u32, media: u32, missing: &[u16]) {
    let mut entries: Vec<(u16, u16)> = Vec::new();
    for &sequence in missing {
        match entries.last_mut() {
            Some((first, mask)) if (1..=16).contains(&sequence.wrapping_sub(*first)) => {
                *mask |= 1 << (sequence.wrapping_sub(*first) - 1);
            }
            _ => entries.push((sequence, 0)),
        }
    }
    put_head(out, 1, 205, 2 + entries.len());
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
    for (first, mask) in entries {
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
}

/// Writes a request for a keyframe (RFC 4585 §6.3.1).
pub(super) fn pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    put_head(out, 1, 206, 2);
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
}

/// Header (RFC 3550 §6.4.1) of a packet with `words` behind it.
pub(super) fn put_head(out: &mut Vec<u8>, count: u8, kind: u8, words: usize) {
    out.extend_from_slice(&[0x80 | count, kind]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
}

/// What a compound packet says; parts that are not understood are left out.
pub(super) fn parse(mut compound: &[u8]) -> impl Iterator<Item = Said> {
    std::iter::from_fn(move || {
        loop {
            let [_, kind, l0, l1] = *compound.first_chunk::<4>()?;
            let length = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
            let (packet, rest) = compound.split_at_checked(length)?;
            compound = rest;
            match kind {
                200 if packet.len() >= 16 => {
                    let word = |at: usize| {
                        packet[at..].first_chunk().map_or(0, |bytes: &[u8; 4]| u32::from_be_bytes(*bytes))
                    };
                    return Some(Said::Report { ssrc: word(4), ntp: word(8) << 16 | word(12) >> 16 });
                }
                203 => return Some(Said::Goodbye),
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::rtp::rtcp::Rtcp;

    fn read(bytes: &[u8]) -> Rtcp {
        Rtcp::try_from(bytes).expect("the server's parser takes it")
    }

    #[test]
    fn the_servers_parser_reads_a_report_as_it_was_meant() {
        let block = Block {
            ssrc: 7,
            fraction_lost: 13,
            lost: 5,
            highest: 0x1_0003,
            jitter: 9,
            last_report: 11,
            delay: 65_536,
        };
        let mut out = Vec::new();
        receiver_report(&mut out, 1, &[block, Block { ssrc: 8, ..block }]);
        let Rtcp::ReceiverReport(report) = read(&out) else { panic!("a receiver report") };
        assert_eq!((*report.sender_ssrc, report.reports.len()), (1, 2));
        let first = report.reports.iter().next().expect("two");
        assert_eq!((*first.ssrc, first.fraction_lost, first.packets_lost), (7, 13, 5));
        assert_eq!((first.max_seq, first.jitter), (0x1_0003, 9));
        assert_eq!((first.last_sr_time, first.last_sr_delay), (11, 65_536));
    }

    #[test]
    fn the_servers_parser_reads_each_missing_number() {
        let missing = [65_534, 65_535, 0, 14, 15, 400];
        let mut out = Vec::new();
        nack(&mut out, 1, 7, &missing);
        let Rtcp::Nack(message) = read(&out) else { panic!("a NACK") };
        assert_eq!((*message.sender_ssrc, *message.ssrc), (1, 7));
        let asked: Vec<u16> = message
            .reports
            .iter()
            .flat_map(|entry| {
                let later = (0..16).filter(|bit| entry.blp >> bit & 1 == 1).map(|bit| bit + 1);
                std::iter::once(0).chain(later).map(|by| entry.pid.wrapping_add(by)).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(asked, missing);
    }

    #[test]
    fn the_servers_parser_reads_a_keyframe_request() {
        let mut out = Vec::new();
        pli(&mut out, 1, 7);
        let Rtcp::Pli(message) = read(&out) else { panic!("a PLI") };
        assert_eq!((*message.sender_ssrc, *message.ssrc), (1, 7));
    }

    #[test]
    fn sender_reports_and_goodbyes_are_found_in_a_compound_packet() {
        let mut compound = vec![0x80, 200, 0, 6, 0, 0, 0, 9];
        compound.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        compound.extend_from_slice(&[0; 12]);
        receiver_report(&mut compound, 3, &[]);
        compound.extend_from_slice(&[0x81, 203, 0, 1, 0, 0, 0, 9, 0x80]);
        let said: Vec<_> = parse(&compound).collect();
        assert_eq!(said, [Said::Report { ssrc: 9, ntp: 0x0304_0506 }, Said::Goodbye]);
        assert_eq!(parse(&[0x80, 200, 0xff, 0xff]).count(), 0);
    }
}
