//! Low-Latency HLS over HTTP: one packager task per watched stream, and the routes its players ask.
//!
//! Packaged while somebody watches: the first request starts the task at the oldest group in the ring, so that there
//! is something to play at once; half a minute without a request ends it, unless
//! somebody holds it ([`Gateway::hold`]), as recording does. The rules of the protocol are in
//! [`unisono_proto_hls`]; here are tasks, waiting requests and headers.

mod audience;
mod config;
mod gateway;
mod metrics;
mod packaging;
mod reader;
mod reply;
mod routes;
mod whole;

pub use config::Config;
pub use gateway::Gateway;
pub use metrics::Metrics;
pub use packaging::Held;
