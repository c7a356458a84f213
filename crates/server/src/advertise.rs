//! Addresses that peers reach this node's media at, as an operator writes them: IP or host name, with a port where NAT
//! changes it.

use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};
use unisono_gateway_webrtc::Advertised;

/// For the system's resolver.
const RESOLVED_WITHIN: Duration = Duration::from_secs(10);

/// One of `webrtc.advertise`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    /// Looked up at the start.
    Name(String),
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { host: Host::Ip(ip), port: None }
    }
}

impl FromStr for Address {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if let Ok(ip) = s.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(Self { host: Host::Ip(ip), port: None });
        }
        if let Ok(address) = s.parse::<SocketAddr>() {
            return Ok(Self { host: Host::Ip(address.ip()), port: Some(address.port()) });
        }
        let (name, port) = match s.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| words(s))?)),
            None => (s, None),
        };
        // RFC 1123 §2.1. A name of digits and dots alone would be a mistyped address.
        let is_name = name.len() <= 253
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
            && name.bytes().any(|b| b.is_ascii_alphabetic());
        if is_name { Ok(Self { host: Host::Name(name.to_owned()), port }) } else { Err(words(s)) }
    }
}

fn words(s: &str) -> String {
    format!(
        "{s:?} is no address that peers can reach: an IP such as 203.0.113.7 or 2001:db8::7, a host name, or either with \
         a port, such as 203.0.113.7:9000, [2001:db8::7]:9000 or media.example.org:9000"
    )
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (Host::Ip(ip), None) => ip.fmt(f),
            (Host::Ip(ip), Some(port)) => SocketAddr::new(*ip, port).fmt(f),
            (Host::Name(name), None) => f.write_str(name),
            (Host::Name(name), Some(port)) => write!(f, "{name}:{port}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What the names stand for now. A name has all its addresses, IPv4 and IPv6.
pub(crate) async fn resolve(addresses: &[Address]) -> anyhow::Result<Vec<Advertised>> {
    let mut all = Vec::new();
    for address in addresses {
        match &address.host {
            Host::Ip(ip) => all.push(Advertised { ip: *ip, port: address.port }),
            Host::Name(name) => {
                let found = look_up(name).await?;
                all.extend(found.into_iter().map(|ip| Advertised { ip, port: address.port }));
            }
        }
    }
    if let Some(one) = all.iter().find(|one| !is_reachable(one.ip)) {
        bail!("webrtc.advertise: {} is no address that a peer could send to", one.ip);
    }
    Ok(all)
}

async fn look_up(name: &str) -> anyhow::Result<Vec<IpAddr>> {
    let looked_up = tokio::time::timeout(RESOLVED_WITHIN, tokio::net::lookup_host((name, 0))).await;
    let failed =
        || format!("webrtc.advertise: the host name {name} cannot be resolved; name the IP address instead");
    let found = looked_up.map_err(|_| anyhow::anyhow!("no answer from the resolver")).with_context(failed)?;
    let mut ips: Vec<IpAddr> = Vec::new();
    for address in found.with_context(failed)? {
        if !ips.contains(&address.ip()) {
            ips.push(address.ip());
        }
    }
    Ok(ips)
}

/// What an ICE candidate may be.
fn is_reachable(ip: IpAddr) -> bool {
    let is_of_a_link = match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(ip.is_unspecified() || ip.is_multicast() || is_of_a_link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_survives_its_text_and_others_are_refused_in_words() {
        for text in [
            "203.0.113.7",
            "203.0.113.7:9000",
            "2001:db8::7",
            "[2001:db8::7]:9000",
            "media.example.org",
            "media.example.org:443",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        assert_eq!("[::1]".parse::<Address>().expect("valid").to_string(), "::1");
        for text in ["", "203.0.113", "http://x", "a b", "name:port", "name:99999"] {
            assert!(text.parse::<Address>().expect_err(text).contains("media.example.org:9000"));
        }
    }

    #[tokio::test]
    async fn names_are_looked_up_and_nonsense_is_refused() {
        let of = |text: &str| [text.parse::<Address>().expect("well formed")];
        let local = resolve(&of("localhost:9000")).await.expect("every machine knows itself");
        assert!(!local.is_empty() && local.iter().all(|one| one.ip.is_loopback() && one.port == Some(9_000)));
        let error = resolve(&of("nobody.invalid")).await.expect_err("RFC 6761 §6.4").to_string();
        assert!(error.contains("nobody.invalid"), "{error}");
        assert!(resolve(&of("0.0.0.0")).await.is_err());
        assert!(resolve(&of("fe80::1")).await.is_err());
    }
}
