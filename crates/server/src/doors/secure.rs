//! The doors that speak TLS, all with one certificate: HTTPS, the one port for everything, RTMPS.

use super::{Certificate, HttpDoor, HttpMetrics, bind_tcp};
use crate::{
    acme::{ACME_TLS, Renewal},
    config::Config,
    keys::Keys,
};
use rustls::ServerConfig;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;
use unisono_net::Admission;
use unisono_store::BoxFuture;

/// HTTP/2 where the client knows it; the last is for an authority that proves our domains.
const HTTP: [&[u8]; 3] = [b"h2", b"http/1.1", ACME_TLS];

/// See the module. Bound, not served yet.
#[derive(Default)]
pub(crate) struct SecureDoors {
    /// `None` where none of these doors is open.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) https: Option<HttpDoor>,
    pub(crate) one_port: Option<HttpDoor>,
    /// For the RTMP gateway's second door.
    pub(crate) rtmps: Option<Arc<ServerConfig>>,
}

impl SecureDoors {
    /// Binds what the configuration opens. `addresses` go into a certificate of the node's own.
    pub(crate) fn open(
        config: &Config,
        admission: &Admission,
        metrics: &HttpMetrics,
        addresses: &[IpAddr],
    ) -> anyhow::Result<Self> {
        let all = [config.https.listen, config.one_port.listen, config.rtmps.listen];
        let [https, one_port, rtmps] = all.map(|door| door.address());
        if https.or(one_port).or(rtmps).is_none() {
            return Ok(Self::default());
        }
        let certificate = match config.acme.domains.is_empty() {
            true => Certificate::open(&config.https, &config.data_dir, addresses)?,
            false => Certificate::for_acme(config)?,
        };
        let tls = certificate.server_config(&HTTP)?;
        let door = |protocol: &str, flag: &str, address: Option<SocketAddr>| {
            let bound = address.map(|address| bind_tcp(protocol, flag, address)).transpose()?;
            anyhow::Ok(bound.map(|listener| HttpDoor {
                listener,
                admission: admission.clone(),
                metrics: metrics.clone(),
                tls: Some(tls.clone().into()),
                ice: None,
            }))
        };
        Ok(Self {
            https: door("HTTPS", "https", https)?,
            one_port: door("HTTPS and WebRTC media", "one-port", one_port)?,
            // RTMP over TLS names no protocol.
            rtmps: rtmps.map(|_| certificate.server_config(&[])).transpose()?,
            certificate: Some(certificate),
        })
    }

    /// What keeps the certificate up to date until `stop`: ACME, or a look at the files.
    pub(crate) fn upkeep(
        &mut self,
        config: &Config,
        keys: &Arc<Keys>,
        stop: CancellationToken,
    ) -> Option<BoxFuture<'static, ()>> {
        let certificate = self.certificate.take()?;
        if config.acme.domains.is_empty() {
            return Some(Box::pin(certificate.follow(stop)));
        }
        Some(Box::pin(Renewal::new(config.acme.clone(), certificate, keys.clone()).run(stop)))
    }

    /// The node signed its certificate itself: browsers warn.
    pub(crate) fn signs_itself(&self) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.is_own)
    }
}
