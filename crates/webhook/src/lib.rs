//! Tells the operator's own services what happens, and asks them who may watch.
//!
//! * [`Sender`] delivers `stream.up`, `stream.down` and `publish.denied`: signed, in order per stream, repeated until
//!   they are taken, kept in the store until then. [`Outbox`](outbox) decides what goes out when, without a clock.
//! * [`MessageJudge`] asks the service behind `rooms.webhook` about what members write, within a short time.
//! * [`ViewGate`] asks the service behind `access.webhook` once per viewer and stream, and remembers the answer.
//!
//! Nothing here is waited for by media: the hub hands its news to a bounded queue.

mod client;
mod config;
mod delivery;
mod event;
mod gate;
mod messages;
mod metrics;
mod outbox;

pub use client::{Client, ClientError};
pub use config::{Endpoint, EndpointError, GateConfig, Unanswered};
pub use delivery::Sender;
pub use event::EventKind;
pub use gate::ViewGate;
pub use messages::{Judgement, MessageJudge};
pub use metrics::Metrics;
pub use unisono_auth::{Secret, SecretError};
