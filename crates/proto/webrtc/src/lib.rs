//! WebRTC sessions without sockets, tasks or clocks: [`Ingress`] is a WHIP publisher (RFC 9725), [`Engine`] a WHEP
//! viewer. Both answer an offer as ICE-lite endpoints of one shared UDP port, and of TCP ports (RFC 6544) where
//! datagrams do not get through.
//!
//! # Driving a session
//!
//! After every input (`handle_datagram`, `handle_timeout`, `send_*`) drain `poll_transmit` and `poll_event` until
//! both are empty, then sleep until `poll_timeout`. See [`Session`].
//!
//! A viewer's session is our own, made so that one frame costs next to nothing per viewer ([`engine`] tells how to drive it). With the
//! feature `oracle`, which only tests have, there is another one on str0m, `Egress`; [`ViewerSession`] is what both do.
//!
//! Everything of str0m stays in the private `rtc` module: it changes every few weeks.

mod check;
mod clock;
#[cfg(feature = "oracle")]
mod egress;
pub mod engine;
mod framing;
mod guard;
mod identity;
mod ingress;
mod integrity;
mod jitter;
mod mapping;
mod offer;
mod patch;
mod path;
mod route;
mod rtc;
mod rtp_clock;
mod session;
mod viewer_session;

#[cfg(feature = "oracle")]
pub use egress::Egress;
pub use engine::{Engine, EngineEvent, Moment, Outlet, SenderId, Source, SourceKind, Viewer};
pub use framing::{Deframer, FrameError, PACKET_MAX, encode_frame};
pub use identity::{Identity, IdentityError};
pub use ingress::{Ingress, IngressEvent, IngressFrame, IngressStats};
pub use mapping::Mapping;
pub use offer::OfferError;
pub use patch::{PatchError, PatchOutcome};
pub use route::{HostCandidate, Path, Transport};
pub use session::{CloseReason, Session, Transmit};
pub use viewer_session::{EgressEvent, EgressStats, ViewerSession, Wanted};
