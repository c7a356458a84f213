//! What every other crate shares: names and ids, media time and the node's timeline clock, the doorbell.
//!
//! Nothing here opens a socket, spawns a task or reads a clock: `now` is always an argument.

mod address;
mod clock;
mod doorbell;
mod id;
mod quota;
mod time;

pub use address::{Shown, show_full_addresses};
pub use clock::{NodeClock, TimelineClock};
pub use doorbell::Doorbell;
pub use id::{Epoch, KeyId, NameError, RoomId, StreamId, StreamName, Tenant};
pub use quota::Quota;
pub use time::{MediaTime, Span, Ticks};
