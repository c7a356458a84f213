//! Signed checkpoints (Ed25519, RFC 8032): who holds one can prove that the log had just this past.

use super::{
    cbor,
    digest::{Digest, NotHex, from_hex, to_hex, written_in_hex},
    lines::{room_key, serde_room},
};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};
use unisono_base::{MediaTime, RoomId, Span};

/// Entries after which the next checkpoint is due.
pub const CHECKPOINT_EVERY: u64 = 256;
/// Time after which the next checkpoint is due.
pub const CHECKPOINT_SPACING: Span = Span::from_secs(1);

/// What a checkpoint says about its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// The log goes on after it.
    Running,
    /// The node took it and all before it away: the log begins behind it.
    Start,
    /// It was the last one when the log was exported at `t`: what follows was cut off if nothing tells this.
    End,
}

/// The node's word that entry `n` of a room, and with it all before, was just this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The room.
    #[serde(with = "serde_room")]
    pub room: RoomId,
    /// What it says about the entry.
    pub mark: Mark,
    /// Incarnation of the sequencer.
    pub term: u64,
    /// The entry; 0 for a log without any.
    pub n: u64,
    /// Its hash.
    pub hash: Digest,
    /// When it was signed, on the node's timeline clock.
    pub t: MediaTime,
    /// Over all of the above.
    pub signature: Signature,
}

/// A checkpoint that this key did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of the checkpoint at entry {n} is not by this key")]
pub struct Forged {
    /// Its entry.
    pub n: u64,
}

/// The secret of a node's checkpoints cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of the audit log is not a seed of Ed25519")]
pub struct KeyError;

/// Signs checkpoints.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// By which checkpoints are checked. Written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

/// An Ed25519 signature. Written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signer {
    /// From the 32 secret bytes that are the key (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError)?;
        Ok(Self { pair, public: PublicKey(public) })
    }

    /// By which its signatures are checked.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs that entry `n` of term `term` has this hash.
    pub fn sign(
        &self,
        room: &RoomId,
        mark: Mark,
        (term, n, hash): (u64, u64, Digest),
        t: MediaTime,
    ) -> Checkpoint {
        let signature = Signature([0; 64]);
        let mut checkpoint = Checkpoint { room: room.clone(), mark, term, n, hash, t, signature };
        checkpoint.signature = self.sign_bytes(&checkpoint.signed_bytes());
        checkpoint
    }

    /// Bytes that say what they are, so that the signature means nothing elsewhere.
    pub(super) fn sign_bytes(&self, bytes: &[u8]) -> Signature {
        let mut signature = Signature([0; 64]);
        signature.0.copy_from_slice(self.pair.sign(bytes).as_ref());
        signature
    }
}

/// True when the key signed just this.
pub(super) fn check_signature(key: &PublicKey, bytes: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key.0).verify(bytes, &signature.0).is_ok()
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Fails unless the key `key` belongs to signed it.
    pub fn check(&self, key: &PublicKey) -> Result<(), Forged> {
        let is_signed = check_signature(key, &self.signed_bytes(), &self.signature);
        if is_signed { Ok(()) } else { Err(Forged { n: self.n }) }
    }

    /// Deterministic CBOR of a map: `unisono` says what it is, so that the key's signatures mean nothing elsewhere.
    fn signed_bytes(&self) -> Vec<u8> {
        cbor::encode(cbor::from_json(&serde_json::json!({
            "unisono": "checkpoint 1", "room": room_key(&self.room), "mark": self.mark, "term": self.term,
            "n": self.n, "hash": self.hash, "t": self.t,
        })))
    }
}

written_in_hex!(PublicKey, 32);
written_in_hex!(Signature, 64);
