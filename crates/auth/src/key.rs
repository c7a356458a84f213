//! One key: `pk_<8 hex id>_<32 hex secret>` to publish, `ak_…` to administer.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use unisono_base::{KeyId, Quota};

const ID_BYTES: usize = 4;
/// 128 bits (decisions 5).
const SECRET_BYTES: usize = 16;
/// Length of every key's text: two letters, two separators, id and secret in hex.
const TEXT_LEN: usize = 2 + 1 + 2 * ID_BYTES + 1 + 2 * SECRET_BYTES;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Publish streams.
    Publish,
    /// Everything, the API included.
    Admin,
}

impl Role {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Publish => "pk",
            Self::Admin => "ak",
        }
    }
}

/// The operating system gave no random bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the operating system for a new key: {0}")]
pub struct KeyError(String);

/// `N` random bytes of the operating system, in hex: token ids, signing secrets.
pub fn random_hex<const N: usize>() -> Result<String, KeyError> {
    let mut random = [0; N];
    getrandom::fill(&mut random).map_err(|error| KeyError(error.to_string()))?;
    Ok(hex(&random))
}

/// A key at the only moment its secret is known to us. Neither `Debug` nor `Display`: showing it is a decision.
pub struct NewKey {
    text: String,
    stored: StoredKey,
}

impl NewKey {
    /// Makes a key from the operating system's randomness.
    pub fn generate(role: Role, name: &str) -> Result<Self, KeyError> {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut random).map_err(|error| KeyError(error.to_string()))?;
        Ok(Self::from_random(role, name, random))
    }

    fn from_random(role: Role, name: &str, random: [u8; ID_BYTES + SECRET_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        let (id, secret) = (hex(id), hex(secret));
        let stored = StoredKey {
            id: id.clone(),
            role,
            name: name.to_owned(),
            sha256: hex(&Sha256::digest(&secret)),
            quota: Quota::default(),
        };
        Self { text: format!("{}_{id}_{secret}", role.prefix()), stored }
    }

    /// The same key with limits.
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.stored.quota = quota;
        self
    }

    /// The whole key, to be shown to its owner once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What may be kept.
    pub fn stored(&self) -> &StoredKey {
        &self.stored
    }
}

/// A key as it is kept: enough to recognise it, not enough to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// Eight hex digits; public.
    pub id: String,
    /// What it is for.
    pub role: Role,
    /// Its owner's word for it.
    pub name: String,
    /// SHA-256 of the secret's hex digits, in hex.
    sha256: String,
    /// What it may use; without limits where a store of before has none.
    #[serde(default, skip_serializing_if = "Quota::is_unlimited")]
    pub quota: Quota,
}

impl StoredKey {
    /// The id for logs and takeover.
    pub fn key_id(&self) -> KeyId {
        KeyId::new(&self.id)
    }

    /// Compares in time that does not depend on where the difference lies.
    pub(crate) fn matches(&self, presented: &PresentedKey<'_>) -> bool {
        let hash = hex(&Sha256::digest(presented.secret));
        bool::from(hash.as_bytes().ct_eq(self.sha256.as_bytes())) && self.role == presented.role
    }
}

/// A key as somebody showed it: well formed, not yet believed.
#[derive(Clone, Copy)]
pub struct PresentedKey<'a> {
    pub(crate) role: Role,
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
}

impl<'a> PresentedKey<'a> {
    /// Splits a key's text; `None` when it is not of the form of a key.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() != TEXT_LEN || !text.is_ascii() {
            return None;
        }
        let mut parts = text.splitn(3, '_');
        let role = match parts.next()? {
            "pk" => Role::Publish,
            "ak" => Role::Admin,
            _ => return None,
        };
        let (id, secret) = (parts.next()?, parts.next()?);
        let is_hex = |s: &str| s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (id.len() == 2 * ID_BYTES && is_hex(id) && is_hex(secret)).then_some(Self { role, id, secret })
    }

    /// The public part, for logs. Whoever shows it need not know the secret.
    pub fn id(&self) -> KeyId {
        KeyId::new(self.id)
    }
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_…", self.role.prefix(), self.id)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_id_and_128_bits() {
        let key = NewKey::from_random(Role::Publish, "first", *b"\x01\x02\x03\x04abcdefghijklmnop");
        assert_eq!(key.reveal(), "pk_01020304_6162636465666768696a6b6c6d6e6f70");
        let presented = PresentedKey::parse(key.reveal()).expect("well formed");
        assert!(key.stored().matches(&presented));
        assert_eq!(format!("{presented:?}"), "pk_01020304_…", "no secret in logs");
    }

    #[test]
    fn the_stored_form_holds_no_secret_and_survives_json() {
        let key = NewKey::generate(Role::Admin, "first").expect("randomness");
        let secret = key.reveal().rsplit('_').next().expect("three parts");
        let json = serde_json::to_string(key.stored()).expect("plain data");
        assert!(!json.contains(secret));
        assert_eq!(&serde_json::from_str::<StoredKey>(&json).expect("own form"), key.stored());
    }

    #[test]
    fn a_key_of_before_has_no_limits_and_limits_are_kept() {
        let old = r#"{"id":"01020304","role":"publish","name":"old","sha256":"00"}"#;
        let mut key: StoredKey = serde_json::from_str(old).expect("the form of before");
        assert!(key.quota.is_unlimited());
        assert_eq!(serde_json::to_string(&key).expect("plain data"), old, "written as before");
        key.quota.viewers_max = Some(3);
        let again = serde_json::to_string(&key).expect("plain data");
        assert_eq!(serde_json::from_str::<StoredKey>(&again).expect("own form"), key);
    }

    #[test]
    fn what_is_not_a_key_is_not_parsed() {
        let good = "pk_01020304_6162636465666768696a6b6c6d6e6f70";
        assert!(PresentedKey::parse(good).is_some());
        for bad in [
            "",
            "pk",
            "pk__",
            &good[1..],
            &good.to_uppercase(),
            &good.replace("pk", "xk"),
            &good.replace('6', "_"),
        ] {
            assert!(PresentedKey::parse(bad).is_none(), "{bad}");
        }
    }
}
