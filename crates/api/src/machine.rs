//! Whether a request was made by somebody who sits at this machine.

use axum::http::{HeaderMap, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// Headers by which a proxy says that the client is somebody else than the peer.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// True when the request was made on this machine by somebody who meant this server: the peer is the loopback
/// address, nobody forwarded it, it names this machine as its host, and no page of another origin is behind it.
/// Without the last three a proxy would let everybody in, and so would a browser here that visits a foreign page
/// (cross-site requests; a foreign name that resolves to the loopback address).
pub fn is_this_machine(peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return false;
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    if !names_this_machine(host) {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| origin.authority().is_some_and(|authority| authority.as_str() == host))
}

/// `localhost` or a loopback address, with or without a port.
fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn here(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let peer = peer.parse().expect("an address");
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_this_machine(Some(peer), &headers.collect())
    }

    #[test]
    fn this_machine_is_the_loopback_address_under_its_own_name() {
        let host = ("host", "localhost:8080");
        assert!(here("127.0.0.1:5", &[host]) && here("[::1]:5", &[("host", "[::1]:8080")]));
        assert!(here("[::ffff:127.0.0.1]:5", &[("host", "127.0.0.1")]), "a dual-stack socket");
        assert!(here("127.0.0.1:5", &[host, ("origin", "http://localhost:8080")]), "our own page");
        assert!(!here("10.0.0.1:5", &[host]));
        assert!(!here("127.0.0.1:5", &[]));
    }

    #[test]
    fn neither_a_proxy_nor_a_foreign_page_is_this_machine() {
        let host = ("host", "localhost:8080");
        for name in FORWARDED {
            assert!(!here("127.0.0.1:5", &[host, (name, "10.0.0.1")]), "{name}");
        }
        assert!(!here("127.0.0.1:5", &[host, ("origin", "https://evil.example")]));
        assert!(!here("127.0.0.1:5", &[host, ("origin", "http://localhost:9999")]), "another server here");
        assert!(!here("127.0.0.1:5", &[host, ("origin", "null")]));
        assert!(!here("127.0.0.1:5", &[("host", "evil.example:8080")]), "a name that resolves here");
        assert!(!here("127.0.0.1:5", &[("host", "127.0.0.1.evil.example")]));
    }
}
