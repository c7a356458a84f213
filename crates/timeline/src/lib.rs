//! One timeline: T for every frame of a source, and events bound to it in one order per room.
//!
//! Pure values: no clock, no randomness, no storage. What changes from call to call is an argument.

mod fit;

pub use fit::{Fit, Stamp};
