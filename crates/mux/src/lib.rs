//! Containers and payload formats: bytes <-> frames in stored form. One module per format; none knows a protocol's
//! states, a socket or a clock.

pub mod flv;
pub mod fmp4;
pub mod mp4;
pub mod rtp;
