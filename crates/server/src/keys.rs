//! The node's keys and tokens: keys are made at the first start, shown once, and kept as hashes; the secret that signs
//! the node's own tokens and the tokens taken back stand beside them. The store is the truth: what another process
//! (`unisono keys`, `unisono token`) writes there, a running server takes over within [`REFRESH_EVERY`].

use crate::{
    admin::LIFETIME_MAX_S,
    config::{AccessRules, TokenAlgorithm, TokenKey, View},
    data_dir,
    jwks::KeySet,
};
use anyhow::{Context, bail};
use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use unisono_auth::{
    Access, Claims, Keyring, NewKey, Role, StoredKey, VerifyKey, ViewPolicy, is_token, random_hex,
};
use unisono_base::{KeyId, Quota};
use unisono_hub::Hub;
use unisono_store::{Kv, KvError, SqliteKv};

/// The store's file below the data directory.
const FILE: &str = "unisono.db";
/// Stored keys stand under this prefix and their id.
const PREFIX: &str = "keys/";
/// Tokens taken back stand under this prefix and their `jti`, with when they expire.
const REVOKED: &str = "revoked/";
/// Tokens used for the last time, in the same way.
const EXHAUSTED: &str = "exhausted/";
/// Longest `jti` that can be revoked alone, in bytes.
const JTI_MAX: usize = 256;
/// The secret that signs the node's own tokens, in hex.
const SECRET: &str = "tokens/secret";
/// `kid` of the node's own tokens.
const OWN_KID: &str = "node";
/// How often a running server looks into the store.
pub(crate) const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// The keys of a first start, at the only moment they can be shown.
pub(crate) struct FirstKeys {
    pub(crate) publish: String,
    pub(crate) admin: String,
}

/// See the module.
pub(crate) struct Keys {
    access: Arc<Access>,
    secret: String,
    store: SqliteKv,
    /// Who is told what keys may use; nobody beside a command line tool.
    hub: OnceLock<Arc<Hub>>,
    /// Of others who sign tokens.
    sets: Vec<KeySet>,
}

impl Keys {
    /// Whether a server has been at work below `data_dir`, or a key was made there.
    pub(crate) fn are_at(data_dir: &Path) -> bool {
        data_dir.join(FILE).exists()
    }

    /// Opens the store below `data_dir`, making both where they do not exist.
    pub(crate) async fn open(data_dir: &Path, rules: &AccessRules) -> anyhow::Result<Self> {
        data_dir::make(data_dir)?;
        let store = SqliteKv::open(&data_dir.join(FILE)).await?;
        let secret = own_secret(&store).await?;
        let (verify, view) = rules_of(&secret, rules)?;
        let access = Arc::new(Access::new(Arc::new(Keyring::new()), verify, view));
        let mut sets = Vec::new();
        for location in rules.token_keys.iter().filter_map(|key| key.jwks.as_deref()) {
            sets.push(KeySet::open(location, access.clone())?);
        }
        let keys = Self { access, secret, store, hub: OnceLock::new(), sets };
        keys.refresh(0).await?;
        Ok(keys)
    }

    /// Takes over what the store has now. `now` in seconds since the Unix epoch.
    pub(crate) async fn refresh(&self, now: u64) -> anyhow::Result<()> {
        let mut known = Vec::new();
        for (name, entry) in self.store.list(PREFIX).await? {
            let key: StoredKey = serde_json::from_str(&entry.value)
                .with_context(|| format!("{name} in the store is damaged"))?;
            known.push(key);
        }
        self.access.keyring().replace(known);
        self.tell_quotas();
        for (jti, expires) in self.named(REVOKED, now).await? {
            self.access.revoke(&jti, expires, now)?;
        }
        for (jti, expires) in self.named(EXHAUSTED, now).await? {
            self.access.exhaust(&jti, expires);
        }
        Ok(())
    }

    /// Tokens that stand under `prefix`, with when they expire; those that have are forgotten.
    async fn named(&self, prefix: &str, now: u64) -> anyhow::Result<Vec<(String, u64)>> {
        let mut named = Vec::new();
        for (name, entry) in self.store.list(prefix).await? {
            let expires = entry.value.parse().with_context(|| format!("{name} in the store is damaged"))?;
            if expires > now {
                named.push((name.trim_start_matches(prefix).to_owned(), expires));
            } else {
                self.store.delete(&name).await?;
            }
        }
        Ok(named)
    }

    /// For other things the node keeps.
    pub(crate) fn store(&self) -> &SqliteKv {
        &self.store
    }

    /// From now on `hub` knows what keys may use.
    pub(crate) fn govern(&self, hub: Arc<Hub>) {
        let _ = self.hub.set(hub);
        self.tell_quotas();
    }

    fn tell_quotas(&self) {
        if let Some(hub) = self.hub.get() {
            let keys = self.access.keyring().list().into_iter();
            hub.set_quotas(keys.map(|key| (key.key_id(), key.quota)));
        }
    }

    /// Reads the rules' key files; nothing changes before [`NewRules::apply`].
    pub(crate) fn prepare_rules(&self, rules: &AccessRules) -> anyhow::Result<NewRules> {
        let (verify, view) = rules_of(&self.secret, rules)?;
        Ok(NewRules { verify, view })
    }

    /// Sets what a key may use.
    pub(crate) async fn limit(&self, id: &str, quota: Quota) -> anyhow::Result<()> {
        let name = format!("{PREFIX}{id}");
        let Some(entry) = self.store.get(&name).await? else {
            bail!("there is no key with id {id}; `unisono keys list` shows all");
        };
        let mut key: StoredKey =
            serde_json::from_str(&entry.value).with_context(|| format!("{name} in the store is damaged"))?;
        key.quota = quota;
        let value = serde_json::to_string(&key).context("a key is plain data")?;
        self.store.put_if(&name, Some(entry.version), value).await?;
        self.refresh(0).await
    }

