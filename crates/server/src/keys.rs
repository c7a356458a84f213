//! The node's keys: made at the first start, shown once, kept as hashes in the store.

use anyhow::{Context, bail};
use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};
use unisono_auth::{Keyring, NewKey, Role, StoredKey};
use unisono_store::{Kv, SqliteKv};

/// The store's file below the data directory.
const FILE: &str = "unisono.db";
/// Stored keys stand under this prefix and their id.
const PREFIX: &str = "keys/";

/// The keys of a first start, at the only moment they can be shown.
pub(crate) struct FirstKeys {
    pub(crate) publish: String,
    pub(crate) admin: String,
}

/// See the module.
pub(crate) struct Keys {
    keyring: Arc<Keyring>,
    store: SqliteKv,
}

impl Keys {
    /// Opens the store below `data_dir`, making both where they do not exist.
    pub(crate) async fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
        made.with_context(|| format!("the data directory {} cannot be made", data_dir.display()))?;
        let file = data_dir.join(FILE);
        let store = SqliteKv::open(&file).await?;
        let mut known = Vec::new();
        for (name, entry) in store.list(PREFIX).await? {
            let key: StoredKey = serde_json::from_str(&entry.value)
                .with_context(|| format!("{name} in {} is damaged", file.display()))?;
            known.push(key);
        }
        Ok(Self { keyring: Arc::new(Keyring::load(known)), store })
    }

    /// Makes a publish key and an admin key where there is no key at all.
    pub(crate) async fn make_first(&self) -> anyhow::Result<Option<FirstKeys>> {
        if !self.keyring.list().is_empty() {
            return Ok(None);
        }
        let publish = self.make(Role::Publish, "first start").await?;
        let admin = self.make(Role::Admin, "first start").await?;
        Ok(Some(FirstKeys { publish, admin }))
    }

    /// Makes a key, stores it, and returns its text, which nobody can read again.
    pub(crate) async fn make(&self, role: Role, name: &str) -> anyhow::Result<String> {
        let key = NewKey::generate(role, name)?;
        let id = self.keyring.add(&key)?;
        let value = serde_json::to_string(key.stored()).context("a key is plain data")?;
        self.store.put_if(&format!("{PREFIX}{id}"), None, value).await?;
        Ok(key.reveal().to_owned())
    }

    /// Who may do what.
    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Reads the store, to see that it still can be read.
    pub(crate) async fn check_store(&self) -> anyhow::Result<()> {
        if self.store.list(PREFIX).await?.is_empty() {
            bail!("the keys are gone from the store");
        }
        Ok(())
    }

    /// Writes everything back into the one file.
    pub(crate) async fn close(&self) {
        self.store.close().await;
    }
}
