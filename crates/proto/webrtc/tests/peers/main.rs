//! Sessions against real offers, and against peers that lose packets, restart ICE or fall silent, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]

mod answers;
mod codecs;
mod links;
mod offers;
mod paths;
mod repair;
mod senders;
mod srtp;
mod world;
