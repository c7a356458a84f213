//! Sessions against real offers, and against peers that lose packets, restart ICE or fall silent, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]

mod answers;
mod codecs;
mod independent;
mod inside;
#[path = "../common/insider.rs"]
mod insider;
mod line;
mod links;
mod offers;
mod paths;
mod repair;
mod sctp;
mod second_peer;
mod senders;
mod srtp;
mod tcp;
mod world;
