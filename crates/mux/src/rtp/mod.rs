//! RTP payload formats: frames to payloads, made once and shared by all viewers, and back.
//!
//! H.264 follows RFC 6184 packetization mode 1 (single NAL unit, STAP-A, FU-A), Opus RFC 7587.

mod h264;
mod h264_depacketize;

pub use h264::packetize_h264;
pub use h264_depacketize::{AccessUnitAssembler, PayloadError};

use unisono_media::{Frame, Packet, Packets};

/// Largest RTP payload we send: 1200 bytes of UDP payload (what every path carries, RFC 8834 and browsers' own
/// choice) less header (12), extensions (24), SRTP tag (16).
pub const PAYLOAD_MAX: usize = 1_148;

/// An Opus frame is its own and only payload (RFC 7587 §4.2).
pub fn packetize_opus(frame: &Frame) -> Packets {
    Packets { list: vec![Packet { payload: frame.payload[..].into(), marker: false }], complete: true }
}
