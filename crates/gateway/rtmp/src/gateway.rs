//! The listener and the owner of all connections.

use crate::{Metrics, connection, metrics::Counted};
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use unisono_auth::Access;
use unisono_base::{NodeClock, Shown};
use unisono_hub::Hub;
use unisono_net::{Admission, Exempt, Patience, listen};

/// A pause after the system refused a connection (out of file descriptors), so that the listener does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// First TCP keepalive probe after so much silence; it finds a dead peer when the silence deadline is long.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// What the door allows.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; 1935 is RTMP's port.
    pub bind: SocketAddr,
    /// Connections at once. One more is closed at once, with a log line.
    pub connections_max: usize,
    /// As many from one IPv4 address or IPv6 /64.
    pub connections_per_address_max: usize,
    /// Speaks TLS (RTMPS) where it is set.
    pub tls: Option<Arc<ServerConfig>>,
    /// Networks that the share of one address does not apply to.
    pub exempt: Exempt,
    /// From TCP's accept to an accepted `publish`.
    pub publish_within: Duration,
    /// A publisher that sends no byte for so long is lost.
    pub silence_max: Duration,
}

impl Config {
    /// The defaults: 256 connections, 64 from one address, 10 s to publish, 30 s of silence.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            connections_max: 256,
            connections_per_address_max: 64,
            tls: None,
            exempt: Exempt::default(),
            publish_within: Duration::from_secs(10),
            silence_max: Duration::from_secs(30),
        }
    }
}

/// What the door needs of the node.
#[derive(Clone)]
pub struct Context {
    /// Where streams go.
    pub hub: Arc<Hub>,
    /// Who may publish.
    pub access: Arc<Access>,
    /// The node's one clock.
    pub clock: NodeClock,
    /// See [`Metrics::register`].
    pub metrics: Arc<Metrics>,
    /// With those who present wrong keys.
    pub patience: Patience,
}

/// A bound listener; [`Self::run`] serves it.
pub struct Gateway {
    listener: TcpListener,
    config: Config,
    context: Context,
    admission: Admission,
}

impl Gateway {
    /// Takes the port. Port 0 takes a free one.
    pub async fn bind(config: Config, context: Context) -> io::Result<Self> {
        let listener = TcpListener::from_std(listen(config.bind)?)?;
        let admission = Admission::new(config.connections_max, config.connections_per_address_max)
            .exempting(config.exempt.clone());
        Ok(Self { listener, config, context, admission })
    }

    /// How many connections it holds; its limits can change while it runs.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then ends every connection in words and waits for them, a few seconds at most.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { listener, config, context, admission } = self;
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "RTMP connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = match admission.admit(peer.ip()) {
                Ok(place) => place,
                Err(full) => {
                    warn!(peer = %Shown::from(peer), "RTMP connection closed: {full}");
                    context.metrics.ended("too_many");
                    continue;
                }
            };
            if let Err(error) = tune(&stream) {
                info!(peer = %Shown::from(peer), %error, "RTMP connection gone before it began");
                continue;
            }
            let (config, context, shutdown) = (config.clone(), context.clone(), shutdown.clone());
            connections.spawn(async move {
                let _counted = Counted::new(&context.metrics.connections);
                match config.tls.clone() {
                    None => connection::serve(stream, peer, &config, &context, shutdown).await,
                    Some(tls) => secure(stream, peer, tls, &config, &context, shutdown).await,
                }
                drop(place);
            });
        }
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }
}

async fn secure(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Arc<ServerConfig>,
    config: &Config,
    context: &Context,
    shutdown: CancellationToken,
) {
    let handshake = tokio::select! {
        () = shutdown.cancelled() => return,
        handshake = timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(tls).accept(stream)) => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => connection::serve(stream, peer, config, context, shutdown).await,
        Ok(Err(error)) => {
            // An encoder that does not trust a certificate says so here, and an operator has to learn it.
            warn!(%peer, %error, "RTMPS: the TLS handshake failed");
            context.metrics.ended("tls");
        }
        Err(_) => {
            info!(%peer, "RTMPS: no TLS handshake within {} s", HANDSHAKE_WITHIN.as_secs());
            context.metrics.ended("tls");
        }
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an RTMP connection's task failed");
    }
}
