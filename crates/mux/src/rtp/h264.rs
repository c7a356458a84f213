//! H.264 access unit to RTP payloads (RFC 6184).

use super::payload::Slab;
use bytes::{BufMut, Bytes};
use unisono_media::{AvcConfig, Frame, Packets, h264::length_prefixed};

/// NAL unit type of a single-time aggregation packet (§5.7.1).
pub(super) const STAP_A: u8 = 24;
/// NAL unit type of a fragmentation unit (§5.8).
pub(super) const FU_A: u8 = 28;

/// Makes the RTP payloads of one access unit, all in one slab.
///
/// A keyframe starts with a STAP-A of its parameter sets, so that every keyframe can be joined. A NAL unit that
/// does not fit goes into FU-As of equal length, the last one shorter, so that a frame is one GSO train.
/// Malformed lengths, which ingest never lets through, end the access unit early.
pub fn packetize_h264(frame: &Frame, config: &AvcConfig, payload_max: usize) -> Packets {
    let payload_max = payload_max.max(64);
    let mut slab = Slab::new(frame.payload.len());
    if frame.key {
        parameter_sets(&mut slab, config, payload_max);
    }
    for unit in length_prefixed(&frame.payload).map_while(Result::ok).filter(|unit| !unit.is_empty()) {
        nal_unit(&mut slab, &unit, payload_max);
    }
    slab.into_packets()
}

fn parameter_sets(slab: &mut Slab, config: &AvcConfig, payload_max: usize) {
    let sets = || std::iter::once(&config.sps_nal).chain(&config.pps_nals);
    let size = 1 + sets().map(|set| 2 + set.len()).sum::<usize>();
    if size > payload_max {
        sets().for_each(|set| nal_unit(slab, set, payload_max));
        return;
    }
    // F and NRI of an aggregate are the highest of its units (§5.7.1).
    let nri = sets().map(|set| set[0] & 0x60).max().unwrap_or(0x60);
    slab.bytes.put_u8(nri | STAP_A);
    for set in sets() {
        slab.bytes.put_u16(set.len() as u16);
        slab.bytes.extend_from_slice(set);
    }
    slab.end_payload();
}

fn nal_unit(slab: &mut Slab, unit: &Bytes, payload_max: usize) {
    if unit.len() <= payload_max {
        slab.bytes.extend_from_slice(unit);
        return slab.end_payload();
    }
    let (header, body) = (unit[0], &unit[1..]);
    slab.chunks(body, payload_max - 2, |out, is_first, is_last| {
        out.put_u8(header & 0xe0 | FU_A);
        out.put_u8(if is_first { 0x80 } else { 0 } | if is_last { 0x40 } else { 0 } | header & 0x1f);
    });
}
