//! Answers to the authority's questions whether a domain is ours: by TLS (RFC 8737) or by HTTP (RFC 8555 §8.3).

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use parking_lot::RwLock;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::ClientHello,
    sign::CertifiedKey,
};
use std::{collections::HashMap, sync::Arc};

/// Inside TLS, the authority names this protocol (RFC 8737 §6.2).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// What is asked now. Bounded by the domains of one order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenges {
    open: Arc<RwLock<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// Key authorizations by token.
    by_http: HashMap<String, String>,
    /// Certificates by domain.
    by_tls: HashMap<String, Arc<CertifiedKey>>,
}

impl Challenges {
    pub(crate) fn answer_http(&self, token: &str, authorization: &str) {
        self.open.write().by_http.insert(token.to_owned(), authorization.to_owned());
    }

    /// A certificate for `domain` that holds the digest of the key authorization.
    pub(crate) fn answer_tls(&self, domain: &str, digest: &[u8]) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(vec![domain.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let pair = KeyPair::generate()?;
        let signed = params.self_signed(&pair)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let key = aws_lc_rs::sign::any_supported_type(&private)?;
        let certified = CertifiedKey::new(vec![signed.der().clone()], key);
        self.open.write().by_tls.insert(domain.to_ascii_lowercase(), Arc::new(certified));
        Ok(())
    }

    pub(crate) fn clear(&self) {
        *self.open.write() = Open::default();
    }

    /// `Some` for a connection of the authority's: the certificate it is to see, if there is one.
    pub(crate) fn resolve(&self, hello: &ClientHello<'_>) -> Option<Option<Arc<CertifiedKey>>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(ACME_TLS) || protocols.next().is_some() {
            return None;
        }
        let name = hello.server_name().map(str::to_ascii_lowercase);
        Some(name.and_then(|name| self.open.read().by_tls.get(&name).cloned()))
    }

    /// `/.well-known/acme-challenge/{token}`
    pub(crate) fn router(&self) -> Router {
        async fn answer(
            State(this): State<Challenges>,
            Path(token): Path<String>,
        ) -> Result<String, StatusCode> {
            this.open.read().by_http.get(&token).cloned().ok_or(StatusCode::NOT_FOUND)
        }
        Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).with_state(self.clone())
    }
}
