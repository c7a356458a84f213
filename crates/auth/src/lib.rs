//! Who may do what: keys, their stored form, tokens, and the decision.
//!
//! A key is random, so a plain SHA-256 of it is as good as a slow password hash and costs nothing at each request.
//! Secrets exist only in [`NewKey`], once, at creation; everything else holds hashes. No input or output here.

mod access;
mod jwks;
mod key;
mod keyring;
mod relay;
mod signature;
mod token;
mod uses;

pub use access::{Access, Closed, Gate, Issuer, Pass, RevokedFull, ViewPolicy};
pub use jwks::{JWKS_BYTES_MAX, JwksError, parse_jwks};
pub use key::{KeyError, NewKey, PresentedKey, Role, StoredKey, random_hex};
pub use keyring::{Denied, Keyring, KeyringError};
pub use relay::{RELAY_PROOF_BYTES, RelaySecretError, RelaySecrets, RelaySide};
pub use signature::{Secret, SecretError, SignatureError, signatures, verify_signature};
pub use token::{
    Action, Claims, Grant, Pattern, PatternError, TokenError, VerifyKey, VerifyKeyError, is_token, sign,
    verify,
};
pub use uses::Spent;
