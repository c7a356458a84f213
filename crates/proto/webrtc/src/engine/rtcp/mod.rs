//! RTCP: what we report to a viewer, and what it reports to us.
//!
//! [`read`] takes a compound packet apart without copying; whatever it does not know or cannot make sense of is left out,
//! and it never panics. Writers append to a buffer that the caller seals and sends.

mod feedback;
mod read;
mod report;
mod write;

pub use feedback::{Arrival, Arrivals, TransportFeedback};
pub use read::{Lost, Message, Messages, Targets, read};
pub use report::{ReceiverReference, ReportBlock, SenderReport};
pub use write::{write_goodbye, write_reference_answer, write_sender_reports};

#[cfg(test)]
mod tests;
