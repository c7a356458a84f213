//! SRTP and SRTCP (RFC 3711) with the protection profiles that DTLS-SRTP negotiates (RFC 5764, RFC 7714).
//!
//! [`Keys`] come out of the DTLS handshake; a [`Sealer`] protects what we send, an [`Opener`] opens what the peer reports.
//! Sealing takes the payload from where it lies, shared by all viewers, and writes ciphertext into the caller's buffer:
//! one pass, no allocation. Nothing here is a cipher of our own: AES, GHASH and HMAC are aws-lc's.

mod cipher;
mod keys;
mod open;
mod profile;
mod replay;
mod seal;

pub use keys::{KeyError, Keys, Side};
pub use open::{OpenError, Opener, RtpOpener};
pub use profile::Profile;
pub use seal::Sealer;

#[cfg(test)]
mod tests;
