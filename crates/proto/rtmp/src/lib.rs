//! RTMP 1.0 and the connection part of Enhanced RTMP v2, the server's side of a connection that publishes: a value that is fed bytes and drained.
//!
//! ```text
//! socket -> Session::handle_bytes -> poll_event  -> PublishRequest, Audio, Video, Metadata, Closed
//!                                 -> poll_output -> socket
//! ```
//!
//! Contract: after each input drain [`Session::poll_event`], answer a [`Event::PublishRequest`] by
//! [`Session::accept_publish`] or [`Session::reject_publish`], then drain [`Session::poll_output`]. An [`Error`]
//! ends the connection: write what `poll_output` still has and close. The core has no deadlines of its own; silence
//! is the gateway's to notice. It reads no clock and opens no socket.
//!
//! Bodies of messages are FLV tag bodies; `unisono-mux` reads those.

mod amf0;
mod capabilities;
mod chunk;
mod error;
mod event;
mod handshake;
mod message;
mod session;

pub use error::{AmfError, Error};
pub use event::{Event, Metadata, StreamKey};
pub use session::{Limits, Session};
