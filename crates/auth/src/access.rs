//! The decision at every door: may whoever presented this do that, until when, and does it still hold?

use crate::{
    Keyring, PresentedKey,
    keyring::Denied,
    token::{Action, Claims, VerifyKey, is_token, verify},
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use unisono_base::{KeyId, StreamId};

/// Tokens revoked and not expired yet, at most; one more is refused, since forgetting one would let it in again.
const REVOKED_MAX: usize = 10_000;

/// Who may watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewPolicy {
    /// Everybody.
    #[default]
    Open,
    /// Who presents a token that grants `view`, or a key.
    Token,
}

/// What let somebody in. Ask [`Access::recheck`] from time to time whether it still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Who: a key's id, a token's subject, or nobody in particular.
    who: Who,
    /// Seconds since the Unix epoch.
    expires: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    Key(KeyId),
    Token { subject: KeyId, jti: Option<String> },
}

impl Pass {
    /// For a door that is open to all.
    pub const fn anyone() -> Self {
        Self { who: Who::Anyone, expires: None }
    }

    /// The id for logs, events and takeover: a key's, or `~subject` of a token, which no key's id can be.
    pub fn id(&self) -> KeyId {
        match &self.who {
            Who::Anyone => KeyId::new("anyone"),
            Who::Key(id) | Who::Token { subject: id, .. } => id.clone(),
        }
    }

    /// The `jti` of the token that let in, where it has one.
    pub fn token(&self) -> Option<&str> {
        match &self.who {
            Who::Token { jti, .. } => jti.as_deref(),
            Who::Anyone | Who::Key(_) => None,
        }
    }
}

/// A token's name that cannot be revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{REVOKED_MAX} tokens are revoked and have not expired, the limit; change the signing key instead")]
pub struct RevokedFull;

/// Keys, tokens and policy of a node. Shared by reference.
#[derive(Debug, Default)]
pub struct Access {
    keyring: Arc<Keyring>,
    tokens: RwLock<Vec<VerifyKey>>,
    /// Token ids, and when they expire by themselves.
    revoked: RwLock<HashMap<String, u64>>,
    view: RwLock<ViewPolicy>,
}

impl Access {
    /// Decides by `keyring` and by tokens that one of `tokens` signed.
    pub fn new(keyring: Arc<Keyring>, tokens: Vec<VerifyKey>, view: ViewPolicy) -> Self {
        Self { keyring, tokens: RwLock::new(tokens), revoked: RwLock::default(), view: RwLock::new(view) }
    }

    /// The keys.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Who may watch.
    pub fn view_policy(&self) -> ViewPolicy {
        *self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these sign tokens and this is who may watch. Who is in stays in until its own pass ends.
    pub fn set_rules(&self, tokens: Vec<VerifyKey>, view: ViewPolicy) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    /// May whoever presented this (key or token, empty for nothing) do `action` on `stream` or in its room? `now` in
    /// seconds since the Unix epoch.
    pub fn allow(
        &self,
        presented: &str,
        action: Action,
        stream: &StreamId,
        now: u64,
    ) -> Result<Pass, Denied> {
        if action == Action::View && self.view_policy() == ViewPolicy::Open {
            return Ok(Pass::anyone());
        }
        if presented.is_empty() {
            return Err(if action == Action::View { Denied::NoToken } else { Denied::Missing });
        }
        if PresentedKey::parse(presented).is_none() && is_token(presented) {
            return self.by_token(presented, action, stream, now);
        }
        let id = match action {
            Action::View | Action::Publish => self.keyring.publish(presented, stream)?,
            _ => self.keyring.admin(presented)?,
        };
        Ok(Pass { who: Who::Key(id), expires: None })
    }

    /// Is this an admin key?
    pub fn admin(&self, presented: &str) -> Result<KeyId, Denied> {
        self.keyring.admin(presented)
    }

    /// Does it hold still? Not once its key or token was revoked, or the token expired.
    pub fn recheck(&self, pass: &Pass, now: u64) -> Result<(), Denied> {
        if let Some(expires) = pass.expires.filter(|expires| now >= *expires) {
            return Err(Denied::Token(crate::TokenError::Expired(now - expires)));
        }
        match &pass.who {
            Who::Token { jti: Some(jti), .. } if self.is_revoked(jti) => Err(Denied::Revoked),
            Who::Key(id) if !self.keyring.knows(id) => Err(Denied::Unknown(id.clone())),
            _ => Ok(()),
        }
    }

    /// From now on the token of this name is refused everywhere; `expires` is when it would have ended by itself.
    pub fn revoke(&self, jti: &str, expires: u64, now: u64) -> Result<(), RevokedFull> {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, expires| *expires > now);
        if revoked.len() >= REVOKED_MAX && !revoked.contains_key(jti) {
            return Err(RevokedFull);
        }
        revoked.insert(jti.to_owned(), expires);
        Ok(())
    }

