//! Tokens that somebody else (or `unisono token`) signs: JSON Web Tokens (RFC 7519) with one claim set for every door.
//!
//! ```json
//! {"sub": "alice", "exp": 1800000000, "jti": "…", "grants": [{"stream": "live/x", "actions": ["view"]}]}
//! ```
//!
//! Default deny: what no grant names is refused. The signature's algorithm is the key's, whatever the token says.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::fmt;
use unisono_base::{StreamId, Tenant};

/// A longer token is refused unread.
const TOKEN_MAX: usize = 4_096;
/// Clocks of issuer and server may differ by this much, seconds.
pub(crate) const SKEW_S: u64 = 5;
const GRANTS_MAX: usize = 64;

/// What a grant allows (decisions 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Play the stream, read its room.
    View,
    /// Publish the stream.
    Publish,
    /// Send to the room's untimed lanes.
    Send,
    /// Send events of every type to the room.
    Host,
    /// Mute, ban, delete.
    Moderate,
    /// Bid.
    Bid,
    /// Everything.
    Admin,
}

impl Action {
    /// The word in a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Publish => "publish",
            Self::Send => "send",
            Self::Host => "host",
            Self::Moderate => "moderate",
            Self::Bid => "bid",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `app/name`; either part may be `*` or end in `*`, which stands for any rest of that part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    app: String,
    name: String,
}

/// A text that is not a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stream pattern: one looks like live/alice, live/* or live/alice-*")]
pub struct PatternError(String);

impl Pattern {
    /// True where the stream's name is meant.
    pub fn matches(&self, stream: &StreamId) -> bool {
        part_matches(&self.app, stream.name.app()) && part_matches(&self.name, stream.name.name())
    }
}

fn part_matches(pattern: &str, part: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == part, |start| part.starts_with(start))
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        let is_part = |part: &str| {
            let fixed = part.strip_suffix('*').unwrap_or(part);
            let is_named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
            !part.is_empty() && part.len() <= 64 && fixed.bytes().all(is_named)
        };
        match text.split_once('/') {
            Some((app, name)) if is_part(app) && is_part(name) => {
                Ok(Self { app: app.to_owned(), name: name.to_owned() })
            }
            _ => Err(PatternError(text.chars().take(140).collect())),
        }
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        text.to_owned().try_into()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        format!("{}/{}", pattern.app, pattern.name)
    }
}

/// Some actions on some streams and their rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Which.
    pub stream: Pattern,
    /// What.
    pub actions: Vec<Action>,
}

/// What a token says. Claims we do not know are ignored, as RFC 7519 §4 wants it; grants with unknown fields are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Seconds since the Unix epoch; from then on it is refused. Required.
    pub exp: u64,
    /// Refused before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Its own name, by which it can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Whose streams it is for; the default tenant's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How often it lets somebody in: sessions opened, events sent; unlimited without it. Needs `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// How many may be in by it at once; unlimited without it. Needs `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// What it allows.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

impl Claims {
    /// Does a grant name this action, or `admin`, on this stream?
    pub fn allows(&self, action: Action, stream: &StreamId) -> bool {
        self.is_of(&stream.tenant)
            && self.grants.iter().any(|grant| {
                (grant.actions.contains(&action) || grant.actions.contains(&Action::Admin))
                    && grant.stream.matches(stream)
            })
    }

    fn is_of(&self, tenant: &Tenant) -> bool {
        self.tenant.as_deref().map_or_else(|| *tenant == Tenant::default(), |own| own == tenant.as_str())
    }
}

/// Why a token is not believed. The words are for whoever presented it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three parts of base64url, too long, or claims of another form.
    #[error("the token is malformed: {0}")]
    Malformed(String),
    /// No key of this server signed it.
    #[error("the token is not signed by a key that this server knows")]
    Signature,
    /// Over.
    #[error("the token has expired {0} s ago; ask for a new one")]
    Expired(u64),
    /// Not begun.
    #[error("the token begins in {0} s")]
    TooEarly(u64),
}

