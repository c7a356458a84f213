//! The HLS exit over loopback HTTP, with real H.264 and AAC in the hub.

mod blocking;
mod common;
mod doctor;
mod files;
mod headers;
mod players;
mod relayed;