    /// Signs a token of the node's own.
    pub(crate) fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        Ok(unisono_auth::sign(OWN_KID, self.secret.as_bytes(), claims)?)
    }

    /// Takes a token back, whoever signed it: the whole of it, or its id (`jti`). It is refused until it would have
    /// ended by itself; of one known by its id alone that is not known, so until no token can be as old.
    pub(crate) async fn revoke_token(&self, token: &str, now: u64) -> anyhow::Result<()> {
        let (jti, expires) = if is_token(token) {
            let claims = self.access.verify(token, now)?;
            let words = "the token has no id (jti), so it cannot be named; it ends at its expiry";
            (claims.jti.context(words)?, claims.exp)
        } else if (1..=JTI_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic()) {
            (token.to_owned(), now + LIFETIME_MAX_S)
        } else {
            bail!("neither a token nor the id (jti) of one, which has 1 to {JTI_MAX} printable characters");
        };
        self.access.revoke(&jti, expires, now)?;
        self.remember(REVOKED, &jti, expires).await
    }

    /// Writes down which tokens were used for the last time, so that they stay so over a restart.
    pub(crate) async fn keep_exhausted(&self) -> anyhow::Result<()> {
        for (jti, expires) in self.access.take_exhausted() {
            self.remember(EXHAUSTED, &jti, expires).await?;
        }
        Ok(())
    }

    async fn remember(&self, prefix: &str, jti: &str, expires: u64) -> anyhow::Result<()> {
        match self.store.put_if(&format!("{prefix}{jti}"), None, expires.to_string()).await {
            Ok(_) | Err(KvError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a key away; what it lets in ends within seconds.
    pub(crate) async fn revoke(&self, id: &str) -> anyhow::Result<()> {
        if !self.access.keyring().revoke(&KeyId::new(id)) {
            bail!("there is no key with id {id}; `unisono keys list` shows all");
        }
        self.store.delete(&format!("{PREFIX}{id}")).await?;
        Ok(())
    }

    /// Makes a publish key and an admin key where there is no key at all.
    pub(crate) async fn make_first(&self) -> anyhow::Result<Option<FirstKeys>> {
        if !self.access.keyring().list().is_empty() {
            return Ok(None);
        }
        let publish = self.make(Role::Publish, "first start", Quota::default()).await?;
        let admin = self.make(Role::Admin, "first start", Quota::default()).await?;
        Ok(Some(FirstKeys { publish, admin }))
    }

    /// Makes a key, stores it, and returns its text, which nobody can read again.
    pub(crate) async fn make(&self, role: Role, name: &str, quota: Quota) -> anyhow::Result<String> {
        let key = NewKey::generate(role, name)?.with_quota(quota);
        let id = self.access.keyring().add(&key)?;
        let value = serde_json::to_string(key.stored()).context("a key is plain data")?;
        self.store.put_if(&format!("{PREFIX}{id}"), None, value).await?;
        self.tell_quotas();
        Ok(key.reveal().to_owned())
    }

    /// The sets of keys to be followed.
    pub(crate) fn key_sets(&self) -> Vec<KeySet> {
        self.sets.clone()
    }

    /// Who may do what.
    pub(crate) fn access(&self) -> &Arc<Access> {
        &self.access
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

/// Rules read and found good.
pub(crate) struct NewRules {
    verify: Vec<VerifyKey>,
    view: ViewPolicy,
}

impl NewRules {
    /// Puts them in force.
    pub(crate) fn apply(self, keys: &Keys) {
        keys.access.set_rules(self.verify, self.view);
    }
}

fn rules_of(secret: &str, rules: &AccessRules) -> anyhow::Result<(Vec<VerifyKey>, ViewPolicy)> {
    let mut verify = vec![VerifyKey::hs256(Some(OWN_KID), secret.as_bytes())?];
    for key in rules.token_keys.iter().filter(|key| key.jwks.is_none()) {
        verify.push(verify_key(key)?);
    }
    let view = match rules.view {
        View::Open => ViewPolicy::Open,
        View::Token => ViewPolicy::Token,
    };
    Ok((verify, view))
}

/// The signing secret, made at the first start: 256 bits.
async fn own_secret(store: &SqliteKv) -> anyhow::Result<String> {
    if let Some(entry) = store.get(SECRET).await? {
        return Ok(entry.value);
    }
    let secret = random_hex::<32>()?;
    match store.put_if(SECRET, None, secret.clone()).await {
        Ok(_) => Ok(secret),
        // Another process was first.
        Err(error) => Ok(store.get(SECRET).await?.ok_or(error)?.value),
    }
}

fn verify_key(key: &TokenKey) -> anyhow::Result<VerifyKey> {
    let (Some(algorithm), Some(file)) = (key.algorithm, &key.file) else {
        bail!("access.token_keys: an entry names algorithm and file, or jwks: {key:?}");
    };
    let made = || -> anyhow::Result<VerifyKey> {
        let bytes = fs::read(file).context("cannot be read")?;
        let kid = key.kid.as_deref();
        Ok(match algorithm {
            TokenAlgorithm::HS256 => VerifyKey::hs256(kid, bytes.trim_ascii_end())?,
            TokenAlgorithm::ES256 => VerifyKey::es256(kid, &bytes)?,
            TokenAlgorithm::EdDSA => VerifyKey::eddsa(kid, &bytes)?,
        })
    };
    made().with_context(|| format!("token key {}", file.display()))
}
