//! H.265 access unit to RTP payloads (RFC 7798), without DON fields.
//!
//! ```text
//!  |F|   Type    |  LayerId  | TID |   payload header, as a NAL unit's
//!  |S|E|  FuType |                     fragmentation unit: what follows it (§4.4.3)
//! ```

use super::payload::Slab;
use bytes::{BufMut, Bytes};
use unisono_media::{Frame, HevcConfig, Packets, h264::length_prefixed};

/// NAL unit type of an aggregation packet (§4.4.2).
pub(super) const AGGREGATION: u8 = 48;
/// NAL unit type of a fragmentation unit (§4.4.3).
pub(super) const FRAGMENTATION: u8 = 49;

/// Makes the RTP payloads of one access unit. A keyframe starts with an aggregation packet of its parameter sets, so
/// that every keyframe can be joined. Malformed lengths, which ingest never lets through, end the unit early.
pub fn packetize_h265(frame: &Frame, config: &HevcConfig, payload_max: usize) -> Packets {
    let payload_max = payload_max.max(64);
    let mut slab = Slab::new(frame.payload.len());
    if frame.key {
        parameter_sets(&mut slab, config, payload_max);
    }
    for unit in length_prefixed(&frame.payload).map_while(Result::ok).filter(|unit| unit.len() > 2) {
        nal_unit(&mut slab, &unit, payload_max);
    }
    slab.into_packets()
}

fn parameter_sets(slab: &mut Slab, config: &HevcConfig, payload_max: usize) {
    let sets = || [&config.vps_nal, &config.sps_nal].into_iter().chain(&config.pps_nals);
    let size = 2 + sets().map(|set| 2 + set.len()).sum::<usize>();
    if size > payload_max {
        sets().for_each(|set| nal_unit(slab, set, payload_max));
        return;
    }
    // Layer 0, temporal id 0: the lowest of its units.
    slab.bytes.put_slice(&[AGGREGATION << 1, 1]);
    for set in sets() {
        slab.bytes.put_u16(set.len() as u16);
        slab.bytes.put_slice(set);
    }
    slab.end_payload();
}

fn nal_unit(slab: &mut Slab, unit: &Bytes, payload_max: usize) {
    if unit.len() <= payload_max {
        slab.bytes.put_slice(unit);
        return slab.end_payload();
    }
    let (first, second, kind) = (unit[0], unit[1], unit[0] >> 1 & 0x3f);
    slab.chunks(&unit[2..], payload_max - 3, |out, is_first, is_last| {
        out.put_u8(first & 0x81 | FRAGMENTATION << 1);
        out.put_u8(second);
        out.put_u8(if is_first { 0x80 } else { 0 } | if is_last { 0x40 } else { 0 } | kind);
    });
}
