//! AAC to Opus, in process, with media time kept to the sample.
//!
//! [`AacToOpus`] is a value one thread feeds: an access unit and its T go in, Opus packets and theirs come out. It
//! reads no clock and spawns nothing; the gateway that needs Opus decides when and where it runs.

mod decode;
mod encode;
mod resample;
mod transcode;

pub use decode::DecodeError;
pub use encode::{Effort, EncodeError};
pub use resample::{RateError, Resampler};
pub use transcode::{AacToOpus, Error, Stats};
