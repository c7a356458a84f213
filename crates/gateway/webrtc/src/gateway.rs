//! The gateway as the server sees it: start, routes, stop.

use crate::{
    Config, Metrics,
    directory::{Directory, Seats},
    http,
    mailbox::Mailbox,
    reach::{Candidates, Reach},
    tcp::IceTcp,
    transcode::Transcoders,
    worker,
};
use parking_lot::Mutex;
use std::{io, net::SocketAddr, sync::Arc, thread::JoinHandle};
use tokio::sync::watch;
use unisono_auth::Access;
use unisono_base::NodeClock;
use unisono_hub::Hub;
use unisono_net::{Admission, BindError, bind_shared, listen};
use unisono_proto_webrtc::HostCandidate;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The UDP port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TCP port.
    #[error("TCP port {address} for media cannot be opened: {source}")]
    Tcp {
        /// Address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread, or descriptors to wait with.
    #[error("WebRTC worker cannot start: {0}")]
    Worker(#[from] io::Error),
    /// The DTLS certificate.
    #[error("no DTLS certificate: {0}")]
    Certificate(String),
}

/// What workers and handlers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Arc<Hub>,
    pub(crate) access: Arc<Access>,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) directory: Directory,
    pub(crate) transcoders: Transcoders,
    pub(crate) publishers: Seats,
    pub(crate) viewers: Seats,
    /// Sessions without a valid check so far.
    pub(crate) unconnected: Admission,
    pub(crate) mailboxes: Vec<Mailbox>,
    /// ICE host candidates.
    pub(crate) candidates: Vec<HostCandidate>,
    /// Those that a TCP connection may have come by.
    pub(crate) tcp_candidates: Vec<SocketAddr>,
    pub(crate) tcp_admission: Admission,
    /// Whether peers' networks reach ours.
    pub(crate) reach: Reach,
    pub(crate) identity: unisono_proto_webrtc::Identity,
}

impl Shared {
    pub(crate) fn least_loaded(&self) -> usize {
        let load = |(_, mailbox): &(usize, &Mailbox)| mailbox.sessions();
        self.mailboxes.iter().enumerate().min_by_key(load).map_or(0, |(index, _)| index)
    }
}

/// WHIP and WHEP on one media port. Dropping it stops the workers without waiting for them; see [`Self::shutdown`].
pub struct Gateway {
    shared: Arc<Shared>,
    local: SocketAddr,
    tcp: Option<SocketAddr>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
}

impl Gateway {
    /// Opens the ports and starts the workers. Needs a running tokio runtime, which serves the TCP port.
    pub fn start(
        config: Config,
        hub: Arc<Hub>,
        access: Arc<Access>,
        clock: NodeClock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let bound = bind_shared(config.bind, config.worker_count())?;
        let local = bound[0].local_addr();
        let listener = config.tcp.map(tcp_listener).transpose()?;
        let tcp = listener.as_ref().map(tokio::net::TcpListener::local_addr).transpose()?;
        let candidates = Candidates::new(local, tcp, &config);
        let identity = unisono_proto_webrtc::Identity::generate()
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let mut inboxes = Vec::new();
        let mut mailboxes = Vec::new();
        for _ in &bound {
            let (mailbox, inbox) = Mailbox::new()?;
            mailboxes.push(mailbox);
            inboxes.push(inbox);
        }
        let limits = config.limits;
        let shared = Arc::new(Shared {
            hub,
            access,
            clock,
            directory: Directory::new(metrics.peers.clone()),
            transcoders: Transcoders::new(limits.transcoders_max, metrics.clone()),
            publishers: Seats::new(limits.publishers_max, metrics.inbound.sessions.clone()),
            viewers: Seats::new(limits.viewers_max, metrics.outbound.sessions.clone()),
            tcp_admission: Admission::new(limits.tcp_connections_max, limits.tcp_connections_per_address_max)
                .exempting(config.exempt.clone()),
            reach: Reach::new(candidates.words(), metrics.unreached.clone()),
            unconnected: Admission::new(limits.unconnected_max, limits.unconnected_per_address_max)
                .exempting(config.exempt.clone()),
            metrics,
            mailboxes,
            tcp_candidates: candidates.tcp(),
            candidates: candidates.all,
            identity,
            config,
        });
        let (stop, stopped) = watch::channel(false);
        // Where a later one fails to start, dropping this ends those before it.
        let gateway = Self { shared: shared.clone(), local, tcp, threads: Mutex::default(), stop };
        for (index, (socket, inbox)) in bound.into_iter().zip(inboxes).enumerate() {
            let thread = worker::spawn(index, socket, inbox, shared.clone(), stopped.clone())?;
            gateway.threads.lock().push(thread);
        }
        let workers = shared.mailboxes.len();
        tracing::info!(%local, ?tcp, workers, candidates = ?shared.candidates, "WebRTC media");
        if let Some(listener) = listener {
            tokio::spawn(IceTcp::new(shared, stopped).listen(listener));
        }
        Ok(gateway)
    }

    /// WHIP and WHEP routes, see docs/protocols/whip-whep.md.
    pub fn router(&self) -> axum::Router {
        http::router(self.shared.clone())
    }

    /// The UDP address of all media.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The TCP address of media where UDP does not get through; `None` where it is closed.
    pub fn local_tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// For ICE-TCP connections that come in by [`Config::one_port`].
    pub fn ice_tcp(&self) -> IceTcp {
        IceTcp::new(self.shared.clone(), self.stop.subscribe())
    }

    /// Ends every session with a word to its peer and waits for the workers.
    pub async fn shutdown(&self) {
        self.say_stop();
        let threads: Vec<_> = self.threads.lock().drain(..).collect();
        let shared = self.shared.clone();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a WebRTC worker panicked");
                }
            }
            shared.transcoders.join();
        });
        let _ = joined.await;
    }
}

impl Gateway {
    fn say_stop(&self) {
        let _ = self.stop.send(true);
        self.shared.mailboxes.iter().for_each(Mailbox::wake);
    }
}

fn tcp_listener(address: SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    let listener = listen(address).and_then(tokio::net::TcpListener::from_std);
    listener.map_err(|source| StartError::Tcp { address, source })
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.say_stop();
    }
}
