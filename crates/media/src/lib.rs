//! The media model: codec configurations, frames, groups, and the codec headers needed to build them.
//!
//! A frame's payload is always in *stored form*, whatever door it came through:
//! * H.264: one access unit, NAL units each behind a 4-byte big-endian length, without parameter sets, access
//!   unit delimiters and filler (those live in [`AvcConfig`] or nowhere); SEI is kept.
//! * H.265: likewise, without VPS, SPS, PPS ([`HevcConfig`]), delimiters and filler.
//! * VP8, VP9: one frame, or for VP9 one superframe, as the encoder made it.
//! * AV1: one temporal unit, OBUs with size fields, without temporal delimiters, tile lists and padding; the
//!   sequence header stays in it where the source put it, and is in [`Av1Config`] as well.
//! * AAC: one raw access unit without ADTS header. Opus: one packet (RFC 6716).

mod aac;
pub mod av1;
mod bits;
mod frame;
pub mod h264;
pub mod h265;
mod opus;
mod track;
pub mod vp8;
pub mod vp9;

pub use aac::{AacConfig, AacError};
pub use av1::Av1Config;
pub use frame::{Frame, Packet, Packets};
pub use h265::HevcConfig;
pub use opus::{OpusConfig, packet_duration as opus_packet_duration};
pub use track::{AvcConfig, CodecConfig, Kind, Picture, VideoRange};
pub use vp8::Vp8Config;
pub use vp9::Vp9Config;
