//! The key that signs checkpoints: made once per installation and kept with its other secrets.

use crate::{Kv, KvError};
use unisono_timeline::audit::{Digest, Signer};

/// The secret stands under this name: 32 bytes in hexadecimal.
const NAME: &str = "audit.key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFailed {
    /// The store.
    #[error(transparent)]
    Store(#[from] KvError),
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
    /// The stored secret is no key.
    #[error("{NAME} in the store is damaged: it must be 32 bytes in hexadecimal")]
    Damaged,
}

/// The signer of this installation. Two processes that start at once get the same one.
pub async fn audit_signer(kv: &dyn Kv) -> Result<Signer, KeyFailed> {
    let stored = match kv.get(NAME).await? {
        Some(stored) => stored.value,
        None => make(kv).await?,
    };
    // A digest is 32 bytes in hexadecimal as well.
    let seed: Digest = stored.parse().map_err(|_| KeyFailed::Damaged)?;
    Signer::from_seed(seed.as_bytes()).map_err(|_| KeyFailed::Damaged)
}

async fn make(kv: &dyn Kv) -> Result<String, KeyFailed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| KeyFailed::Randomness(error.to_string()))?;
    let text = Digest::from_bytes(seed).to_string();
    match kv.put_if(NAME, None, text.clone()).await {
        Ok(_) => Ok(text),
        // Another process was first.
        Err(error) => Ok(kv.get(NAME).await?.ok_or(error)?.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryKv;

    #[tokio::test]
    async fn the_key_is_made_once_and_a_damaged_one_is_told() {
        let kv = MemoryKv::default();
        let first = audit_signer(&kv).await.expect("made").public();
        assert_eq!(audit_signer(&kv).await.expect("found").public(), first);
        let damaged = MemoryKv::default();
        damaged.put_if(NAME, None, "abc".into()).await.expect("written");
        assert!(audit_signer(&damaged).await.expect_err("damaged").to_string().contains(NAME));
    }
}
