//! The RTMP door on loopback, with real encoders.

mod diagnosis;
mod encoders;
mod enhanced;
mod malformed;
mod raw;
mod refusals;
mod support;
mod takeover;
