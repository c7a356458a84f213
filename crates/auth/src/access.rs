//! The decision at every door: may whoever presented this do that, until when, and does it still hold?

use crate::{
    Keyring, PresentedKey, TokenError,
    keyring::Denied,
    token::{Action, Claims, VerifyKey, is_token, verify},
    uses::{Allowance, Held, Uses},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
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
    /// Set for a token that counts how often it lets in.
    counted: Option<Counted>,
    /// What a [`Gate`] let in.
    ticket: Option<Ticket>,
}

/// A viewer's token, to be asked about again. Never shown.
#[derive(Clone, PartialEq, Eq)]
struct Ticket {
    token: Arc<str>,
    stream: StreamId,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

/// Why a [`Gate`] lets somebody not in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The service said no; words for the viewer.
    Refused(String),
    /// The service does not answer.
    Undecided,
}

impl From<Closed> for Denied {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Refused(words) => Self::ByService(words),
            Closed::Undecided => Self::Undecided,
        }
    }
}

/// A second opinion about viewers: the operator's own service. Answers from memory and never waits.
pub trait Gate: fmt::Debug + Send + Sync {
    /// May whoever presented `token` begin to watch?
    fn enter(&self, token: &str, stream: &StreamId) -> Result<(), Closed>;
    /// May it go on?
    fn stays(&self, token: &str, stream: &StreamId) -> Result<(), Closed>;
}

/// How far a counted token has let somebody in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Counted {
    /// It would; [`Access::enter`] counts.
    Admitted { jti: String, allowance: Allowance },
    /// It has; the place is given back with the last clone of the pass.
    Inside { _held: Held },
    /// By polling: the place is given back when it stays away.
    Polling,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    Key(KeyId),
    Token { subject: KeyId, name: Option<String>, jti: Option<String> },
}

impl Pass {
    /// For a door that is open to all.
    pub const fn anyone() -> Self {
        Self { who: Who::Anyone, expires: None, counted: None, ticket: None }
    }

    /// The id for logs, events and takeover: a key's, or `~subject` of a token, which no key's id can be.
    pub fn id(&self) -> KeyId {
        match &self.who {
            Who::Anyone => KeyId::new("anyone"),
            Who::Key(id) | Who::Token { subject: id, .. } => id.clone(),
        }
    }

