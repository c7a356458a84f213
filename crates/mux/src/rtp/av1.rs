//! AV1 temporal unit to RTP payloads (RTP payload format for AV1, version 1.0).
//!
//! ```text
//!  |Z|Y|0 0|N|-|-|-|   aggregation header; W = 0: each OBU element stands behind its length (leb128)
//! ```

use super::payload::Slab;
use bytes::{BufMut, Bytes, BytesMut};
use unisono_media::{
    Av1Config, Frame, Packets,
    av1::{Obu, ObuKind, obus, put_leb128},
};

/// `Z`: the first element continues the last one of the packet before.
pub(super) const CONTINUES: u8 = 0x80;
/// `Y`: the last element goes on in the next packet.
pub(super) const GOES_ON: u8 = 0x40;
/// `N`: first packet of a coded video sequence.
pub(super) const NEW_SEQUENCE: u8 = 0x08;
/// Length fields of two bytes hold 16383.
const LENGTH_FIELD: usize = 2;
/// A packet with less room than this is closed: a fragment would be mostly header.
const ROOM_MIN: usize = 16;

/// Makes the RTP payloads of one temporal unit. OBUs lose their size fields; a keyframe without a sequence header gets
/// the configuration's in front. A malformed OBU, which ingest never lets through, ends the unit early.
pub fn packetize_av1(frame: &Frame, config: &Av1Config, payload_max: usize) -> Packets {
    let payload_max = payload_max.clamp(64, 16_000);
    let mut writer = Writer { slab: Slab::new(frame.payload.len()), payload_max };
    let units: Vec<Obu> = obus(&frame.payload).map_while(Result::ok).collect();
    let has_sequence = units.iter().any(|obu| obu.kind == ObuKind::SequenceHeader);
    writer.open(if frame.key { NEW_SEQUENCE } else { 0 });
    if frame.key && !has_sequence {
        obus(&config.sequence_obu).map_while(Result::ok).for_each(|obu| writer.obu(&obu));
    }
    units.iter().filter(|obu| obu.kind != ObuKind::TemporalDelimiter).for_each(|obu| writer.obu(obu));
    writer.finish()
}

struct Writer {
    slab: Slab,
    payload_max: usize,
}

impl Writer {
    fn open(&mut self, flags: u8) {
        self.slab.bytes.put_u8(flags);
    }

    fn room(&self) -> usize {
        self.payload_max.saturating_sub(self.slab.open_len() + LENGTH_FIELD)
    }

    fn obu(&mut self, obu: &Obu) {
        let mut element = BytesMut::with_capacity(obu.payload.len() + 2);
        obu.write_header(&mut element);
        element.put_slice(&obu.payload);
        let mut rest: Bytes = element.freeze();
        if self.room() < ROOM_MIN.min(rest.len()) {
            self.slab.end_payload();
            self.open(0);
        }
        loop {
            let part = rest.split_to(rest.len().min(self.room()));
            put_leb128(&mut self.slab.bytes, part.len());
            self.slab.bytes.put_slice(&part);
            if rest.is_empty() {
                return;
            }
            let start = self.slab.open_start();
            self.slab.bytes[start] |= GOES_ON;
            self.slab.end_payload();
            self.open(CONTINUES);
        }
    }

    fn finish(mut self) -> Packets {
        if self.slab.open_len() > 1 {
            self.slab.end_payload();
        }
        self.slab.into_packets()
    }
}