/// A key that verifies tokens.
pub struct VerifyKey {
    /// Tried only for tokens that name it, or name none.
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Text that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyKeyError {
    /// HS256 needs a secret that cannot be guessed (RFC 7518 §3.2).
    #[error("an HS256 secret needs 32 bytes at least, this one has {0}")]
    Short(usize),
    /// Not a PEM public key of that kind.
    #[error("not a PEM public key for {0}: {1}")]
    Pem(&'static str, String),
}

impl VerifyKey {
    /// HMAC with SHA-256; both sides hold the secret.
    pub fn hs256(kid: Option<&str>, secret: &[u8]) -> Result<Self, VerifyKeyError> {
        if secret.len() < 32 {
            return Err(VerifyKeyError::Short(secret.len()));
        }
        Ok(Self::of(kid, Algorithm::HS256, DecodingKey::from_secret(secret)))
    }

    /// ECDSA on P-256, from a PEM public key.
    pub fn es256(kid: Option<&str>, pem: &[u8]) -> Result<Self, VerifyKeyError> {
        let key = DecodingKey::from_ec_pem(pem).map_err(|e| VerifyKeyError::Pem("ES256", e.to_string()))?;
        Ok(Self::of(kid, Algorithm::ES256, key))
    }

    /// Ed25519, from a PEM public key.
    pub fn eddsa(kid: Option<&str>, pem: &[u8]) -> Result<Self, VerifyKeyError> {
        let key = DecodingKey::from_ed_pem(pem).map_err(|e| VerifyKeyError::Pem("EdDSA", e.to_string()))?;
        Ok(Self::of(kid, Algorithm::EdDSA, key))
    }

    pub(crate) fn of(kid: Option<&str>, algorithm: Algorithm, key: DecodingKey) -> Self {
        Self { kid: kid.map(str::to_owned), algorithm, key }
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.algorithm, self.kid)
    }
}

/// True for a text of the form of a token, so that it can be told from a key.
pub fn is_token(text: &str) -> bool {
    text.len() <= TOKEN_MAX && text.bytes().filter(|b| *b == b'.').count() == 2
}

/// The claims of a token that one of `keys` signed and that holds at `now`, seconds since the Unix epoch.
pub fn verify<'a>(
    keys: impl IntoIterator<Item = &'a VerifyKey>,
    token: &str,
    now: u64,
) -> Result<Claims, TokenError> {
    if !is_token(token) {
        return Err(TokenError::Malformed(format!("three parts of at most {TOKEN_MAX} bytes are expected")));
    }
    let malformed = |error: jsonwebtoken::errors::Error| TokenError::Malformed(error.to_string());
    let header = jsonwebtoken::decode_header(token).map_err(malformed)?;
    let is_meant = |key: &&VerifyKey| header.kid.is_none() || key.kid == header.kid || key.kid.is_none();
    for key in keys.into_iter().filter(is_meant).filter(|key| key.algorithm == header.alg) {
        let mut validation = Validation::new(key.algorithm);
        // Time is the caller's; audience and issuer follow from the key.
        validation.validate_exp = false;
        validation.validate_aud = false;
        match jsonwebtoken::decode::<Claims>(token, &key.key, &validation) {
            Ok(data) => return in_time(data.claims, now),
            Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::InvalidSignature) => {}
            Err(error) => return Err(malformed(error)),
        }
    }
    Err(TokenError::Signature)
}

fn in_time(claims: Claims, now: u64) -> Result<Claims, TokenError> {
    if claims.grants.len() > GRANTS_MAX {
        return Err(TokenError::Malformed(format!("{GRANTS_MAX} grants at most")));
    }
    if claims.jti.is_none() && (claims.uses.is_some() || claims.sessions.is_some()) {
        return Err(TokenError::Malformed(
            "\"uses\" and \"sessions\" count by \"jti\", which it lacks".to_owned(),
        ));
    }
    if now >= claims.exp.saturating_add(SKEW_S) {
        return Err(TokenError::Expired(now - claims.exp));
    }
    match claims.nbf {
        Some(nbf) if nbf > now.saturating_add(SKEW_S) => Err(TokenError::TooEarly(nbf - now)),
        _ => Ok(claims),
    }
}

