//! Rooms: one ordered event log beside each stream, written by one sequencer, read by many feeds.
//!
//! [`Rooms::command`] gives what somebody asks for its place, makes it durable, and only then tells anybody: events go
//! into the stream's data track (and so to data channels and `emsg`) and to every [`Feed`]. A feed begins with the room
//! as it stands, or at any `seq`, and never loses its place: when it falls behind, it is told and goes on from the log.
//!
//! One task per open room owns the sequencer (`writer`); what it tells goes through `outlet`, in batches. Where the sequencer
//! is at another node, the task is a `mirror` of the room there.

mod counts;
mod erasure;
mod error;
mod feed;
mod judged;
mod keeper;
mod lead;
mod lockstep;
mod mirror;
mod outlet;
mod people;
mod rate;
mod room;
mod rooms;
mod told;
mod words;
mod writer;

pub use error::RoomError;
pub use feed::{Feed, FeedItem, Start};
pub use judged::{Judge, Verdict};
pub use keeper::Keeper;
pub use lockstep::Latency;
pub use mirror::{Packet, Upstream, WAY_PLACES, Way};
pub use people::{Discipline, Measure, MeasureError, SANCTION_MAX};
pub use room::Standing;
pub use rooms::{Counts, KeepFor, Look, Rooms, RoomsLimits, Submitted, View, Visitor, Waiting};
pub use told::{Batch, Notice};
pub use unisono_store::Erase;
pub use words::{BlockedWords, WORDS_MAX};
