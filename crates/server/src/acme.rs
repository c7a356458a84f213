//! A certificate that the node gets and renews by itself (ACME, RFC 8555): ordered in the background, kept in the store,
//! put into force without a restart.

mod challenge;
mod order;
mod stored;

pub(crate) use challenge::{ACME_TLS, Challenges};

use crate::{config::Acme, doors::Certificate, keys::Keys};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use stored::Stored;
use tokio_util::sync::CancellationToken;

/// How often the age of the certificate is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// After a failure; doubles up to [`RETRY_MAX`]. Authorities allow few failures an hour.
const RETRY_FIRST: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(6 * 3_600);

/// Keeps the certificate of the doors in date.
pub(crate) struct Renewal {
    config: Acme,
    certificate: Arc<Certificate>,
    challenges: Challenges,
    keys: Arc<Keys>,
}

impl Renewal {
    pub(crate) fn new(config: Acme, certificate: Arc<Certificate>, keys: Arc<Keys>) -> Self {
        let challenges = certificate.challenges().clone();
        Self { config, certificate, challenges, keys }
    }

    /// Puts the stored certificate into force, then renews it in time, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut pause = Duration::ZERO;
        let mut retry = RETRY_FIRST;
        let mut stored = self.take_stored().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let is_due = |stored: &Stored| stored.renew_at() <= SystemTime::now();
            if stored.as_ref().is_some_and(|stored| !is_due(stored)) {
                pause = LOOK_EVERY;
                continue;
            }
            let renewed = tokio::select! {
                () = stop.cancelled() => return,
                renewed = self.renew() => renewed,
            };
            match renewed {
                Ok(new) => {
                    tracing::info!(domains = ?self.config.domains, "ACME: the new certificate is in force");
                    (stored, pause, retry) = (Some(new), LOOK_EVERY, RETRY_FIRST);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, again_in = ?retry, "ACME: no certificate; the one before stays in force");
                    (pause, retry) = (retry, (retry * 2).min(RETRY_MAX));
                }
            }
        }
    }

    async fn take_stored(&self) -> Option<Stored> {
        let taken = async {
            let stored = Stored::read(self.keys.store(), &self.config).await?;
            if let Some(stored) = &stored {
                self.certificate.take_over(&stored.chain, &stored.key)?;
                tracing::info!(domains = ?self.config.domains, "ACME: the stored certificate is in force");
            }
            anyhow::Ok(stored)
        };
        taken.await.unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "ACME: the stored certificate cannot be used");
            None
        })
    }

    async fn renew(&self) -> anyhow::Result<Stored> {
        let account = order::account(&self.config, self.keys.store()).await?;
        let ordered = order::certificate(&self.config, &account, &self.challenges).await;
        self.challenges.clear();
        let (chain, key) = ordered?;
        let stored = Stored::new(&self.config, chain, key)?;
        // Kept before it is shown: a crash in between must not cost another order, of which authorities allow few.
        stored.write(self.keys.store()).await?;
        self.certificate.take_over(&stored.chain, &stored.key)?;
        Ok(stored)
    }
}
