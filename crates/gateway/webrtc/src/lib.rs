//! WHIP in and WHEP out: HTTP routes, one UDP port with ICE-TCP beside it, and a worker thread per core.
//!
//! [`Gateway::start`] opens the port and starts the workers; [`Gateway::router`] has the routes. A session lives in
//! exactly one worker, which drives its sans-IO core (`unisono-proto-webrtc`), feeds publishers' frames to the hub and
//! viewers from the hub's rings. See docs/protocols/whip-whep.md.

mod audience;
mod bell;
mod command;
mod config;
mod demux;
mod directory;
mod gateway;
mod http;
mod id;
mod mailbox;
mod metrics;
mod pace;
mod publisher;
mod reach;
mod session;
mod tail;
mod tcp;
mod transcode;
mod viewer;
mod way;
mod worker;

pub use config::{Advertised, Config, Limits};
pub use gateway::{Gateway, StartError};
pub use id::{IdError, SessionId};
pub use metrics::Metrics;
pub use tcp::IceTcp;
