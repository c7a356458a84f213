//! The last certificate, as the store keeps it over restarts.

use crate::config::Acme;
use anyhow::Context;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use unisono_store::{Kv, SqliteKv};

const NAME: &str = "acme/certificate";

/// A certificate with what it was ordered for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    directory: String,
    domains: Vec<String>,
    /// PEM.
    pub(super) chain: String,
    /// PEM.
    pub(super) key: String,
    /// Seconds since the Unix epoch.
    not_before: u64,
    not_after: u64,
}

impl Stored {
    pub(super) fn new(config: &Acme, chain: String, key: String) -> anyhow::Result<Self> {
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).context("the certificate is no PEM")?;
        let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).context("the certificate is no X.509")?;
        let seconds = |time: x509_parser::time::ASN1Time| time.timestamp().max(0) as u64;
        let validity = leaf.validity();
        let (not_before, not_after) = (seconds(validity.not_before), seconds(validity.not_after));
        let (directory, domains) = (config.directory.clone(), config.domains.clone());
        Ok(Self { directory, domains, chain, key, not_before, not_after })
    }

    /// What the store has, if it was ordered for the same domains at the same authority and has not ended.
    pub(super) async fn read(store: &SqliteKv, config: &Acme) -> anyhow::Result<Option<Self>> {
        let Some(entry) = store.get(NAME).await? else { return Ok(None) };
        let stored: Self = serde_json::from_str(&entry.value).context("damaged")?;
        let is_wanted = stored.directory == config.directory && stored.domains == config.domains;
        let is_in_date = SystemTime::now() < at(stored.not_after);
        Ok((is_wanted && is_in_date).then_some(stored))
    }

    pub(super) async fn write(&self, store: &SqliteKv) -> anyhow::Result<()> {
        let version = store.get(NAME).await?.map(|entry| entry.version);
        store.put_if(NAME, version, serde_json::to_string(self)?).await?;
        Ok(())
    }

    /// A third of its life before its end, which leaves weeks for what can go wrong.
    pub(super) fn renew_at(&self) -> SystemTime {
        let life = self.not_after.saturating_sub(self.not_before);
        at(self.not_after - life / 3)
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::TemporaryDir;

    fn stored(config: &Acme) -> Stored {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(config.domains.clone()).expect("names");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2126, 1, 1);
        let signed = params.self_signed(&pair).expect("signed");
        Stored::new(config, signed.pem(), pair.serialize_pem()).expect("a certificate")
    }

    #[tokio::test]
    async fn it_survives_a_restart_and_counts_only_for_what_it_was_ordered_for() {
        let folder = TemporaryDir::new().expect("a folder");
        let store = SqliteKv::open(&folder.path().join("x.sqlite")).await.expect("made");
        let config = Acme { domains: vec!["a.example".to_owned()], ..Acme::default() };
        assert!(Stored::read(&store, &config).await.expect("reads").is_none());
        let stored = stored(&config);
        stored.write(&store).await.expect("written");
        stored.write(&store).await.expect("written over");
        let read = Stored::read(&store, &config).await.expect("reads").expect("there");
        assert_eq!((read.chain, read.not_after), (stored.chain.clone(), stored.not_after));
        let other = Acme { domains: vec!["b.example".to_owned()], ..Acme::default() };
        assert!(Stored::read(&store, &other).await.expect("reads").is_none());
    }

    #[test]
    fn it_is_renewed_a_third_of_its_life_before_its_end() {
        let config = Acme { domains: vec!["a.example".to_owned()], ..Acme::default() };
        let stored = Stored { not_before: 1_000, not_after: 4_000, ..stored(&config) };
        assert_eq!(stored.renew_at(), at(3_000));
    }
}
