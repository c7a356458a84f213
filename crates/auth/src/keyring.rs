//! All keys of a node, and the answer to "may this one do that?".

use crate::{Action, NewKey, PresentedKey, Role, Spent, StoredKey, TokenError};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};
use unisono_base::{KeyId, StreamId};

/// Keys a node holds at most; one more is refused.
const KEYS_MAX: usize = 10_000;

/// Why a key was not let in. The words are for whoever presented it and say nothing about other keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// Nothing was presented.
    #[error(
        "a key is needed: give it as \"Authorization: Bearer pk_…\", or behind the stream name as ?key=pk_…"
    )]
    Missing,
    /// Not of the form of a key.
    #[error("this is not a key of this server: one looks like pk_ (or ak_), 8 hex digits, _, 32 hex digits")]
    Malformed,
    /// Unknown or revoked.
    #[error("key {0} is not known here, or its secret is wrong; was it revoked, or made by another server?")]
    Unknown(KeyId),
    /// A good key for something else.
    #[error("key {0} may publish only; this needs an admin key (ak_…)")]
    NotAdmin(KeyId),
    /// Watching needs a token here, and none was presented.
    #[error(
        "watching needs a token here: \"Authorization: Bearer …\", the page's #token=…, or /t/TOKEN/ before the path"
    )]
    NoToken,
    /// A token that is not believed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A token that was taken back.
    #[error("this token was revoked")]
    Revoked,
    /// A good token that was used too often, or by too many at once.
    #[error(transparent)]
    Spent(#[from] Spent),
    /// A good token for something else.
    #[error("this token does not grant \"{action}\" on {stream}")]
    NotGranted {
        /// What was wanted.
        action: Action,
        /// Where.
        stream: StreamId,
    },
    /// The operator's own service said no, in these words.
    #[error("{0}")]
    ByService(String),
    /// The operator's own service has not decided. Nobody's credentials are wrong: HTTP 503.
    #[error("the service that decides who may watch does not answer; try again in some seconds")]
    Undecided,
}

impl Denied {
    /// True for a token that one of our issuers made: whoever presents it is late, and does not guess.
    pub const fn is_genuine(&self) -> bool {
        matches!(
            self,
            Self::Revoked | Self::Spent(_) | Self::Token(TokenError::Expired(_) | TokenError::TooEarly(_))
        )
    }

    /// True where the same credentials may do in some seconds (HTTP 503).
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Undecided)
    }

    /// True where other credentials would help (HTTP 401); false where these are good and do not suffice (403).
    pub const fn is_unauthenticated(&self) -> bool {
        !matches!(
            self,
            Self::NotAdmin(_)
                | Self::NotGranted { .. }
                | Self::ByService(_)
                | Self::Undecided
                | Self::Spent(Spent::Sessions(_) | Spent::Full)
        )
    }
}

/// Why the keyring was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// 10,000 keys exist.
    #[error("the server holds {KEYS_MAX} keys, its limit; revoke some first")]
    Full,
    /// Another key has this id.
    #[error("a key with id {0} exists already")]
    Duplicate(KeyId),
}

/// See the module. Shared by reference; its lock is inside and never held for longer than a lookup.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: RwLock<HashMap<String, StoredKey>>,
}

impl Keyring {
    /// A keyring without keys: everybody is denied.
    pub fn new() -> Self {
        Self::default()
    }

    /// A keyring of stored keys; where two share an id, the last counts.
    pub fn load(stored: impl IntoIterator<Item = StoredKey>) -> Self {
        let keys = stored.into_iter().take(KEYS_MAX).map(|key| (key.id.clone(), key)).collect();
        Self { keys: RwLock::new(keys) }
    }

    /// May `presented` publish `stream`? Publish keys and admin keys may, any stream of the default tenant.
    pub fn publish(&self, presented: &str, stream: &StreamId) -> Result<KeyId, Denied> {
        let key = self.find(presented)?;
        // A key belongs to the one tenant there is; the day there are more, this is where they part.
        if stream.tenant != unisono_base::Tenant::default() {
            return Err(Denied::Unknown(key.key_id()));
        }
        match key.role {
            Role::Publish | Role::Admin => Ok(key.key_id()),
        }
    }

