//! How two nodes prove to each other that they know a shared secret, without showing it: an HMAC over keying material
//! that both take out of their one TLS connection (RFC 5705, RFC 8446 §7.5). Whoever sits between them has two
//! connections, and thus other material; certificates need not be trusted.

use aws_lc_rs::hmac;
use std::fmt;

/// Least length of a secret: 128 bits in hexadecimal digits. A proof can be tried out offline by whoever it was sent to.
const SECRET_MIN: usize = 32;
/// Secrets valid at once, so that nodes can change over one after the other.
const SECRETS_MAX: usize = 2;
/// Length of a proof.
pub const RELAY_PROOF_BYTES: usize = 32;

/// Who proves. Each side has words of its own: nobody can send back what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelaySide {
    /// Who dials and asks for streams.
    Edge,
    /// Who is dialled and gives them.
    Origin,
}

/// Texts that are no secrets. Does not repeat them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelaySecretError {
    /// Too short to be random.
    #[error("a relay secret has {SECRET_MIN} characters or more; make one with: openssl rand -hex 32")]
    Short,
    /// None, or too many.
    #[error("a relay needs one secret, or two while it changes over; {0} are configured")]
    Count(usize),
}

/// The secrets of a node: the one in use and, while it changes over, the other one.
#[derive(Clone)]
pub struct RelaySecrets(Vec<hmac::Key>);

impl RelaySecrets {
    /// Reads their texts.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, RelaySecretError> {
        let key = |text: &str| match text.trim() {
            short if short.len() < SECRET_MIN => Err(RelaySecretError::Short),
            secret => Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
        };
        let keys = texts.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > SECRETS_MAX {
            return Err(RelaySecretError::Count(keys.len()));
        }
        Ok(Self(keys))
    }

    /// An edge's proofs, one for each secret. `material` is of the connection.
    pub fn prove(&self, material: &[u8]) -> Vec<[u8; RELAY_PROOF_BYTES]> {
        self.0.iter().map(|key| proof(key, RelaySide::Edge, material)).collect()
    }

    /// An origin's proof with the secret that one of the edge's `proofs` was made with; `None` where it knows none of
    /// them. Compared in constant time.
    pub fn answer(
        &self,
        material: &[u8],
        proofs: &[[u8; RELAY_PROOF_BYTES]],
    ) -> Option<[u8; RELAY_PROOF_BYTES]> {
        let known = |key: &&hmac::Key| proofs.iter().any(|proof| fits(key, RelaySide::Edge, material, proof));
        self.0.iter().find(known).map(|key| proof(key, RelaySide::Origin, material))
    }

    /// True where an origin's proof was made with one of these secrets.
    pub fn accept(&self, material: &[u8], proof: &[u8; RELAY_PROOF_BYTES]) -> bool {
        self.0.iter().any(|key| fits(key, RelaySide::Origin, material, proof))
    }
}

impl fmt::Debug for RelaySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelaySecrets(…)")
    }
}

fn message(side: RelaySide, material: &[u8]) -> Vec<u8> {
    let words: &[u8] = match side {
        RelaySide::Edge => b"unisono relay edge\0",
        RelaySide::Origin => b"unisono relay origin\0",
    };
    [words, material].concat()
}

fn proof(key: &hmac::Key, side: RelaySide, material: &[u8]) -> [u8; RELAY_PROOF_BYTES] {
    let tag = hmac::sign(key, &message(side, material));
    let mut proof = [0; RELAY_PROOF_BYTES];
    proof.copy_from_slice(tag.as_ref());
    proof
}

fn fits(key: &hmac::Key, side: RelaySide, material: &[u8], proof: &[u8]) -> bool {
    hmac::verify(key, &message(side, material), proof).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    fn secrets(texts: &[&str]) -> RelaySecrets {
        RelaySecrets::new(texts.iter().copied()).expect("valid")
    }

    #[test]
    fn who_knows_the_secret_is_known_in_this_connection_only() {
        let (edge, origin) = (secrets(&[OLD]), secrets(&[OLD]));
        let answer = origin.answer(b"material", &edge.prove(b"material")).expect("the same secret");
        assert!(edge.accept(b"material", &answer));
        assert_eq!(origin.answer(b"other", &edge.prove(b"material")), None, "somebody sits between them");
        assert!(!edge.accept(b"material", &edge.prove(b"material")[0]), "sent back");
        assert_eq!(origin.answer(b"material", &secrets(&[NEW]).prove(b"material")), None);
        assert_eq!(origin.answer(b"material", &[]), None);
    }

    #[test]
    fn secrets_change_over_on_either_side_first() {
        for (edge, origin) in [(&[OLD][..], &[NEW, OLD][..]), (&[NEW, OLD], &[OLD]), (&[NEW], &[OLD, NEW])] {
            let (edge, origin) = (secrets(edge), secrets(origin));
            let answer = origin.answer(b"m", &edge.prove(b"m")).expect("one in common");
            assert!(edge.accept(b"m", &answer));
        }
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        let error = |texts: &[&str]| RelaySecrets::new(texts.iter().copied()).expect_err("refused");
        assert_eq!(error(&["hunter2"]), RelaySecretError::Short);
        assert_eq!(error(&[]), RelaySecretError::Count(0));
        assert!(error(&[OLD, NEW, OLD]).to_string().contains("3 are"));
    }
}
