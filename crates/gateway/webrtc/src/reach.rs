//! Where peers are told to send media, and whether it comes: the diagnosis "media port unreachable".

use crate::{Config, SessionId};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};
use unisono_net::advertised;
use unisono_proto_webrtc::{HostCandidate, Transport};

/// A POST was answered and nothing of the peer came on any candidate for so long: it does not reach us.
pub(crate) const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// One word per so long: behind a closed firewall every viewer is a case.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Our ICE host candidates.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    pub(crate) all: Vec<HostCandidate>,
}

impl Candidates {
    /// UDP on `udp`, TCP on `tcp` and on the port shared with HTTPS, at every advertised address.
    pub(crate) fn new(udp: SocketAddr, tcp: Option<SocketAddr>, config: &Config) -> Self {
        let at = |bound: SocketAddr| -> Vec<SocketAddr> {
            if config.advertise.is_empty() {
                let ips = advertised(bound.ip());
                return ips.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect();
            }
            let named = config.advertise.iter();
            named.map(|one| SocketAddr::new(one.ip, one.port.unwrap_or(bound.port()))).collect()
        };
        // A mapped media port says nothing about the port shared with HTTPS, which is mapped on its own.
        let unmapped = |bound: SocketAddr| -> Vec<SocketAddr> {
            let mut all = at(bound);
            all.iter_mut().for_each(|address| address.set_port(bound.port()));
            all
        };
        let mut all: Vec<_> = at(udp).into_iter().map(HostCandidate::udp).collect();
        all.extend(tcp.map(at).unwrap_or_default().into_iter().map(HostCandidate::tcp));
        all.extend(config.one_port.map(unmapped).unwrap_or_default().into_iter().map(HostCandidate::tcp));
        let mut seen = std::collections::HashSet::new();
        all.retain(|candidate| seen.insert(*candidate));
        Self { all }
    }

    /// Those of TCP.
    pub(crate) fn tcp(&self) -> Vec<SocketAddr> {
        let tcp = self.all.iter().filter(|candidate| candidate.transport == Transport::Tcp);
        tcp.map(|candidate| candidate.address).collect()
    }

    /// As an operator reads them.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        for HostCandidate { transport, address } in &self.all {
            let name = if *transport == Transport::Udp { "udp" } else { "tcp" };
            let gap = if words.is_empty() { "" } else { ", " };
            let _ = write!(words, "{gap}{address}/{name}");
        }
        words
    }
}

/// Peers that were answered and never came.
#[derive(Debug)]
pub(crate) struct Reach {
    candidates: String,
    unreached: Counter,
    told: Mutex<Option<Instant>>,
}

impl Reach {
    pub(crate) fn new(candidates: String, unreached: Counter) -> Self {
        Self { candidates, unreached, told: Mutex::default() }
    }

    /// `session` has waited [`REACHED_WITHIN`] for its peer's first packet.
    pub(crate) fn missed(&self, now: Instant, session: SessionId) {
        self.unreached.inc();
        let mut told = self.told.lock();
        if told.is_some_and(|at| now.saturating_duration_since(at) < TOLD_EVERY) {
            return;
        }
        *told = Some(now);
        tracing::warn!(
            ?session,
            candidates = %self.candidates,
            total = self.unreached.get(),
            "media port unreachable: a peer was answered by HTTP and nothing came from it on any candidate for {} s; open \
             these ports in the firewall (UDP first), name the address that peers reach with webrtc.advertise (--advertise) \
             behind NAT or in a container, or serve media on the HTTPS port with one_port.listen (--one-port)",
            REACHED_WITHIN.as_secs()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Advertised;

    #[test]
    fn candidates_name_every_port_at_every_address_once() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let mut config = Config::new(at("0.0.0.0:8189"));
        config.advertise = vec![
            Advertised { ip: at("203.0.113.7:1").ip(), port: Some(9_000) },
            Advertised::from(at("[2001:db8::7]:1").ip()),
        ];
        config.one_port = Some(at("0.0.0.0:443"));
        let candidates = Candidates::new(at("0.0.0.0:8189"), Some(at("0.0.0.0:8189")), &config);
        assert_eq!(
            candidates.words(),
            "203.0.113.7:9000/udp, [2001:db8::7]:8189/udp, 203.0.113.7:9000/tcp, [2001:db8::7]:8189/tcp, \
             203.0.113.7:443/tcp, [2001:db8::7]:443/tcp"
        );
        config.advertise = Vec::new();
        let own = Candidates::new(at("127.0.0.1:8189"), None, &config);
        assert!(own.words().starts_with("127.0.0.1:8189/udp, "), "{}", own.words());
    }

    #[test]
    fn many_that_never_came_are_counted_and_said_once_a_minute() {
        let (counter, start) = (Counter::default(), Instant::now());
        let reach = Reach::new(String::new(), counter.clone());
        reach.missed(start, SessionId::from_bits(1));
        reach.missed(start + Duration::from_secs(1), SessionId::from_bits(2));
        assert_eq!((counter.get(), *reach.told.lock()), (2, Some(start)));
        reach.missed(start + TOLD_EVERY, SessionId::from_bits(3));
        assert_eq!(*reach.told.lock(), Some(start + TOLD_EVERY));
    }
}
