//! The RTMP door: a TCP listener, and one task per connection around a `unisono_proto_rtmp::Session`.
//!
//! The way of a frame: `connection` reads the socket and feeds the session; `ingest` turns its events into frames
//! with a T and writes them to the hub. Nothing is queued on the way: a connection is read as fast as it is
//! ingested, and TCP holds back the publisher.

mod audio_clock;
mod connection;
mod credentials;
mod diagnosis;
mod gateway;
mod ingest;
mod metrics;

pub use gateway::{Config, Context, Gateway};
pub use metrics::Metrics;
