//! Rooms: one ordered event log beside each stream, written by one sequencer, read by many feeds.
//!
//! [`Rooms::post`] gives an event its place, makes it durable, and only then tells anybody: it goes into the
//! stream's data track (and so to data channels and `emsg`) and to every [`Feed`]. A feed can start at any `seq`
//! and never loses its place: when it falls behind, it is told and goes on from the log.

mod feed;
mod lead;
mod rate;
mod room;
mod rooms;

pub use feed::{Feed, FeedItem, Sequenced};
pub use rooms::{Counts, PostError, Rooms, RoomsLimits, SubscribeError};
