//! The RTMP door on loopback, with real encoders.

mod encoders;
mod malformed;
mod refusals;
mod support;
mod takeover;