    /// How the token's owner is called, where it says so.
    pub fn name(&self) -> Option<&str> {
        match &self.who {
            Who::Token { name, .. } => name.as_deref(),
            Who::Anyone | Who::Key(_) => None,
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

/// A place for the keys of an issuer that publishes them as a set, to be replaced when the set changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issuer(usize);

/// Keys, tokens and policy of a node. Shared by reference.
#[derive(Debug, Default)]
pub struct Access {
    keyring: Arc<Keyring>,
    /// The fixed keys first, then those of each issuer.
    tokens: RwLock<Vec<Vec<VerifyKey>>>,
    /// Tokens that no key here had signed, so far.
    unknown_signers: AtomicU64,
    /// Token ids, and when they expire by themselves.
    revoked: RwLock<HashMap<String, u64>>,
    uses: Uses,
    view: RwLock<ViewPolicy>,
    gate: OnceLock<Arc<dyn Gate>>,
}

impl Access {
    /// Decides by `keyring` and by tokens that one of `tokens` signed.
    pub fn new(keyring: Arc<Keyring>, tokens: Vec<VerifyKey>, view: ViewPolicy) -> Self {
        Self { keyring, tokens: RwLock::new(vec![tokens]), view: RwLock::new(view), ..Self::default() }
    }

    /// Room for the keys of one more issuer, none so far.
    pub fn add_issuer(&self) -> Issuer {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.push(Vec::new());
        Issuer(tokens.len() - 1)
    }

    /// From now on these keys are the issuer's.
    pub fn replace_issuer(&self, issuer: Issuer, keys: Vec<VerifyKey>) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = tokens.get_mut(issuer.0) {
            *place = keys;
        }
    }

    /// Tokens that no key here had signed, so far: when it grows, an issuer may have a new key.
    pub fn unknown_signers(&self) -> u64 {
        self.unknown_signers.load(Ordering::Relaxed)
    }

    /// The keys.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// From now on `gate` is asked about every viewer who shows no key of this node. Only the first one is taken.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        let _ = self.gate.set(gate);
    }

    /// Nobody is asked for anything to watch.
    pub fn is_open(&self) -> bool {
        self.view_policy() == ViewPolicy::Open && self.gate.get().is_none()
    }

    /// Who may watch.
    pub fn view_policy(&self) -> ViewPolicy {
        *self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these sign tokens, beside the issuers, and this is who may watch. Who is in stays in until its own pass ends.
    pub fn set_rules(&self, tokens: Vec<VerifyKey>, view: ViewPolicy) {
        if let Some(fixed) = self.tokens.write().unwrap_or_else(PoisonError::into_inner).first_mut() {
            *fixed = tokens;
        }
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
        self.admit(presented, action, stream, now, |jti, allowance| {
            self.uses.check(&jti, allowance, now)?;
            Ok(Counted::Admitted { jti, allowance })
        })
    }

    /// Now it comes in: where the token counts its uses, this is one, and the pass holds one of its places from now on.
    /// To be asked last, when nothing else stands in the way.
    pub fn enter(&self, pass: Pass, now: u64) -> Result<Pass, Denied> {
        let Some(Counted::Admitted { jti, allowance }) = &pass.counted else { return Ok(pass) };
        let held = self.uses.hold(jti, *allowance, now)?;
        Ok(Pass { counted: Some(Counted::Inside { _held: held }), ..pass })
    }

    /// The same for a client that asks again with each request, as HLS players do, and is told apart by `client`: only
    /// its first request counts as a use, and its place is given back when it stays away.
    pub fn allow_polling(
        &self,
        presented: &str,
        action: Action,
        stream: &StreamId,
        client: u64,
        now: u64,
    ) -> Result<Pass, Denied> {
        self.admit(presented, action, stream, now, |jti, allowance| {
            self.uses.poll(&jti, allowance, client, now)?;
            Ok(Counted::Polling)
        })
    }

    fn admit(
        &self,
        presented: &str,
        action: Action,
        stream: &StreamId,
        now: u64,
        count: impl FnOnce(String, Allowance) -> Result<Counted, Denied>,
    ) -> Result<Pass, Denied> {
        let Some(gate) = self.gate.get().filter(|_| action == Action::View) else {
            return self.by_keys(presented, action, stream, now, count);
        };
        // A key of this node is judged by this node alone.
        if PresentedKey::parse(presented).is_some() {
            let id = self.keyring.publish(presented, stream)?;
            return Ok(Pass { who: Who::Key(id), expires: None, counted: None, ticket: None });
        }
        gate.enter(presented, stream)?;
        let pass = self.by_keys(presented, action, stream, now, count)?;
        Ok(Pass { ticket: Some(Ticket { token: presented.into(), stream: stream.clone() }), ..pass })
    }

    fn by_keys(
        &self,
        presented: &str,
        action: Action,
        stream: &StreamId,
        now: u64,
        count: impl FnOnce(String, Allowance) -> Result<Counted, Denied>,
    ) -> Result<Pass, Denied> {
        if action == Action::View && self.view_policy() == ViewPolicy::Open {
            return Ok(Pass::anyone());
        }
        if presented.is_empty() {
            return Err(if action == Action::View { Denied::NoToken } else { Denied::Missing });
        }
        if PresentedKey::parse(presented).is_none() && is_token(presented) {
            return self.by_token(presented, action, stream, now, count);
        }
        let id = match action {
            Action::View | Action::Publish => self.keyring.publish(presented, stream)?,
            _ => self.keyring.admin(presented)?,
        };
        Ok(Pass { who: Who::Key(id), expires: None, counted: None, ticket: None })
    }

    /// Is this an admin key?
    pub fn admin(&self, presented: &str) -> Result<KeyId, Denied> {
        self.keyring.admin(presented)
    }

    /// Does it hold still? Not once its key or token was revoked, or the token expired.
    pub fn recheck(&self, pass: &Pass, now: u64) -> Result<(), Denied> {
        if let Some(expires) = pass.expires.filter(|expires| now >= *expires) {
            return Err(Denied::Token(TokenError::Expired(now - expires)));
        }
        if let (Some(ticket), Some(gate)) = (&pass.ticket, self.gate.get()) {
            gate.stays(&ticket.token, &ticket.stream)?;
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

    /// The claims of a token that a key here signed and that holds; what they allow is not asked.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        let keys = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let claims = verify(keys.iter().flatten(), token, now);
        if claims == Err(TokenError::Signature) {
            self.unknown_signers.fetch_add(1, Ordering::Relaxed);
        }
        claims
    }

    /// Tokens used for the last time since this was asked, with when they expire: to be kept over a restart.
    pub fn take_exhausted(&self) -> Vec<(String, u64)> {
        self.uses.take_exhausted()
    }

    /// A token that was used for the last time before a restart.
    pub fn exhaust(&self, jti: &str, expires: u64) {
        self.uses.exhaust(jti, expires);
    }

    fn by_token(
        &self,
        token: &str,
        action: Action,
        stream: &StreamId,
        now: u64,
        count: impl FnOnce(String, Allowance) -> Result<Counted, Denied>,
    ) -> Result<Pass, Denied> {
        let claims = self.verify(token, now)?;
        if claims.jti.as_deref().is_some_and(|jti| self.is_revoked(jti)) {
            return Err(Denied::Revoked);
        }
        if !claims.allows(action, stream) {
            return Err(Denied::NotGranted { action, stream: stream.clone() });
        }
        let allowance = Allowance { uses: claims.uses, sessions: claims.sessions, expires: claims.exp };
        let counted = match &claims.jti {
            Some(jti) if claims.uses.is_some() || claims.sessions.is_some() => {
                Some(count(jti.clone(), allowance)?)
            }
            _ => None,
        };
        let subject =
            KeyId::new(&format!("~{}", claims.sub.as_ref().or(claims.name.as_ref()).map_or("", |id| id)));
        Ok(Pass {
            who: Who::Token { subject, name: claims.name, jti: claims.jti },
            expires: Some(claims.exp),
            counted,
            ticket: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewKey, Role, Spent, token::sign};

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
    fn a_token_for_one_use_is_refused_when_it_is_replayed() {
        let access = access(ViewPolicy::Token);
        let grants = serde_json::json!([{ "stream": "live/x", "actions": ["view"] }]);
        let claims = serde_json::json!({ "exp": NOW + 60, "jti": "one", "uses": 1, "grants": grants });
        let token =
            sign("node", SECRET, &serde_json::from_value(claims).expect("claims")).expect("plain data");
        let elsewhere = access.allow(&token, Action::View, &stream("live/y"), NOW);
        assert!(matches!(elsewhere, Err(Denied::NotGranted { .. })), "a refusal is no use");
        let ask = || access.allow(&token, Action::View, &stream("live/x"), NOW);
        ask().expect("asking is no use");
        let pass = access.enter(ask().expect("still"), NOW).expect("the first");
        assert_eq!(access.recheck(&pass, NOW), Ok(()), "who is in stays in");
        let replayed = ask().expect_err("the second");
        assert_eq!(replayed, Denied::Spent(Spent::Uses(1)));
        assert!(replayed.is_unauthenticated() && replayed.is_genuine());
    }

    #[test]
    fn an_issuer_replaces_its_keys_and_unknown_signers_are_counted() {
        let access = access(ViewPolicy::Token);
        let other = b"another secret of thirty-two bytes!";
        let claims = serde_json::json!({ "exp": NOW + 60,
            "grants": [{ "stream": "live/x", "actions": ["view"] }] });
        let token =
            sign("theirs", other, &serde_json::from_value(claims).expect("claims")).expect("plain data");
        let ask = || access.allow(&token, Action::View, &stream("live/x"), NOW);
        let issuer = access.add_issuer();
        assert!(ask().is_err() && access.unknown_signers() == 1);
        let keys = || vec![VerifyKey::hs256(Some("theirs"), other).expect("long enough")];
        access.replace_issuer(issuer, keys());
        assert!(ask().is_ok() && access.unknown_signers() == 1);
        access.replace_issuer(issuer, Vec::new());
        assert_eq!(ask(), Err(Denied::Token(TokenError::Signature)));
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
