//! Where to deliver what, checked.

use crate::{EventKind, Secret};
use reqwest::Url;
use std::net::IpAddr;
use unisono_auth::Pattern;
use unisono_base::StreamId;

/// Endpoints in use at once, and secrets of each.
pub(crate) const SECRETS_MAX: usize = 4;

/// One receiver of events.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) url: Url,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) events: Vec<EventKind>,
    pub(crate) streams: Option<Pattern>,
}

/// A receiver that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not an address we would send to.
    #[error(
        "{0:?} is not a webhook URL: one begins with https:// (http:// only to this machine), without user and password"
    )]
    Url(String),
    /// None, or too many.
    #[error("a webhook needs one to {SECRETS_MAX} secrets; this has {0}")]
    Secrets(usize),
}

impl Endpoint {
    /// Empty `events` mean all of them; no pattern means every stream.
    pub fn new(
        url: &str,
        secrets: Vec<Secret>,
        events: Vec<EventKind>,
        streams: Option<Pattern>,
    ) -> Result<Self, EndpointError> {
        if secrets.is_empty() || secrets.len() > SECRETS_MAX {
            return Err(EndpointError::Secrets(secrets.len()));
        }
        let events = if events.is_empty() { EventKind::ALL.to_vec() } else { events };
        Ok(Self { url: checked(url)?, secrets, events, streams })
    }

    pub(crate) fn wants(&self, kind: EventKind, stream: &StreamId) -> bool {
        self.events.contains(&kind) && self.streams.as_ref().is_none_or(|pattern| pattern.matches(stream))
    }
}

/// What is decided about a viewer whose service does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody new gets in. Who watches already, stays.
    Refuse,
    /// Everybody gets in.
    Allow,
}

/// The service that decides about viewers.
#[derive(Clone, Debug)]
pub struct GateConfig {
    pub(crate) url: Url,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) unanswered: Unanswered,
}

impl GateConfig {
    /// As [`Endpoint::new`].
    pub fn new(url: &str, secrets: Vec<Secret>, unanswered: Unanswered) -> Result<Self, EndpointError> {
        if secrets.is_empty() || secrets.len() > SECRETS_MAX {
            return Err(EndpointError::Secrets(secrets.len()));
        }
        Ok(Self { url: checked(url)?, secrets, unanswered })
    }
}

/// Viewers' tokens and stream names do not travel in the clear, except within this machine.
fn checked(text: &str) -> Result<Url, EndpointError> {
    // Without what may be secret in it: it goes into a log.
    let shown = || {
        EndpointError::Url(text.split(['?', '@']).next_back().unwrap_or_default().chars().take(200).collect())
    };
    let url = Url::parse(text).map_err(|_| shown())?;
    let host = url.host_str().ok_or_else(shown)?;
    let bare = host.trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    let is_bare = url.username().is_empty() && url.password().is_none();
    if is_safe && is_bare { Ok(url) } else { Err(shown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_encrypted_or_stay_on_this_machine() {
        for good in
            ["https://example.com/hook", "http://localhost:1/x", "http://127.0.0.1:1", "http://[::1]:1/"]
        {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/",
            "ftp://localhost/",
            "https://u:p@example.com/",
            "hook",
            "file:///etc/passwd",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
