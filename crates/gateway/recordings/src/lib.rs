//! Recordings over HTTP: listed, played as HLS, loaded as MP4, taken away; and bundles of evidence. Who may watch a stream may
//! watch its recordings; all the rest is an admin's, or a host's.

mod access;
mod body;
mod evidence;
mod gateway;
mod list;
mod playback;
mod playlists;
mod sendings;
mod wish;

pub use gateway::{Context, Gateway, Prepare};
