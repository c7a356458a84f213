//! RTP payload formats: frames to payloads, made once and shared by all viewers, and back.
//!
//! H.264 follows RFC 6184 packetization mode 1 (single NAL unit, STAP-A, FU-A), H.265 RFC 7798, VP8 RFC 7741, VP9
//! RFC 9628, AV1 the AOM's payload format 1.0, Opus RFC 7587.

mod av1;
mod av1_depacketize;
mod depacketize;
mod h264;
mod h264_depacketize;
mod h265;
mod h265_depacketize;
mod payload;
mod vp8;
mod vp9;
mod vp9_depacketize;

pub use av1::packetize_av1;
pub use depacketize::{Depacketizer, PayloadError, VideoFormat, VideoFrame};
pub use h264::packetize_h264;
pub use h264_depacketize::AccessUnitAssembler;
pub use h265::packetize_h265;
pub use vp8::packetize_vp8;
pub use vp9::packetize_vp9;

use unisono_media::{CodecConfig, Frame, Packet, Packets};

/// Largest RTP payload we send: 1200 bytes of UDP payload (what every path carries, RFC 8834 and browsers' own
/// choice) less header (12), extensions (24), SRTP tag (16).
pub const PAYLOAD_MAX: usize = 1_148;

/// An Opus frame is its own and only payload (RFC 7587 §4.2).
pub fn packetize_opus(frame: &Frame) -> Packets {
    Packets { list: vec![Packet { payload: frame.payload[..].into(), marker: false }], complete: true }
}

/// The RTP payloads of a frame of a track with this configuration, each at most `payload_max` bytes; `None` for what
/// has no payload format here (AAC, events).
pub fn packetize(frame: &Frame, config: &CodecConfig, payload_max: usize) -> Option<Packets> {
    Some(match config {
        CodecConfig::H264(avc) => packetize_h264(frame, avc, payload_max),
        CodecConfig::H265(hevc) => packetize_h265(frame, hevc, payload_max),
        CodecConfig::Vp8(_) => packetize_vp8(frame, payload_max),
        CodecConfig::Vp9(vp9) => packetize_vp9(frame, vp9, payload_max),
        CodecConfig::Av1(av1) => packetize_av1(frame, av1, payload_max),
        CodecConfig::Opus(_) => packetize_opus(frame),
        CodecConfig::Aac(_) | CodecConfig::Events => return None,
    })
}
