//! What we send: compound packets, each beginning with a report as RFC 3550 §6.1 wants it.

use super::{ReceiverReference, SenderReport, report::ntp_middle};
use unisono_base::MediaTime;

/// Reports that go into one compound packet; 32 bytes each, so that it stays below 1,200.
pub(super) const REPORTS_MAX: usize = 24;
/// Name of our media to the peer, the same for all streams of a session (RFC 7022, RFC 8834 §4.9).
const CNAME_MAX: usize = 255;

/// Appends sender reports, and a source description with the one `cname` for all of them. Beyond 24 the rest
/// is left out: call again with those.
pub fn write_sender_reports(out: &mut Vec<u8>, reports: &[SenderReport], cname: &str) {
    let reports = &reports[..reports.len().min(REPORTS_MAX)];
    for report in reports {
        header(out, 0, 200, 24);
        out.extend(report.ssrc.to_be_bytes());
        out.extend(report.clock.to_ntp().to_be_bytes());
        out.extend(report.rtp.to_be_bytes());
        out.extend(report.packets.to_be_bytes());
        out.extend(report.octets.to_be_bytes());
    }
    let Some(first) = reports.first() else { return };
    description(out, first.ssrc, cname);
}

/// Appends the answer to a receiver's clock (DLRR, RFC 3611 §4.5) behind an empty receiver report of `ours`. `held` is
/// how long we had it.
pub fn write_reference_answer(
    out: &mut Vec<u8>,
    ours: u32,
    reference: ReceiverReference,
    received: MediaTime,
    clock: MediaTime,
) {
    header(out, 0, 201, 4);
    out.extend(ours.to_be_bytes());
    header(out, 0, 207, 4 + 4 + 12);
    out.extend(ours.to_be_bytes());
    out.extend([5, 0, 0, 3]);
    out.extend(reference.ssrc.to_be_bytes());
    out.extend(reference.ntp_middle.to_be_bytes());
    out.extend(ntp_middle(clock).wrapping_sub(ntp_middle(received)).to_be_bytes());
}

/// Appends that these streams end (RFC 3550 §6.6), behind an empty receiver report. 31 at most; the rest is left out.
pub fn write_goodbye(out: &mut Vec<u8>, sources: &[u32]) {
    let sources = &sources[..sources.len().min(31)];
    let Some(first) = sources.first() else { return };
    header(out, 0, 201, 4);
    out.extend(first.to_be_bytes());
    header(out, sources.len() as u8, 203, 4 * sources.len());
    sources.iter().for_each(|source| out.extend(source.to_be_bytes()));
}

/// One chunk with one item, ended by a zero byte at least and filled to a whole word (RFC 3550 §6.5).
fn description(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name = &cname.as_bytes()[..cname.len().min(CNAME_MAX)];
    let length = (4 + 2 + name.len() + 1).next_multiple_of(4);
    header(out, 1, 202, length);
    let end = out.len() + length;
    out.extend(ssrc.to_be_bytes());
    out.extend([1, name.len() as u8]);
    out.extend(name);
    out.resize(end, 0);
}

/// `length` bytes follow, a multiple of four.
fn header(out: &mut Vec<u8>, count: u8, kind: u8, length: usize) {
    out.extend([2 << 6 | count, kind]);
    out.extend(((length / 4) as u16).to_be_bytes());
}