    /// May `presented` administer?
    pub fn admin(&self, presented: &str) -> Result<KeyId, Denied> {
        let key = self.find(presented)?;
        match key.role {
            Role::Admin => Ok(key.key_id()),
            Role::Publish => Err(Denied::NotAdmin(key.key_id())),
        }
    }

    /// Adds a key that was just made.
    pub fn add(&self, key: &NewKey) -> Result<KeyId, KeyringError> {
        let stored = key.stored();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            return Err(KeyringError::Full);
        }
        if keys.contains_key(&stored.id) {
            return Err(KeyringError::Duplicate(stored.key_id()));
        }
        keys.insert(stored.id.clone(), stored.clone());
        Ok(stored.key_id())
    }

    /// Takes a key away; false when there is none with this id. What it publishes goes on until it reconnects.
    pub fn revoke(&self, id: &KeyId) -> bool {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(id.as_str()).is_some()
    }

    /// Is there a key with this id?
    pub fn knows(&self, id: &KeyId) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).contains_key(id.as_str())
    }

    /// Takes the place of all keys: what the store has now.
    pub fn replace(&self, stored: impl IntoIterator<Item = StoredKey>) {
        let keys = stored.into_iter().take(KEYS_MAX).map(|key| (key.id.clone(), key)).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// All keys, by id: for the API and to be stored.
    pub fn list(&self) -> Vec<StoredKey> {
        let mut keys: Vec<_> =
            self.keys.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        keys
    }

    fn find(&self, presented: &str) -> Result<StoredKey, Denied> {
        if presented.is_empty() {
            return Err(Denied::Missing);
        }
        let presented = PresentedKey::parse(presented).ok_or(Denied::Malformed)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(presented.id)
            .filter(|key| key.matches(&presented))
            .cloned()
            .ok_or_else(|| Denied::Unknown(KeyId::new(presented.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamId {
        StreamId::local("live/alice".parse().expect("valid"))
    }

    fn key(role: Role) -> NewKey {
        NewKey::generate(role, "test").expect("randomness")
    }

    #[test]
    fn a_publish_key_publishes_and_does_not_administer() {
        let ring = Keyring::new();
        let publish = key(Role::Publish);
        let id = ring.add(&publish).expect("room");
        assert_eq!(ring.publish(publish.reveal(), &stream()), Ok(id.clone()));
        assert_eq!(ring.admin(publish.reveal()), Err(Denied::NotAdmin(id)));
    }

    #[test]
    fn an_admin_key_may_do_both_until_it_is_revoked() {
        let ring = Keyring::new();
        let admin = key(Role::Admin);
        let id = ring.add(&admin).expect("room");
        assert_eq!(ring.admin(admin.reveal()), Ok(id.clone()));
        assert_eq!(ring.publish(admin.reveal(), &stream()), Ok(id.clone()));
        assert!(ring.revoke(&id) && !ring.revoke(&id));
        assert_eq!(ring.admin(admin.reveal()), Err(Denied::Unknown(id)));
    }

    #[test]
    fn the_wrong_secret_the_wrong_role_and_nonsense_are_told_apart() {
        let ring = Keyring::new();
        let good = key(Role::Publish);
        let id = ring.add(&good).expect("room");
        let text = good.reveal();
        let last = if text.ends_with('0') { "1" } else { "0" };
        let wrong_secret = format!("{}{last}", &text[..text.len() - 1]);
        assert_eq!(ring.publish(&wrong_secret, &stream()), Err(Denied::Unknown(id.clone())));
        assert_eq!(ring.admin(&text.replace("pk_", "ak_")), Err(Denied::Unknown(id)), "a role is not chosen");
        assert_eq!(ring.publish("", &stream()), Err(Denied::Missing));
        assert_eq!(ring.publish("secret", &stream()), Err(Denied::Malformed));
    }

    #[test]
    fn a_stored_keyring_comes_back() {
        let ring = Keyring::new();
        let (a, b) = (key(Role::Publish), key(Role::Admin));
        ring.add(&a).expect("room");
        ring.add(&b).expect("room");
        assert!(matches!(ring.add(&a), Err(KeyringError::Duplicate(_))));
        let again = Keyring::load(ring.list());
        assert_eq!(again.list(), ring.list());
        assert!(again.publish(a.reveal(), &stream()).is_ok() && again.admin(b.reveal()).is_ok());
    }
}
