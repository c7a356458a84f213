//! One timeline: T for every frame of a source, and events bound to it in one order per room.
//!
//! Pure values: no clock, no randomness, no storage. What changes from call to call is an argument.

mod drift;
mod event;
mod fit;
mod sequencer;

pub use drift::Drift;
pub use event::{At, DATA_MAX, Event, Lane, Late, NewEvent, Refused, TYPE_MAX, UnknownWord};
pub use fit::{Fit, Stamp};
pub use sequencer::{Body, Entry, Moment, Prepared, Sequencer};
pub use uuid::Uuid;
