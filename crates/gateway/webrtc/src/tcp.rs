//! ICE-TCP (RFC 6544, passive): media for networks that let no UDP through.
//!
//! A connection is a task of the shared runtime (docs/decisions/0006): it takes the byte stream apart, asks the directory
//! whose ufrag the first packet names, and hands packets to that session's worker. What the worker has to send goes into
//! the connection's bounded outbox ([`link::TcpLink`]); a viewer that does not read loses media and slows nobody.

mod connection;
pub(crate) mod link;

use crate::gateway::Shared;
use connection::Connection;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use unisono_net::Place;

/// After an accept error (out of file descriptors, mostly) the loop rests, so that it does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The way in for ICE-TCP connections that another listener accepted: a port that carries HTTPS too.
#[derive(Clone)]
pub struct IceTcp {
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
}

impl IceTcp {
    pub(crate) fn new(shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Self {
        Self { shared, stop }
    }

    /// Serves a connection to its end. Its place at the door is the caller's to hold.
    pub async fn serve(&self, stream: TcpStream) {
        let remote = stream.peer_addr().map(canonical);
        let local = stream.local_addr().map(canonical);
        let (Ok(remote), Ok(local)) = (remote, local) else { return };
        let local = candidate_of(local, &self.shared.tcp_candidates);
        Connection::new(stream, remote, local, self.shared.clone()).run(self.stop.clone()).await;
    }

    /// The media port's own listener, until the gateway stops.
    pub(crate) async fn listen(self, listener: TcpListener) {
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "an ICE-TCP connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let Some(place) = self.admit(peer.ip()) else { continue };
            let this = self.clone();
            tokio::spawn(async move {
                this.serve(stream).await;
                drop(place);
            });
        }
    }

    fn admit(&self, peer: IpAddr) -> Option<Place> {
        let admitted = self.shared.tcp_admission.admit(peer);
        let told = |full: &unisono_net::Full| {
            self.shared.metrics.tcp_refused.inc();
            tracing::debug!(%peer, "ICE-TCP connection closed: {full}");
        };
        admitted.inspect_err(told).ok()
    }
}

/// The candidate that a connection to our address `local` belongs to: behind NAT it is advertised by another address, so
/// that only port or family can tell.
fn candidate_of(local: SocketAddr, candidates: &[SocketAddr]) -> SocketAddr {
    let same_family = |candidate: &&SocketAddr| candidate.is_ipv4() == local.is_ipv4();
    let exact = candidates.iter().find(|candidate| **candidate == local);
    let by_port = || candidates.iter().filter(same_family).find(|candidate| candidate.port() == local.port());
    exact.or_else(by_port).or_else(|| candidates.iter().find(same_family)).copied().unwrap_or(local)
}

/// IPv4 also where a dual-stack listener accepted it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_belongs_to_the_candidate_that_led_to_it() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let candidates = [at("203.0.113.7:8189"), at("203.0.113.7:443"), at("[2001:db8::7]:443")];
        for (local, expected) in [
            ("203.0.113.7:443", "203.0.113.7:443"),
            ("10.0.0.7:443", "203.0.113.7:443"),
            ("10.0.0.7:9999", "203.0.113.7:8189"),
            ("[2001:db8::1]:8189", "[2001:db8::7]:443"),
        ] {
            assert_eq!(candidate_of(at(local), &candidates), at(expected), "{local}");
        }
        assert_eq!(candidate_of(at("10.0.0.7:1"), &[]), at("10.0.0.7:1"));
    }
}