    fn is_revoked(&self, jti: &str) -> bool {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).contains_key(jti)
    }

    fn by_token(&self, token: &str, action: Action, stream: &StreamId, now: u64) -> Result<Pass, Denied> {
        let keys = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let claims: Claims = verify(&keys, token, now)?;
        drop(keys);
        if claims.jti.as_deref().is_some_and(|jti| self.is_revoked(jti)) {
            return Err(Denied::Revoked);
        }
        if !claims.allows(action, stream) {
            return Err(Denied::NotGranted { action, stream: stream.clone() });
        }
        let subject = KeyId::new(&format!("~{}", claims.sub.or(claims.name).unwrap_or_default()));
        Ok(Pass { who: Who::Token { subject, jti: claims.jti }, expires: Some(claims.exp) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewKey, Role, TokenError, token::sign};

    const NOW: u64 = 1_800_000_000;
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn stream(name: &str) -> StreamId {
        StreamId::local(name.parse().expect("valid"))
    }

    fn access(view: ViewPolicy) -> Access {
        let key = VerifyKey::hs256(Some("node"), SECRET).expect("long enough");
        Access::new(Arc::default(), vec![key], view)
    }

    fn token(actions: &[&str]) -> String {
        let grants = serde_json::json!([{ "stream": "live/x", "actions": actions }]);
        let claims = serde_json::json!({ "exp": NOW + 60, "jti": "one", "sub": "alice", "grants": grants });
        sign("node", SECRET, &serde_json::from_value(claims).expect("claims")).expect("plain data")
    }

    /// Every action against a token that grants another one, another stream, or it.
    #[test]
    fn each_action_needs_its_own_grant_on_its_own_stream() {
        use Action::*;
        let access = access(ViewPolicy::Token);
        let all = [View, Publish, Send, Host, Moderate, Bid];
        for granted in all {
            let token = token(&[granted.as_str()]);
            for wanted in all {
                let allowed = access.allow(&token, wanted, &stream("live/x"), NOW);
                assert_eq!(allowed.is_ok(), granted == wanted, "{granted} for {wanted}");
                let elsewhere = access.allow(&token, wanted, &stream("live/y"), NOW);
                assert!(matches!(elsewhere, Err(Denied::NotGranted { .. })));
            }
            assert!(access.admin(&token).is_err());
        }
    }

    #[test]
    fn expiry_and_revocation_end_what_has_begun() {
        let access = access(ViewPolicy::Token);
        let token = token(&["view"]);
        let pass = access.allow(&token, Action::View, &stream("live/x"), NOW).expect("granted");
        assert_eq!(pass.id().as_str(), "~alice");
        assert_eq!(access.recheck(&pass, NOW + 59), Ok(()));
        assert_eq!(access.recheck(&pass, NOW + 61), Err(Denied::Token(TokenError::Expired(1))));
        access.revoke("one", NOW + 60, NOW).expect("room");
        assert_eq!(access.recheck(&pass, NOW), Err(Denied::Revoked));
        assert_eq!(access.allow(&token, Action::View, &stream("live/x"), NOW), Err(Denied::Revoked));
    }

    #[test]
    fn an_open_door_asks_nothing_and_a_closed_one_asks_in_words() {
        let open = access(ViewPolicy::Open);
        assert_eq!(open.allow("", Action::View, &stream("live/x"), NOW), Ok(Pass::anyone()));
        assert_eq!(open.allow("", Action::Publish, &stream("live/x"), NOW), Err(Denied::Missing));
        let closed = access(ViewPolicy::Token);
        assert_eq!(closed.allow("", Action::View, &stream("live/x"), NOW), Err(Denied::NoToken));
        let nonsense = closed.allow("nonsense", Action::View, &stream("live/x"), NOW);
        assert_eq!(nonsense, Err(Denied::Malformed));
    }

    #[test]
    fn a_publisher_sees_its_own_stream_until_its_key_is_revoked() {
        let access = access(ViewPolicy::Token);
        let key = NewKey::generate(Role::Publish, "test").expect("randomness");
        let id = access.keyring().add(&key).expect("room");
        let pass = access.allow(key.reveal(), Action::View, &stream("live/x"), NOW).expect("its own");
        assert_eq!(access.recheck(&pass, NOW + 1_000_000), Ok(()), "keys do not expire");
        assert!(access.allow(key.reveal(), Action::Host, &stream("live/x"), NOW).is_err());
        access.keyring().revoke(&id);
        assert_eq!(access.recheck(&pass, NOW), Err(Denied::Unknown(id)));
    }
}
