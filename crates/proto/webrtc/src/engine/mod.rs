//! Our own egress: what a viewer's packets are made of, sealed straight from the payloads that all viewers share.
//!
//! These are the parts; the session that drives them stands beside [`crate::Egress`], which it will replace. They are
//! public so that benches, fuzzing and load generators can use each of them alone.

pub mod bwe;
pub mod header;
mod outlet;
pub mod rtcp;
pub mod sender;
pub mod srtp;

pub use outlet::Outlet;
