//! The HTTP API's own words: problem documents, and the JSON of requests and responses.

mod event;
mod peer;
mod presented;
mod problem;
mod server;
mod stream;

pub use event::{At, EventRequest, RoomView};
pub use peer::Peer;
pub use presented::{PathToken, Presented};
pub use problem::{Genuine, Problem};
pub use server::ServerView;
pub use stream::{Finding, Severity, StreamList, StreamState, StreamView, TrackKind, TrackView, Viewers};
