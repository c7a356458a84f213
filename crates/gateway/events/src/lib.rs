//! The API's door to rooms and streams: events in by POST, out by WebSocket or server-sent events, and what is live.
//!
//! ```text
//! GET  /api/v1/rooms/{room}/events           the feed: WebSocket, or SSE by Accept; ?from_seq=N resumes
//! POST /api/v1/rooms/{room}/events           a host's free event
//! POST /api/v1/rooms/{room}/commands         whatever a room can be asked for; the feed takes the same
//! GET  /api/v1/rooms/{room}[/snapshot]       last seq, open feeds; the room as it stands
//! GET  /api/v1/rooms/{room}/windows          what was decided last, and under which terms
//! POST /api/v1/rooms/{room}/inbox            commands signed by the tenant's own systems
//! GET  /api/v1/rooms/{room}/log              the log, for `unisono verify`; POST .../erase forgets
//! GET  /api/v1/rooms/{room}/{checkpoints|fairness}  its signatures; wins by latency
//! POST /api/v1/rooms/{room}/moderation       mute, ban, slow mode; GET for what stands
//! PUT  /api/v1/rooms/{room}/{gate|lockstep}  nobody sees it early; everybody sees it at once; GET /gate for what is held
//! GET  /api/v1/types; PUT, DELETE /{name}    types of events
//! GET  /api/v1/streams[/{app}/{name}]        streams with tracks, viewers and notes
//! ```
//!
//! Order, durability and history are the [`unisono_room`] crate's; here are only HTTP and its clients.

mod access;
mod caller;
mod commands;
mod conditions;
mod conduct;
mod elsewhere;
mod feed;
mod gate;
mod gateway;
mod history;
mod inbox;
mod metrics;
mod post;
mod rules;
mod sse;
mod streams;
mod types;
mod visitor;
mod websocket;

pub use elsewhere::{Answered, Elsewhere, Forwarded, Vouched};
pub use gateway::{Context, Gateway};
pub use metrics::Metrics;
pub use rules::{Rules, RulesInForce};
