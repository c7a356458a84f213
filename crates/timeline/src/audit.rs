//! The proof of a room's log: a chain of hashes over what can never be erased, signed now and then, and a verifier
//! that trusts nothing but a public key (fairness spec 12).
//!
//! Each entry has a *clear part*: all of it but what somebody wrote and who they are. In their place stand salted
//! digests, so that both can be erased, with their salts, and the chain still holds. The byte formats are in
//! `docs/protocols/log.md`; the golden vectors of the tests pin them.

mod cbor;
mod chain;
mod checkpoint;
mod clear;
mod digest;
mod evidence;
mod lines;
mod verify;

pub use chain::{Base, Broken, Chain, PERSONS_MAX, Seal, Sealed};
pub use checkpoint::{
    CHECKPOINT_EVERY, CHECKPOINT_SPACING, Checkpoint, Forged, KeyError, Mark, PublicKey, Signature, Signer,
};
#[cfg(test)]
use clear::Clear;
pub use clear::{Kept, Unreadable};
pub use digest::{Digest, Hasher, NotHex, Salt};
pub use evidence::{BadEvidence, Evidence, EvidenceFile};
pub use lines::{EntryLine, FORMAT, Header, Line, Undecided, Withheld, room_key, room_of_key};
pub use verify::{
    Bad, Deciles, Erased, Fairness, LINE_MAX, OfferResult, Report, Verifier, WindowFairness, WindowResult,
    room_of,
};
