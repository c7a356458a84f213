//! One signed POST: a short time, no redirect, no proxy, a bounded answer.

use crate::Secret;
use reqwest::{Url, header, redirect};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use unisono_auth::signatures;

/// A receiver has so long for one delivery.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Most of an answer's body that is read.
const ANSWER_MAX: usize = 4 << 10;

/// Sends. Cheap to clone; connections are kept and used again.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("webhooks cannot be sent: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `max-age` of its Cache-Control.
    pub(crate) max_age: Option<Duration>,
    /// `Retry-After` in seconds.
    pub(crate) retry_after: Option<Duration>,
    /// Its beginning.
    pub(crate) body: String,
}

impl Client {
    /// Certificates are judged by the system's roots. The process must have a default crypto provider.
    pub fn new() -> Result<Self, ClientError> {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER_WITHIN)
            .connect_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(8)
            .user_agent(concat!("unisono/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// An error is in words that hold neither token nor secret.
    pub(crate) async fn post(
        &self,
        url: &Url,
        secrets: &[Secret],
        id: &str,
        body: &str,
    ) -> Result<Answer, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self
            .0
            .post(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signatures(secrets, id, now, body))
            .body(body.to_owned());
        let mut response = request.send().await.map_err(|error| words(&error))?;
        let number =
            |name| response.headers().get(name)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
        let retry_after = number(header::RETRY_AFTER);
        let cache = response.headers().get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let max_age = cache.and_then(max_age);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX
            && let Some(piece) = response.chunk().await.map_err(|error| words(&error))?
        {
            body.extend_from_slice(&piece[..piece.len().min(ANSWER_MAX - body.len())]);
        }
        Ok(Answer { status, max_age, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

fn max_age(cache: &str) -> Option<Duration> {
    let mut parts = cache.split(',').map(|part| part.trim().to_ascii_lowercase());
    let seconds = parts.find_map(|part| part.strip_prefix("max-age=").and_then(|n| n.parse().ok()))?;
    Some(Duration::from_secs(seconds))
}

/// The innermost cause says most; the URL, which may hold a secret, is left out.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", ANSWER_WITHIN.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_found_among_other_words() {
        assert_eq!(max_age("private, Max-Age=30"), Some(Duration::from_secs(30)));
        assert_eq!(max_age("no-store"), None);
        assert_eq!(max_age("max-age=soon"), None);
    }
}
