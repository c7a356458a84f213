//! Low-Latency HLS (RFC 8216bis) as a sans-IO core: frames and segment borders in; parts, segments and playlists out.
//!
//! * [`Packager`] makes them, deterministically: the same (epoch, T, group) gives the same bytes under the same names
//!   wherever in the stream packaging begins (decisions 3), so that it can start when the first viewer comes.
//! * [`View`] is what it publishes: everything a player can ask for at one moment, immutable.
//! * [`Request`] and [`Position::decide`] are the rules of blocking reload.
//!
//! No clock, no socket, no task. Memory is bounded by [`Limits`] and by the constants beside each queue.

mod date;
mod events;
mod input;
mod names;
mod packager;
mod playlist;
mod request;
mod segment;
mod track;
mod view;

pub use date::Date;
pub use input::{Cut, Cuts, Event, Start};
pub use names::{FileName, Item};
pub use packager::{Limits, Packager, Tracks};
pub use playlist::{File, Playlist};
pub use request::{BadRequest, Decision, Position, Request, Skip, Wait};
pub use segment::{PART_TARGET, Part, Segment};
pub use unisono_mux::fmp4::Error as PackageError;
pub use view::View;
