//! The gateway as the server sees it: start, routes, stop.

use crate::{
    Config, Metrics,
    bell::Bells,
    command::Command,
    directory::{Directory, Seats},
    http,
    transcode::Transcoders,
    worker::{self, Forwarded},
};
use parking_lot::Mutex;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::{mpsc, watch};
use unisono_auth::Access;
use unisono_base::NodeClock;
use unisono_hub::Hub;
use unisono_net::{Admission, BindError, advertised, bind_shared};

/// Requests waiting for one worker; the next one is answered 503.
const COMMANDS_MAX: usize = 256;
/// Datagrams waiting for the worker they belong to; the next one is dropped and counted.
const FORWARDED_MAX: usize = 1_024;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The UDP port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A thread or its runtime.
    #[error("WebRTC worker cannot start: {0}")]
    Worker(#[from] io::Error),
    /// The DTLS certificate.
    #[error("no DTLS certificate: {0}")]
    Certificate(String),
}

/// One worker, as others reach it.
pub(crate) struct Mailbox {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) datagrams: mpsc::Sender<Forwarded>,
    pub(crate) bells: Arc<Bells>,
    /// Sessions it has.
    pub(crate) load: Arc<AtomicUsize>,
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
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) identity: unisono_proto_webrtc::Identity,
}

impl Shared {
    pub(crate) fn least_loaded(&self) -> usize {
        let load = |(_, mailbox): &(usize, &Mailbox)| mailbox.load.load(Ordering::Relaxed);
        self.mailboxes.iter().enumerate().min_by_key(load).map_or(0, |(index, _)| index)
    }
}

/// WHIP and WHEP on one UDP port. Dropping it stops the workers without waiting for them; see [`Self::shutdown`].
pub struct Gateway {
    shared: Arc<Shared>,
    local: SocketAddr,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
}

impl Gateway {
    /// Opens the port and starts the workers.
    pub fn start(
        config: Config,
        hub: Arc<Hub>,
        access: Arc<Access>,
        clock: NodeClock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let bound = bind_shared(config.bind, config.worker_count())?;
        let local = bound[0].local_addr();
        let candidates: Vec<SocketAddr> = advertised(local.ip(), &config.advertise)
            .into_iter()
            .map(|ip| SocketAddr::new(ip, local.port()))
            .collect();
        let identity = unisono_proto_webrtc::Identity::generate()
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let mut inboxes = Vec::new();
        let mut mailboxes = Vec::new();
        for _ in &bound {
            let (commands, command_inbox) = mpsc::channel(COMMANDS_MAX);
            let (datagrams, datagram_inbox) = mpsc::channel(FORWARDED_MAX);
            mailboxes.push(Mailbox { commands, datagrams, bells: Arc::default(), load: Arc::default() });
            inboxes.push((command_inbox, datagram_inbox));
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
            unconnected: Admission::new(limits.unconnected_max, limits.unconnected_per_address_max)
                .exempting(config.exempt.clone()),
            metrics,
            mailboxes,
            candidates,
            identity,
            config,
        });
        let (stop, stopped) = watch::channel(false);
        let mut threads = Vec::new();
        for (index, (socket, inbox)) in bound.into_iter().zip(inboxes).enumerate() {
            threads.push(worker::spawn(index, socket, inbox, shared.clone(), stopped.clone())?);
        }
        tracing::info!(%local, workers = threads.len(), candidates = ?shared.candidates, "WebRTC media");
        Ok(Self { shared, local, threads: Mutex::new(threads), stop })
    }

    /// WHIP and WHEP routes, see docs/protocols/whip-whep.md.
    pub fn router(&self) -> axum::Router {
        http::router(self.shared.clone())
    }

    /// The UDP address of all media.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Ends every session with a word to its peer and waits for the workers.
    pub async fn shutdown(&self) {
        let _ = self.stop.send(true);
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

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}
