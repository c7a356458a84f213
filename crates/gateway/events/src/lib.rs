//! The API's door to rooms and streams: events in by POST, out by WebSocket or server-sent events, and what is live.
//!
//! ```text
//! POST /api/v1/rooms/{room}/events           an event in (admin key or this machine)
//! GET  /api/v1/rooms/{room}/events           the feed: WebSocket, or SSE by Accept; ?from_seq=N resumes
//! GET  /api/v1/rooms/{room}                  last seq, open feeds
//! GET  /api/v1/streams[/{app}/{name}]        streams with tracks, viewers and notes
//! ```
//!
//! Order, durability and history are the [`unisono_room`] crate's; here are only HTTP and its clients.

mod access;
mod feed;
mod gateway;
mod metrics;
mod post;
mod sse;
mod streams;
mod websocket;

pub use access::is_this_machine;
pub use gateway::{Context, Gateway};
pub use metrics::Metrics;
