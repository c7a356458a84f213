//! Key sets of others who sign tokens, from a file or over https: fetched at the start and every ten minutes, and sooner
//! when a token comes that no key here signed, which is how an issuer's new key shows. Nobody waits for a fetch: until it
//! is done the keys known before count.

use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use unisono_auth::{Access, Issuer, JWKS_BYTES_MAX, VerifyKey, parse_jwks};

/// Between two looks at a set.
const REFRESH_EVERY: Duration = Duration::from_secs(600);
/// Between two looks that tokens of unknown signers cause: whoever sends nonsense costs the issuer no more than this.
const REFETCH_EVERY: Duration = Duration::from_secs(30);
/// After a failure.
const RETRY_EVERY: Duration = Duration::from_secs(15);
/// How often the number of unknown signers is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A set that takes longer is not waited for.
const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// Where an issuer publishes its keys, and its place among those that count.
#[derive(Clone, Debug)]
pub(crate) struct KeySet {
    location: Location,
    access: Arc<Access>,
    issuer: Issuer,
}

#[derive(Clone, Debug)]
enum Location {
    File(PathBuf),
    Web { url: String, client: reqwest::Client },
}

impl KeySet {
    /// A set at `location`: an https URL, or a file, which has to be readable now. Over http only from this machine:
    /// whoever can change the answer on its way makes tokens.
    pub(crate) fn open(location: &str, access: Arc<Access>) -> anyhow::Result<Self> {
        let is_here = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
        let issuer = access.add_issuer();
        if location.starts_with("https://") || is_here.iter().any(|start| location.starts_with(start)) {
            let client = reqwest::Client::builder()
                .timeout(FETCH_WITHIN)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .with_context(|| format!("access.token_keys: jwks {location}"))?;
            return Ok(Self { location: Location::Web { url: location.to_owned(), client }, access, issuer });
        }
        if location.contains("://") {
            bail!("access.token_keys: jwks is a file or an https:// address, and {location:?} is neither");
        }
        let file = PathBuf::from(location);
        let keys = read(&file).with_context(|| format!("access.token_keys: jwks {location}"))?;
        access.replace_issuer(issuer, keys);
        Ok(Self { location: Location::File(file), access, issuer })
    }

    /// Keeps the keys up to date until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut known = 0;
        let mut is_failing = false;
        loop {
            let misses = self.access.unknown_signers();
            match self.look().await {
                Ok(count) => {
                    if count != known || is_failing {
                        tracing::info!(set = self.name(), keys = count, "key set read");
                    }
                    (known, is_failing) = (count, false);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(set = self.name(), error, "key set not read; the keys known before count");
                    is_failing = true;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.until_next(misses, is_failing) => {}
            }
        }
    }

    async fn until_next(&self, misses: u64, is_failing: bool) {
        let looked = Instant::now();
        tokio::time::sleep(if is_failing { RETRY_EVERY } else { REFETCH_EVERY }).await;
        if is_failing {
            return;
        }
        while self.access.unknown_signers() == misses && looked.elapsed() < REFRESH_EVERY {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self) -> anyhow::Result<usize> {
        let keys = match &self.location {
            Location::File(file) => read(file)?,
            Location::Web { url, client } => fetch(client, url).await?,
        };
        let count = keys.len();
        self.access.replace_issuer(self.issuer, keys);
        Ok(count)
    }

    fn name(&self) -> String {
        match &self.location {
            Location::File(file) => file.display().to_string(),
            // What stands behind the ? may be a secret.
            Location::Web { url, .. } => url.split('?').next().unwrap_or_default().to_owned(),
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<VerifyKey>> {
    Ok(parse_jwks(&std::fs::read(file).context("cannot be read")?)?)
}

async fn fetch(client: &reqwest::Client, url: &str) -> anyhow::Result<Vec<VerifyKey>> {
    let mut response =
        client.get(url).header("accept", "application/json").send().await?.error_for_status()?;
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await? {
        text.extend_from_slice(&piece);
        if text.len() > JWKS_BYTES_MAX {
            break;
        }
    }
    Ok(parse_jwks(&text)?)
}
