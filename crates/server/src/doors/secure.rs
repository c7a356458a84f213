//! The doors that speak TLS, all with one certificate: HTTPS, the one port for everything, RTMPS.

use super::{Certificate, HttpDoor, HttpMetrics, bind_tcp};
use crate::config::Config;
use rustls::ServerConfig;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use unisono_net::Admission;

/// HTTP/2 where the client knows it.
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

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
        let certificate = Certificate::open(&config.https, &config.data_dir, addresses)?;
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

    /// The node signed its certificate itself: browsers warn.
    pub(crate) fn signs_itself(&self) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.is_own)
    }
}
