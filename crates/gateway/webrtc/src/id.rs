//! The id of a session: unguessable, for it is all that a PATCH or DELETE needs.

use std::{fmt, str::FromStr};

/// 128 random bits; 32 hex digits in URLs. Logs show the first eight only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

/// Why there is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not 32 hex digits.
    #[error("not a session id")]
    Malformed,
    /// The system gave no random bytes.
    #[error("no randomness from the operating system: {0}")]
    Random(String),
}

impl SessionId {
    /// A new one from the operating system's randomness.
    pub(crate) fn random() -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| IdError::Random(error.to_string()))?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl FromStr for SessionId {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        let plain = s.len() == 32 && s.bytes().all(|b| b.is_ascii_hexdigit());
        let bits = plain.then(|| u128::from_str_radix(s, 16).ok()).flatten();
        bits.map(Self).ok_or(IdError::Malformed)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 96)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_url_and_is_not_whole_in_logs() {
        let id = SessionId::random().expect("randomness");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(format!("{id:?}").len(), 8);
        assert!("+123".parse::<SessionId>().is_err());
        assert!("0".repeat(33).parse::<SessionId>().is_err());
    }
}