/// Signs claims with HS256 under the name `kid`.
pub fn sign(kid: &str, secret: &[u8], claims: &Claims) -> Result<String, TokenError> {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))
        .map_err(|error| TokenError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn stream(name: &str) -> StreamId {
        StreamId::local(name.parse().expect("valid"))
    }

    fn claims(grants: serde_json::Value) -> Claims {
        serde_json::from_value(serde_json::json!({ "exp": NOW + 60, "jti": "a", "grants": grants }))
            .expect("valid")
    }

    fn keys() -> Vec<VerifyKey> {
        vec![VerifyKey::hs256(Some("node"), SECRET).expect("long enough")]
    }

    #[test]
    fn a_signed_token_holds_until_it_expires() {
        let claims = claims(serde_json::json!([{ "stream": "live/x", "actions": ["view"] }]));
        let token = sign("node", SECRET, &claims).expect("plain data");
        assert_eq!(verify(&keys(), &token, NOW), Ok(claims.clone()));
        assert_eq!(verify(&keys(), &token, claims.exp + SKEW_S - 1), Ok(claims.clone()), "clocks differ");
        assert_eq!(verify(&keys(), &token, claims.exp + 9), Err(TokenError::Expired(9)));
    }

    #[test]
    fn another_signature_no_signature_and_another_algorithm_are_refused() {
        let claims = claims(serde_json::json!([]));
        let foreign = sign("node", b"another secret of thirty-two bytes!", &claims).expect("plain data");
        assert_eq!(verify(&keys(), &foreign, NOW), Err(TokenError::Signature));
        let token = sign("node", SECRET, &claims).expect("plain data");
        let (head, rest) = token.split_once('.').expect("three parts");
        let (body, signature) = rest.split_once('.').expect("three parts");
        // {"alg":"none"} and {"alg":"HS512","kid":"node"}
        for other in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiIsImtpZCI6Im5vZGUifQ"] {
            assert!(verify(&keys(), &format!("{other}.{body}.{signature}"), NOW).is_err());
        }
        assert!(verify(&keys(), &format!("{head}.{body}."), NOW).is_err(), "no signature");
        assert!(verify([], &token, NOW).is_err(), "no keys");
        for text in ["", "a.b", "a.b.c", "....", &"a".repeat(10_000), "ö.ü.ä"] {
            assert!(matches!(verify(&keys(), text, NOW), Err(TokenError::Malformed(_))), "{text:.20}");
        }
    }

    #[test]
    fn a_grant_allows_what_it_names_and_nothing_else() {
        let claims = claims(serde_json::json!([
            { "stream": "live/alice-*", "actions": ["view", "send"] },
            { "stream": "tv/*", "actions": ["admin"] },
        ]));
        assert!(claims.allows(Action::View, &stream("live/alice-1")));
        assert!(!claims.allows(Action::View, &stream("live/bob")), "another stream");
        assert!(!claims.allows(Action::Publish, &stream("live/alice-1")), "another action");
        assert!(claims.allows(Action::Publish, &stream("tv/news")), "admin is all");
        let foreign = Claims { tenant: Some("other".to_owned()), ..claims };
        assert!(!foreign.allows(Action::View, &stream("live/alice-1")), "another tenant");
    }

    #[test]
    fn patterns_are_checked_where_they_come_in() {
        for good in ["live/x", "*/*", "live/*", "a.b-c_d/x*"] {
            assert_eq!(String::from(good.parse::<Pattern>().expect(good)), good);
        }
        for bad in ["", "live", "live/", "/x", "li*ve/x", "live/x/y", "live/ä", "live/x y"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
        let unknown = serde_json::json!({ "stream": "live/x", "actions": ["fly"] });
        assert!(serde_json::from_value::<Grant>(unknown).is_err(), "an action we do not know");
    }

    #[test]
    fn a_short_secret_is_no_secret() {
        assert_eq!(VerifyKey::hs256(None, b"short").expect_err("short"), VerifyKeyError::Short(5));
    }
}
