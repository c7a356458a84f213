//! WHIP (RFC 9725) and WHEP as a client speaks them: one POST with the offer, one DELETE at the end.

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode, Url, header};
use std::time::Duration;

/// No answer by then is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a stream that is not there yet is asked for.
const ATTEMPTS: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An accepted session.
pub(super) struct Session {
    pub(super) answer: String,
    resource: Url,
    key: Option<String>,
}

/// A client for all sessions; connections are kept and shared.
pub(super) fn client() -> anyhow::Result<Client> {
    Client::builder().timeout(PATIENCE).build().context("no HTTP client")
}

/// Offers at `endpoint`. While the stream is not there (404) it asks again, for ten seconds at most.
pub(super) async fn offer(
    client: &Client,
    endpoint: &str,
    key: Option<&str>,
    sdp: &str,
) -> anyhow::Result<Session> {
    let url: Url = endpoint.parse().with_context(|| format!("{endpoint} is not a URL"))?;
    for _ in 0..ATTEMPTS {
        let mut request = client.post(url.clone()).header(header::CONTENT_TYPE, "application/sdp");
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let response =
            request.body(sdp.to_owned()).send().await.with_context(|| format!("POST {endpoint}"))?;
        match response.status() {
            StatusCode::CREATED => {
                let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                let resource = url.join(location.context("the answer has no Location")?)?;
                return Ok(Session { answer: response.text().await?, resource, key: key.map(str::to_owned) });
            }
            StatusCode::NOT_FOUND => tokio::time::sleep(RETRY_AFTER).await,
            status => bail!("POST {endpoint}: {status}: {}", response.text().await.unwrap_or_default()),
        }
    }
    bail!("there is no stream at {endpoint}")
}

impl Session {
    /// Ends the session at the server; a failure only means that it times out there.
    pub(super) async fn delete(self, client: &Client) {
        let mut request = client.delete(self.resource);
        if let Some(key) = self.key {
            request = request.bearer_auth(key);
        }
        if let Err(error) = request.send().await {
            tracing::debug!(%error, "DELETE failed");
        }
    }
}
