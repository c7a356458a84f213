//! Who may do what: keys, their stored form, and the decision.
//!
//! A key is random, so a plain SHA-256 of it is as good as a slow password hash and costs nothing at each request.
//! Secrets exist only in [`NewKey`], once, at creation; everything else holds hashes. No input or output here.

mod key;
mod keyring;

pub use key::{KeyError, NewKey, PresentedKey, Role, StoredKey};
pub use keyring::{Denied, Keyring, KeyringError};
