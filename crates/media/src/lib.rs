//! The media model: codec configurations, frames, groups, and the codec headers needed to build them.
//!
//! A frame's payload is always in *stored form*, whatever door it came through:
//! * H.264: one access unit, NAL units each behind a 4-byte big-endian length, without parameter sets, access
//!   unit delimiters and filler (those live in [`AvcConfig`] or nowhere); SEI is kept.
//! * AAC: one raw access unit without ADTS header. Opus: one packet (RFC 6716).

mod aac;
mod frame;
pub mod h264;
mod opus;
mod track;

pub use aac::{AacConfig, AacError};
pub use frame::{Frame, Packet, Packets};
pub use opus::{OpusConfig, packet_duration as opus_packet_duration};
pub use track::{AvcConfig, CodecConfig, Kind};
