//! TLS for the doors that speak it: a certificate from files, taken over anew when they change, or one of the node's own.

use crate::{
    acme::Challenges,
    config::{Config, Https},
};
use anyhow::{Context, bail};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Below the data directory, where no files are named.
const OWN: [&str; 2] = ["certificate.pem", "certificate.key"];
/// The node's own certificate is made anew once it is this old: its names are the addresses of then.
const OWN_AGE_MAX: Duration = Duration::from_secs(180 * 86_400);

/// The certificate in use and where it comes from.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: RwLock<[PathBuf; 2]>,
    /// Signed by the node itself: browsers warn.
    pub(crate) is_own: bool,
    current: RwLock<Arc<CertifiedKey>>,
    challenges: Challenges,
}

impl Certificate {
    /// Reads the files that `https` names, or makes a certificate for `localhost` and `addresses` below `data_dir`.
    pub(crate) fn open(https: &Https, data_dir: &Path, addresses: &[IpAddr]) -> anyhow::Result<Arc<Self>> {
        let (files, is_own) = match (&https.certificate, &https.key) {
            (Some(certificate), Some(key)) => ([certificate.clone(), key.clone()], false),
            _ => (OWN.map(|name| data_dir.join(name)), true),
        };
        if is_own && is_stale(&files[0]) {
            make_own(&files, addresses).context("the node's own certificate cannot be made")?;
        }
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Arc::new(Self { files: RwLock::new(files), is_own, current, challenges: Challenges::default() }))
    }

    /// From now on the files that `https` names, if it names any; a pair that cannot be used changes nothing.
    pub(crate) fn reopen(&self, https: &Https) -> anyhow::Result<()> {
        let (Some(certificate), Some(key)) = (&https.certificate, &https.key) else { return Ok(()) };
        let files = [certificate.clone(), key.clone()];
        let read = read(&files)?;
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = files;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    fn files(&self) -> [PathBuf; 2] {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One that ACME will replace: until then, of the node's own.
    pub(crate) fn for_acme(config: &Config) -> anyhow::Result<Arc<Self>> {
        let mut this = Self::open(&Https::default(), &config.data_dir, &[])?;
        // It is a stopgap: nobody is to be told to get used to it, and nothing watches its files.
        Arc::get_mut(&mut this).context("just made")?.is_own = false;
        Ok(this)
    }

    /// Puts a chain and its key, both PEM, into force.
    pub(crate) fn take_over(&self, chain: &str, key: &str) -> anyhow::Result<()> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let pair = CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(&private)?);
        pair.keys_match().context("the key is not that of the certificate")?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
        Ok(())
    }

    /// What an ACME authority asks of the doors that show this certificate.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// What a door speaks: TLS 1.2 and 1.3, and inside it the first of `protocols` that the client knows (RFC 7301); with
    /// none it is not asked.
    pub(crate) fn server_config(self: &Arc<Self>, protocols: &[&[u8]]) -> anyhow::Result<Arc<ServerConfig>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// Takes changed files over until `stop`; a pair that cannot be used leaves the one in force.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.written();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = self.written();
            if now == seen {
                continue;
            }
            seen = now;
            let files = self.files();
            match read(&files) {
                Ok(read) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                    tracing::info!(file = %files[0].display(), "the new certificate is in force");
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the changed certificate cannot be used; the one before stays");
                }
            }
        }
    }

    fn written(&self) -> [Option<SystemTime>; 2] {
        self.files().each_ref().map(|file| fs::metadata(file).and_then(|data| data.modified()).ok())
    }
}

#[derive(Debug)]
struct Resolver(Arc<Certificate>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(answer) = self.0.challenges.resolve(&hello) {
            return answer;
        }
        Some(self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A chain and its key that belong together.
fn read([certificate, key]: &[PathBuf; 2]) -> anyhow::Result<CertifiedKey> {
    let of = |file: &Path, what: &str| format!("https: {} cannot be used as {what}", file.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| of(certificate, "a PEM certificate chain"))?;
    if chain.is_empty() {
        bail!("https: there is no certificate in {}", certificate.display());
    }
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| of(key, "a PEM key"))?;
    let signing = aws_lc_rs::sign::any_supported_type(&private).with_context(|| of(key, "a key"))?;
    let pair = CertifiedKey::new(chain, signing);
    pair.keys_match()
        .with_context(|| format!("https: {} is not the key of {}", key.display(), certificate.display()))?;
    Ok(pair)
}

fn is_stale(file: &Path) -> bool {
    let age = fs::metadata(file).and_then(|data| data.modified()).map(|written| written.elapsed());
    !matches!(age, Ok(Ok(age)) if age < OWN_AGE_MAX)
}

fn make_own([certificate, key]: &[PathBuf; 2], addresses: &[IpAddr]) -> anyhow::Result<()> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(addresses.iter().map(IpAddr::to_string));
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Unisono (its own certificate)");
    let pair = KeyPair::generate()?;
    let signed = params.self_signed(&pair)?;
    write_private(key, &pair.serialize_pem())?;
    fs::write(certificate, signed.pem())?;
    Ok(())
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::TemporaryDir;

    #[test]
    fn the_nodes_own_certificate_is_made_once_and_its_key_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TemporaryDir::new().expect("a folder");
        let open = || Certificate::open(&Https::default(), folder.path(), &[]).expect("made or read");
        let (first, second) = (open(), open());
        let der = |c: &Certificate| c.current.read().expect("sound").cert[0].clone();
        assert!(first.is_own && der(&first) == der(&second), "the same at the next start");
        let mode = fs::metadata(folder.path().join(OWN[1])).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn files_that_do_not_fit_are_refused_by_name() {
        let (one, two) = (TemporaryDir::new().expect("a folder"), TemporaryDir::new().expect("a folder"));
        for folder in [&one, &two] {
            Certificate::open(&Https::default(), folder.path(), &[]).expect("made");
        }
        let open = |certificate: PathBuf, key: PathBuf| {
            let https = Https { certificate: Some(certificate), key: Some(key), ..Https::default() };
            format!("{:#}", Certificate::open(&https, one.path(), &[]).expect_err("refused"))
        };
        let [certificate, key] = OWN.map(|name| one.path().join(name));
        assert!(open(certificate.clone(), two.path().join(OWN[1])).contains("is not the key of"));
        assert!(open("/nonexistent.pem".into(), key.clone()).contains("/nonexistent.pem"));
        assert!(open(key, certificate).contains("there is no certificate in"));
    }
}
