//! Streams, their track rings and the fan-out between one writer and many readers.
//!
//! Knows no protocol and no bitstream: it moves [`Frame`](unisono_media::Frame)s. A gateway that publishes holds a
//! [`Publication`] and writes through it; a gateway that plays finds the [`Stream`], takes a [`Cursor`] per ring and
//! reads in its own rhythm, woken by a [`Doorbell`](unisono_base::Doorbell). No reader can slow the writer: a
//! reader that falls out of a ring skips to the newest group and is told how much it lost.
//!
//! Nothing here reads a clock: time comes in with the frames, or as an argument.

mod cuts;
mod diagnosis;
mod gate;
mod hub;
mod publication;
mod quota;
mod relayed;
mod ring;
mod sessions;
mod stream;
mod watcher;

pub use cuts::{Cut, Cuts};
pub use diagnosis::{Code, Finding, Severity};
pub use gate::{GATE_DELAY_MAX, GateError, ReleaseGate};
pub use hub::{Hub, Limits};
pub use publication::{Publication, PublishError, Source, TrackWriter, Written};
pub use quota::OverQuota;
pub use relayed::{Relayed, RelayedTrack, Remote, Start};
pub use ring::{Cursor, EndReason, GroupHeader, Read, Ring, RingLimits, SkipReason, TrackHealth};
pub use sessions::{Entrance, PathFigures, Refused, Role, Session, SessionKey, Sessions, Ticket};
pub use stream::{Rendition, State, Stream, Subscription, Viewer};
pub use watcher::{Denial, Watcher};
