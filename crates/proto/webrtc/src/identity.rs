//! The node's DTLS identity, and a DTLS provider that shares one configuration between all sessions.
//!
//! Building a DTLS configuration self-tests the crypto library, which costs about a millisecond; a session must not
//! pay it. DTLS 1.2 is forced: there the server chooses the SRTP profile and takes AEAD, in 1.3 the client's first
//! one wins, which browsers make AES-CM-SHA1 (six times the cost).

use aws_lc_rs::digest;
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};
use str0m::{
    config::{CryptoProvider, DtlsCert, DtlsVersion},
    crypto::{
        CryptoError,
        dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion},
    },
};

/// Why no identity could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The crypto library refused its configuration.
    #[error("DTLS configuration: {0}")]
    Config(String),
    /// No certificate.
    #[error("DTLS certificate could not be generated")]
    Certificate,
}

/// Certificate and crypto configuration of a node, shared by all its sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) certificate: Arc<DtlsCert>,
    /// `sha-256 AB:CD:..`, as it stands in an answer (RFC 8122 §5).
    pub(crate) fingerprint: Arc<str>,
}

static DTLS: SharedDtls = SharedDtls;
static CONFIG: OnceLock<Arc<dimpl::Config>> = OnceLock::new();

impl Identity {
    /// Makes a self-signed certificate; peers check it by the fingerprint in the answer (RFC 8122).
    pub fn generate() -> Result<Self, IdentityError> {
        if CONFIG.get().is_none() {
            // ICE has verified the return path before DTLS begins, so server cookies would only cost a round trip.
            let config = dimpl::Config::builder()
                .use_server_cookie(false)
                .build()
                .map_err(|error| IdentityError::Config(error.to_string()))?;
            let _ = CONFIG.set(Arc::new(config));
        }
        let mut provider = str0m::crypto::from_feature_flags();
        provider.dtls_provider = &DTLS;
        let certificate = DTLS.generate_certificate().ok_or(IdentityError::Certificate)?;
        let fingerprint = fingerprint(&certificate.certificate);
        Ok(Self { provider: Arc::new(provider), certificate: Arc::new(certificate), fingerprint })
    }

    /// A DTLS 1.2 session of this identity, as the server until told otherwise. `None`: no identity was generated.
    pub(crate) fn dtls(&self, now: Instant) -> Option<dimpl::Dtls> {
        CONFIG.get().map(|config| dtls(config, &self.certificate, now))
    }
}

fn dtls(config: &Arc<dimpl::Config>, certificate: &DtlsCert, now: Instant) -> dimpl::Dtls {
    let certificate = dimpl::DtlsCertificate {
        certificate: certificate.certificate.clone(),
        private_key: certificate.private_key.clone(),
    };
    dimpl::Dtls::new_12(config.clone(), certificate, now)
}

fn fingerprint(certificate: &[u8]) -> Arc<str> {
    let hash = digest::digest(&digest::SHA256, certificate);
    let pairs: Vec<_> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    format!("sha-256 {}", pairs.join(":")).into()
}

#[derive(Debug)]
struct SharedDtls;

impl DtlsProvider for SharedDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        let made = dimpl::certificate::generate_self_signed_certificate().ok()?;
        Some(DtlsCert { certificate: made.certificate, private_key: made.private_key })
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        _: DtlsVersion,
        _: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config =
            CONFIG.get().ok_or_else(|| CryptoError::Other("no identity was generated".to_owned()))?;
        Ok(Box::new(Instance(dtls(config, certificate, now))))
    }
}

struct Instance(dimpl::Dtls);

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dtls")
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buffer)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
