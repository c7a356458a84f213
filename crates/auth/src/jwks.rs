//! JSON Web Key Sets (RFC 7517): the public keys of an issuer, as its identity provider publishes them.

use crate::token::VerifyKey;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};

/// Largest set read, in bytes.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;
/// Keys of a set that are looked at.
const KEYS_MAX: usize = 64;
/// Shorter RSA moduli can be factored (RFC 7518 §3.3), bits.
const RSA_BITS_MIN: usize = 2_048;

/// A set that holds no key for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Longer than we read.
    #[error("the key set has {0} bytes; at most {JWKS_BYTES_MAX} are read")]
    TooLong(usize),
    /// Not JSON, or not `{"keys": […]}`.
    #[error("not a JSON Web Key Set (RFC 7517): {0}")]
    Malformed(String),
    /// Nothing that verifies a token.
    #[error("the key set has no public key for ES256, EdDSA or RS256 that signs; it has {0} others")]
    Unusable(usize),
}

/// The keys that verify signatures; others in the set (for encryption, of other kinds, shared secrets) are passed over.
pub fn parse_jwks(text: &[u8]) -> Result<Vec<VerifyKey>, JwksError> {
    if text.len() > JWKS_BYTES_MAX {
        return Err(JwksError::TooLong(text.len()));
    }
    let set: JwkSet =
        serde_json::from_slice(text).map_err(|error| JwksError::Malformed(error.to_string()))?;
    let others = set.keys.len();
    let keys: Vec<_> = set.keys.iter().take(KEYS_MAX).filter_map(key).collect();
    if keys.is_empty() { Err(JwksError::Unusable(others)) } else { Ok(keys) }
}

fn key(jwk: &Jwk) -> Option<VerifyKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        // Base64url: four characters for three bytes.
        AlgorithmParameters::RSA(key) if key.n.len() * 6 >= RSA_BITS_MIN => Algorithm::RS256,
        _ => return None,
    };
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some(VerifyKey::of(jwk.common.key_id.as_deref(), algorithm, decoding))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Public keys of RFC 8037 A.2 (Ed25519) and RFC 7517 A.1 (P-256).
    const SET: &str = r#"{"keys":[
        {"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"EC","crv":"P-256","kid":"1","use":"sig",
         "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
        {"kty":"EC","crv":"P-256","kid":"enc","use":"enc",
         "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
        {"kty":"oct","kid":"secret","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        {"kty":"RSA","kid":"short","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri","e":"AQAB"}
    ]}"#;

    #[test]
    fn public_signing_keys_are_taken_and_others_are_not() {
        let keys = parse_jwks(SET.as_bytes()).expect("two of them");
        let names: Vec<_> = keys.iter().map(|key| format!("{key:?}")).collect();
        assert_eq!(names, [r#"EdDSA Some("ed")"#, r#"ES256 Some("1")"#]);
    }

    #[test]
    fn what_is_no_set_is_refused_in_words() {
        for (text, words) in [
            ("", "not a JSON Web Key Set"),
            ("<html>", "not a JSON Web Key Set"),
            (r#"{"keys":[]}"#, "no public key"),
            (r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, "no public key"),
        ] {
            let error = parse_jwks(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(matches!(parse_jwks(&vec![b' '; JWKS_BYTES_MAX + 1]), Err(JwksError::TooLong(_))));
    }
}
