//! Our own egress: a viewer's WebRTC session, whose packets are sealed straight from the payloads that all viewers share.
//!
//! # Driving an [`Engine`]
//!
//! 1. [`Engine::accept`] reads an offer and gives the answer. Datagrams whose ICE user fragment or address belongs to it
//!    go into [`Session::handle_packet`](crate::Session::handle_packet); at the time of
//!    [`Session::poll_timeout`](crate::Session::poll_timeout) call
//!    [`Session::handle_timeout`](crate::Session::handle_timeout).
//! 2. After every call drain `poll_transmit` (STUN, DTLS, SCTP, RTCP: few and small), [`Engine::poll_event`], and
//!    [`Engine::poll_resend`].
//! 3. After [`EngineEvent::Connected`], hand each frame to [`Engine::send_frame`] with the payloads made once for all
//!    viewers. Media does not pass `poll_transmit`: it is written into your [`Outlet`], packet by packet, without a copy or
//!    an allocation on the way. The number that you give a frame comes back in a [`Resend`](sender::Resend), with which you look up the
//!    packet in the stream's list of recent frames and call [`Engine::resend`]; a frame that is gone is not resent.
//! 4. [`Engine::reoffer`] adds and removes senders; what stays is not disturbed.
//!
//! A lone viewer, or a test, may drive a [`Viewer`] instead, which remembers its own frames.
//!
//! The other modules are the parts. Some are public so that benches, fuzzing and load generators can use each alone.

mod channel;
mod connection;
mod dtls;
mod feedback;
mod ice;
mod negotiation;
mod outlet;
mod random;
mod sctp_ahead;
pub(crate) mod sdp;
mod session;
mod viewer;

pub mod bwe;
pub mod header;
pub mod rtcp;
pub mod sender;
pub mod srtp;

pub use negotiation::{Source, SourceKind};
pub use outlet::{Outlet, Prefetch};
pub use session::{Engine, EngineEvent, Moment, SenderId};
pub use viewer::Viewer;

use session::Slot;
