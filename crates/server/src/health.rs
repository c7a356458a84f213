//! `unisono health`: is the server of this configuration, on this machine, ready? For container health checks, which
//! have no other program to ask with.

use crate::config::Config;
use anyhow::{Context, bail};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// A server that does not answer by then is not healthy.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `/readyz`; an error says in words why it is not ready.
pub(crate) fn health(config: &Config) -> anyhow::Result<()> {
    let door = config.http.listen.address().context("http.listen is off: there is no door to ask at")?;
    let url = format!("http://{}/readyz", local(door));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let answer = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
        let status = answer.status();
        let words = answer.text().await.unwrap_or_default();
        if !status.is_success() {
            bail!("{url}: {status}: {}", words.trim());
        }
        println!("{}", words.trim());
        Ok(())
    })
}

/// The address to reach a door of this machine at.
pub(crate) fn local(mut door: SocketAddr) -> SocketAddr {
    if door.ip().is_unspecified() {
        door.set_ip(match door {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    door
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Door;

    #[test]
    fn a_door_on_all_addresses_is_asked_at_this_machines_own() {
        let local = |text: &str| local(text.parse().expect("an address")).to_string();
        assert_eq!(local("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(local("[::]:8080"), "[::1]:8080");
        assert_eq!(local("192.0.2.1:80"), "192.0.2.1:80");
    }

    #[test]
    fn a_server_that_is_not_there_is_not_healthy() {
        // As `main` does before anything else.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let mut config = Config::default();
        config.http.listen = Door::Open(address);
        let words = format!("{:#}", health(&config).expect_err("nobody there"));
        assert!(words.contains(&address.to_string()), "{words}");
        config.http.listen = Door::Closed;
        assert!(health(&config).expect_err("no door").to_string().contains("http.listen is off"));
    }
}
