//! VP9 frame to RTP payloads (RFC 9628), in non-flexible mode, which Safari needs.

use super::payload::Slab;
use bytes::BufMut;
use unisono_media::{Frame, Packets, Vp9Config};

/// `P`: the frame refers to earlier ones.
pub(super) const PREDICTED: u8 = 0x40;
/// `B`: first packet of a layer frame.
pub(super) const BEGIN: u8 = 0x08;
/// `E`: last packet of a layer frame.
pub(super) const END: u8 = 0x04;
/// `V`: a scalability structure follows.
pub(super) const STRUCTURE: u8 = 0x02;
/// `Z`: no layer above refers to the frame.
const TOP_LAYER: u8 = 0x01;
/// One spatial layer whose size is said (`N_S = 0`, `Y`), no picture group.
const SIZE_ONLY: u8 = 0x10;
/// Descriptor with the longest structure we write.
const HEADER_MAX: usize = 6;

/// Makes the RTP payloads of one frame or superframe, as one layer. A keyframe says its size (§4.2.1). No picture id:
/// a viewer's packets have no holes of our making.
pub fn packetize_vp9(frame: &Frame, config: &Vp9Config, payload_max: usize) -> Packets {
    let mut slab = Slab::new(frame.payload.len());
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    slab.chunks(&frame.payload, payload_max.max(64) - HEADER_MAX, |out, first, last| {
        let says_size = first && frame.key;
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let position = flag(first, BEGIN) | flag(last, END) | flag(says_size, STRUCTURE);
        out.put_u8(TOP_LAYER | flag(!frame.key, PREDICTED) | position);
        if says_size {
            out.put_u8(SIZE_ONLY);
            out.put_u16(side(config.width));
            out.put_u16(side(config.height));
        }
    });
    slab.into_packets()
}
