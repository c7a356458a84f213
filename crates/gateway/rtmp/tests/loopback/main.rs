//! The RTMP door on loopback, with real encoders.

mod encoders;
mod enhanced;
mod raw;
mod refusals;
mod support;
mod takeover;
