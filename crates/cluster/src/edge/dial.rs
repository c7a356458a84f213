//! Keeps the link to the upstream: dials, proves, dials again.

use super::{Shared, link::Link};
use crate::{Code, HANDSHAKE_MAX, tls};
use quinn::{Connection, Endpoint};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::lookup_host,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// After the first failure, and doubled with each one up to the last.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// A link that held for so long is dialled again at once: within ...
const STEADY: Duration = Duration::from_secs(5);
/// ... this, each edge at a moment of its own.
const AT_ONCE: Duration = Duration::from_millis(50);

/// See the module.
pub(super) struct Dialer {
    upstream: String,
    v4: Endpoint,
    v6: Option<Endpoint>,
    shared: Arc<Shared>,
    up: watch::Sender<Option<Arc<Link>>>,
}

impl Dialer {
    pub(super) fn new(
        upstream: String,
        shared: Arc<Shared>,
        up: watch::Sender<Option<Arc<Link>>>,
    ) -> std::io::Result<Self> {
        let config = tls::client().map_err(std::io::Error::other)?;
        let endpoint = |address: &str| {
            let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
            let mut endpoint = Endpoint::client(address)?;
            endpoint.set_default_client_config(config.clone());
            Ok::<_, std::io::Error>(endpoint)
        };
        // A machine without IPv6 is no error.
        Ok(Self { upstream, v4: endpoint("0.0.0.0:0")?, v6: endpoint("[::]:0").ok(), shared, up })
    }

    /// Until `stop`, which closes the link.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let Some(connected) = stop.run_until_cancelled(self.connect()).await else { break };
            match connected {
                Ok(link) => {
                    failures = 0;
                    let (began, mut link) = (Instant::now(), Some(link));
                    while let Some(current) = link {
                        link = self.stay(current, &stop).await;
                    }
                    if began.elapsed() >= STEADY {
                        // It may be back already; its frames are kept for seconds only.
                        let _ = stop.run_until_cancelled(sleep(AT_ONCE.mul_f64(rand::random()))).await;
                        continue;
                    }
                }
                Err(words) => {
                    failures += 1;
                    self.complain(failures, &words);
                }
            }
            let pause = PAUSE_MIN.saturating_mul(1 << failures.min(6)).min(PAUSE_MAX);
            // Edges that lost the same upstream do not come back in one moment.
            let pause = pause.mul_f64(rand::random_range(0.5..1.0));
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
                () = async { sleep(PAUSE_MIN).await; self.shared.hurry.notified().await } => {}
            }
        }
        for endpoint in [Some(self.v4), self.v6].into_iter().flatten() {
            endpoint.close(Code::Stopping.into(), b"the edge stops");
            let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
        }
    }

    /// Until the link ends; or the one that has taken its place.
    async fn stay(&self, link: Arc<Link>, stop: &CancellationToken) -> Option<Arc<Link>> {
        let metrics = &self.shared.metrics;
        tracing::info!(upstream = %self.upstream, node = %link.node(), "relay: the link to the upstream is up");
        metrics.links.inc();
        metrics.link_up.set(1);
        self.up.send_replace(Some(link.clone()));
        let why = tokio::select! {
            why = link.run(&self.shared, || self.up.send_modify(|_| {})) => why,
            next = self.beside(&link) => {
                tracing::warn!(upstream = %self.upstream, "relay: nothing came over the link; another one takes its place");
                // First told, so that nobody turns to the old one again.
                self.up.send_replace(Some(next.clone()));
                link.close();
                return Some(next);
            }
            () = stop.cancelled() => "this node stops".to_owned(),
        };
        link.close();
        self.up.send_replace(None);
        metrics.link_up.set(0);
        tracing::warn!(upstream = %self.upstream, "relay: the link to the upstream is down: {why}");
        None
    }

    /// Another link, once nothing comes over this one while the upstream can be reached.
    async fn beside(&self, link: &Link) -> Arc<Link> {
        loop {
            link.silent().await;
            tokio::select! {
                connected = self.connect() => if let Ok(next) = connected {
                    return next;
                },
                () = link.heard() => {}
            }
            sleep(PAUSE_MIN).await;
        }
    }

    /// Said once, and again when it lasts.
    fn complain(&self, failures: u32, words: &str) {
        if failures == 1 || failures.is_multiple_of(20) {
            let upstream = &self.upstream;
            tracing::warn!(
                %upstream,
                failures,
                "relay: the upstream cannot be reached: {words}; it is tried again until it can"
            );
        }
    }

    async fn connect(&self) -> Result<Arc<Link>, String> {
        let addresses = lookup_host(&self.upstream).await.map_err(|error| error.to_string())?;
        let mut last = "its name has no address".to_owned();
        for address in addresses {
            let tried = timeout(HANDSHAKE_MAX, self.try_one(address)).await;
            match tried {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(words)) => last = words,
                Err(_) => last = format!("no answer within {} s", HANDSHAKE_MAX.as_secs()),
            }
        }
        Err(last)
    }

    async fn try_one(&self, address: SocketAddr) -> Result<Arc<Link>, String> {
        let endpoint = if address.is_ipv4() { Some(&self.v4) } else { self.v6.as_ref() };
        let endpoint = endpoint.ok_or("this machine has no IPv6")?;
        let connecting = endpoint.connect(address, tls::SERVER_NAME).map_err(|error| error.to_string())?;
        let connection = connecting.await.map_err(|error| error.to_string())?;
        let greeted = Link::greet(connection.clone(), &self.shared.identity).await;
        greeted.map_err(|words| farewell(&connection).unwrap_or(words))
    }
}

/// What the other side said when it closed: it knows better why.
fn farewell(connection: &Connection) -> Option<String> {
    connection.close_reason().map(|reason| reason.to_string())
}
