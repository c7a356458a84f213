//! Where connections come in: binding with words for what can go wrong, and the HTTP accept loop.

mod http;
mod secure;
mod tls;

pub(crate) use http::{HttpDoor, HttpMetrics};
pub(crate) use secure::SecureDoors;
pub(crate) use tls::Certificate;

use anyhow::anyhow;
use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
};

/// Binds a TCP listener for `protocol`, which the flag `--flag` moves.
pub(crate) fn bind_tcp(protocol: &str, flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    unisono_net::listen(address).map_err(|error| refused(protocol, flag, address, &error))
}

/// What to do about an address that cannot be bound.
pub(crate) fn refused(
    protocol: &str,
    flag: &str,
    address: SocketAddr,
    error: &std::io::Error,
) -> anyhow::Error {
    let port = address.port();
    let other = SocketAddr::new(address.ip(), port.checked_add(1).unwrap_or(port - 1));
    match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "port {port} for {protocol} is taken by another program (`ss -lnp 'sport = :{port}'` names it); \
             stop that one or choose another port, for example --{flag} {other}"
        ),
        ErrorKind::PermissionDenied => anyhow!(
            "port {port} for {protocol} needs privileges that this process does not have; choose one from 1024 \
             up, for example --{flag} {}:{}",
            address.ip(),
            8_000 + port % 1_000
        ),
        ErrorKind::AddrNotAvailable => anyhow!(
            "{} is not an address of this machine, so {protocol} cannot listen there; --{flag} 0.0.0.0:{port} \
             listens on all",
            address.ip()
        ),
        _ => anyhow!("{protocol} cannot listen on {address}: {error}; --{flag} moves it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_a_way_out() {
        let first = bind_tcp("HTTP", "http", "127.0.0.1:0".parse().expect("valid")).expect("any port");
        let address = first.local_addr().expect("bound");
        let error = bind_tcp("HTTP", "http", address).expect_err("taken").to_string();
        assert!(error.contains(&format!("port {} for HTTP is taken", address.port())), "{error}");
        assert!(error.contains("--http 127.0.0.1:"), "{error}");
    }
}
