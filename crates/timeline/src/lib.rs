//! One timeline: T for every frame of a source, and events bound to it in one order per room.
//!
//! Pure values: no clock, no randomness, no storage. What changes from call to call is an argument.

pub mod audit;
mod command;
mod drift;
mod entry;
mod event;
mod event_type;
mod fit;
mod rule;
mod sequencer;

pub use command::{Ack, Command, Role, Seen, Sender, Status, Verb};
pub use drift::Drift;
pub use entry::{Body, Entry, Hidden, Person, Witness};
pub use event::{At, DATA_MAX, Event, Lane, Late, NewEvent, Refused, TYPE_MAX, UnknownWord};
pub use event_type::{Class, DecideBy, EventType, WindowClass};
pub use fit::{Fit, Stamp};
pub use rule::{
    Committed, Decide, Decision, Entered, Extended, Offer, Outcome, Rule, SoftClose, Terms, Unit,
};
pub use sequencer::{Moment, Prepared, Sequencer};
pub use uuid::Uuid;
