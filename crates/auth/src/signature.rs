//! Signatures as Standard Webhooks has them: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// Least length of a secret in bytes (Standard Webhooks asks for 24 to 64).
const SECRET_MIN: usize = 24;
/// See [`SECRET_MIN`].
const SECRET_MAX: usize = 64;

/// A shared secret: `whsec_` and base64 of 24 to 64 bytes. Shown to nobody.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// A text that is no secret. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook secret is whsec_ and base64 of {SECRET_MIN} to {SECRET_MAX} random bytes, for example from: echo \
     whsec_$(openssl rand -base64 32)"
)]
pub struct SecretError;

impl Secret {
    /// Reads its text form.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let base64 = text.trim().strip_prefix("whsec_").ok_or(SecretError)?;
        let bytes = STANDARD.decode(base64).map_err(|_| SecretError)?;
        if !(SECRET_MIN..=SECRET_MAX).contains(&bytes.len()) {
            return Err(SecretError);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The value of `webhook-signature`: one signature per secret, so that a receiver may change over from one to the next.
pub fn signatures(secrets: &[Secret], id: &str, timestamp: u64, body: &str) -> String {
    let all: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    all.join(" ")
}

/// Why a signed message was refused. The sender's fault, or somebody else's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No secret of ours made it.
    #[error(
        "webhook-signature does not fit the message: sign `id.timestamp.body` with a secret of this node"
    )]
    Wrong,
    /// Too old, or from the future: perhaps somebody repeats it.
    #[error("webhook-timestamp is {0} s away from this node's clock; the limit is {AGE_MAX} s")]
    Age(u64),
}

/// Farthest a message's time may be from ours, as Standard Webhooks has it.
const AGE_MAX: u64 = 300;
/// Signatures looked at in one header.
const SIGNATURES_MAX: usize = 16;

/// Was this message, whose header says `signed`, signed with one of `secrets` within five minutes of `now`? Compared in
/// constant time. Times in seconds since the Unix epoch.
pub fn verify_signature(
    secrets: &[Secret],
    (id, timestamp, body): (&str, u64, &[u8]),
    signed: &str,
    now: u64,
) -> Result<(), SignatureError> {
    let mut message = format!("{id}.{timestamp}.").into_bytes();
    message.extend_from_slice(body);
    let given = signed.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let fits = |tag: Vec<u8>| secrets.iter().any(|secret| hmac::verify(&secret.0, &message, &tag).is_ok());
    if !given.take(SIGNATURES_MAX).any(fits) {
        return Err(SignatureError::Wrong);
    }
    match now.abs_diff(timestamp) {
        near if near <= AGE_MAX => Ok(()),
        far => Err(SignatureError::Age(far)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the Standard Webhooks specification prints.
    #[test]
    fn the_specifications_example_comes_out() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("theirs");
        let signed =
            signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_message_is_taken_once_signed_and_fresh() {
        let secret = Secret::parse(&format!("whsec_{}", STANDARD.encode([7; 32]))).expect("32 bytes");
        let other = Secret::parse(&format!("whsec_{}", STANDARD.encode([8; 32]))).expect("32 bytes");
        let signed = signatures(std::slice::from_ref(&secret), "a", 1_000, "{}");
        let check = |secrets: &[Secret], id, body: &[u8], now| {
            verify_signature(secrets, (id, 1_000, body), &signed, now)
        };
        assert_eq!(check(&[other.clone(), secret.clone()], "a", b"{}", 1_300), Ok(()));
        assert_eq!(check(std::slice::from_ref(&secret), "a", b"{}", 1_301), Err(SignatureError::Age(301)));
        assert_eq!(check(std::slice::from_ref(&secret), "b", b"{}", 1_000), Err(SignatureError::Wrong));
        assert_eq!(check(&[secret], "a", b"{ }", 1_000), Err(SignatureError::Wrong));
        assert_eq!(check(&[other], "a", b"{}", 1_000), Err(SignatureError::Wrong));
        assert_eq!(verify_signature(&[], ("a", 1, b""), "v1,!!! v2,aa", 1), Err(SignatureError::Wrong));
    }

    #[test]
    fn each_secret_signs_and_none_is_shown() {
        let text = format!("whsec_{}", STANDARD.encode([7; 32]));
        let secret = Secret::parse(&text).expect("32 bytes");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let signed = signatures(&[secret.clone(), secret], "a", 1, "{}");
        assert_eq!(signed.split(' ').count(), 2);
        for bad in ["", "whsec_", "whsec_!!", "abc", &format!("whsec_{}", STANDARD.encode([7; 8]))] {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
    }
}
