//! One timeline: T for every frame of a source, and events bound to it in one order per room.
//!
//! Pure values: no clock, no randomness, no storage. What changes from call to call is an argument.

pub mod audit;
mod command;
mod drift;
mod entry;
mod event;
mod event_type;
pub mod fairness;
mod fit;
mod rule;
mod schema;
mod sequencer;
mod templates;
mod types;

pub use command::{Ack, Command, Role, Seen, Sender, Status, Verb};
pub use drift::Drift;
pub use entry::{Body, Entry, Hidden, Person, Witness};
pub use event::{At, DATA_MAX, Event, Lane, Late, NewEvent, Refused, TYPE_MAX, UnknownWord};
pub use event_type::{Class, DecideBy, EventType, WindowClass};
pub use fairness::{
    Ballot, CLOCK_ERROR, Commitment, Judged, L_MAX, L_MIN, Membership, UPLINK, decide, judge,
};
pub use fit::{Fit, Stamp, Track};
pub use rule::{
    Committed, Decide, Decision, Entered, Extended, Offer, Outcome, Queued, Remembered, Rule, Shortened,
    Shown, SoftClose, Terms, Unit,
};
pub use schema::SchemaError;
pub use sequencer::{
    DecidedView, Moment, OfferView, Own, OwnBought, OwnEntry, OwnUnit, QueueView, Sequencer, Snapshot,
    Standing, WindowView,
};
pub use types::{Registered, TypeError, TypeFault, Types};
pub use uuid::Uuid;
