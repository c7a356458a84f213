//! The RTMP door on loopback, with real encoders.

mod encoders;
mod enhanced;
mod refusals;
mod support;
mod takeover;
