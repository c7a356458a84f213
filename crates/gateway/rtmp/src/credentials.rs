//! Who may publish where, from what the encoder put into its server and stream key fields.
//!
//! ```text
//! server      rtmp://host/live        (a slash at the end does not matter)
//! stream key  alice?key=pk_...        stream live/alice
//! ```

use unisono_auth::{Access, Action, Denied, Pass, PresentedKey};
use unisono_base::{KeyId, NameError, StreamId, StreamName};
use unisono_hub::PublishError;
use unisono_proto_rtmp::StreamKey;

/// Why a publisher is sent away. Its words go to the encoder and into the log; none holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(
        "the stream key must be a name and a key, for example alice?key=pk_...; a key alone does not say which stream"
    )]
    KeyAsName,
    #[error("publishing needs a key; write it behind the stream's name, for example alice?key=pk_...")]
    NoKey,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("too many keys and tokens that nobody made came from your address; try again in {0} s")]
    Impatient(u64),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Refused(#[from] unisono_hub::Refused),
}

impl Refusal {
    /// A key or token that nobody made.
    pub(crate) const fn is_guess(&self) -> bool {
        matches!(self, Self::Denied(denied) if denied.is_unauthenticated() && !denied.is_genuine())
    }

    /// Label for metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) | Self::KeyAsName => "name",
            Self::NoKey => "no_key",
            Self::Denied(_) => "wrong_key",
            Self::Publish(PublishError::OverQuota(_)) | Self::Refused(_) => "quota",
            Self::Publish(PublishError::Blocked { .. }) => "blocked",
            Self::Publish(PublishError::Closed(_)) => "draining",
            Self::Impatient(_) => "impatient",
            Self::Publish(_) => "taken",
        }
    }
}

/// The stream asked for and what allows it at `now`, seconds since the Unix epoch.
pub(crate) fn check(
    app: &StreamKey,
    stream: &StreamKey,
    access: &Access,
    now: u64,
) -> Result<(StreamId, Pass), Refusal> {
    let (id, key) = target(app, stream)?;
    let pass = access.enter(access.allow(key, Action::Publish, &id, now)?, now)?;
    Ok((id, pass))
}

/// What a refused publisher wanted: the stream, and the id of the key it showed. `None` where it named no stream.
pub(crate) fn asked_for(app: &StreamKey, stream: &StreamKey) -> Option<(StreamId, Option<KeyId>)> {
    match target(app, stream) {
        Ok((id, key)) => Some((id, PresentedKey::parse(key).map(|key| key.id()))),
        Err(Refusal::NoKey) => {
            let name = StreamName::new(app.name().trim_matches('/'), stream.name().trim_matches('/')).ok()?;
            Some((StreamId::local(name), None))
        }
        Err(_) => None,
    }
}

fn target<'a>(app: &'a StreamKey, stream: &'a StreamKey) -> Result<(StreamId, &'a str), Refusal> {
    // Before the names are printed anywhere: a key in the wrong place is still a secret.
    if [app.name(), stream.name()].iter().any(|name| name.contains("pk_") || name.contains("ak_")) {
        return Err(Refusal::KeyAsName);
    }
    let name = StreamName::new(app.name().trim_matches('/'), stream.name().trim_matches('/'))?;
    let key = stream.query("key").or_else(|| app.query("key")).filter(|key| !key.is_empty());
    Ok((StreamId::local(name), key.ok_or(Refusal::NoKey)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(app: &str, stream: &str) -> Result<(String, String), String> {
        let (app, stream) = (StreamKey::new(app), StreamKey::new(stream));
        target(&app, &stream).map(|(id, key)| (id.to_string(), key.to_owned())).map_err(|e| e.to_string())
    }

    #[test]
    fn encoders_spell_it_in_several_ways() {
        let expected = Ok(("live/alice".to_owned(), "pk_1_2".to_owned()));
        assert_eq!(check("live", "alice?key=pk_1_2"), expected);
        assert_eq!(check("live/", "alice?x=y&key=pk_1_2"), expected);
        assert_eq!(check("live?key=pk_1_2", "alice"), expected);
        assert_eq!(check("live/?key=pk_1_2", "/alice"), expected);
    }

    #[test]
    fn refusals_say_what_to_write_and_hold_no_secret() {
        assert!(check("live", "alice").expect_err("no key").contains("alice?key=pk_..."));
        assert!(check("live", "alice?key=").is_err());
        for stream in ["pk_12345678_0123", "alice&key=pk_12345678_0123", "alice/pk_12345678_0123"] {
            let words = check("live", stream).expect_err("a key in the name");
            assert!(!words.contains("0123"), "{words}");
        }
        assert!(check("api", "alice?key=k").expect_err("reserved").contains("reserved"));
        assert!(check("live/room", "alice?key=k").is_err());
    }
}
