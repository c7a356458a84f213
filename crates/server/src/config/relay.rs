//! `[relay]`: streams between nodes.

use super::{Door, Hidden};
use anyhow::{Context, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unisono_auth::RelaySecrets;

/// Where an upstream listens that names no port.
const PORT: u16 = 8190;

/// Streams between nodes: an edge serves what is published at its upstream; docs/protocols/relay.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relay {
    /// UDP `address:port`, usually `0.0.0.0:8190`, at which edges ask for this node's streams, or `off`.
    pub(crate) listen: Door,
    /// The node that has what is not published here: `relay://host` or `relay://host:port`.
    pub(crate) upstream: Option<String>,
    /// One, or two while nodes change over: what all nodes of a relay know, 32 characters or more (`openssl rand -hex 32`).
    pub(crate) secrets: Vec<Hidden>,
}

impl Relay {
    /// Nothing is relayed in or out.
    pub(crate) fn is_off(&self) -> bool {
        self.listen.address().is_none() && self.upstream.is_none()
    }

    /// The upstream as `host:port`.
    pub(crate) fn upstream(&self) -> anyhow::Result<Option<String>> {
        self.upstream.as_deref().map(address).transpose()
    }

    /// What the nodes share.
    pub(crate) fn secrets(&self) -> anyhow::Result<RelaySecrets> {
        let texts = self.secrets.iter().map(|secret| secret.0.as_str());
        RelaySecrets::new(texts).context("relay.secrets (UNISONO_RELAY__SECRETS='[\"...\"]')")
    }
}

fn address(url: &str) -> anyhow::Result<String> {
    let Some(rest) = url.strip_prefix("relay://") else {
        bail!("relay.upstream: {url:?} is not of the form relay://host:port");
    };
    let rest = rest.trim_end_matches('/');
    let behind_host = rest.rsplit_once(']').map_or(rest, |(_, behind)| behind);
    let has_port = behind_host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if rest.is_empty() || rest.contains('/') || (behind_host.contains(':') && !has_port) {
        bail!("relay.upstream: {url:?} is not of the form relay://host:port");
    }
    Ok(if has_port { rest.to_owned() } else { format!("{rest}:{PORT}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_host_and_perhaps_a_port() {
        let of = |url: &str| address(url).map_err(|error| error.to_string());
        assert_eq!(of("relay://origin.example.org").as_deref(), Ok("origin.example.org:8190"));
        assert_eq!(of("relay://10.0.0.1:9000/").as_deref(), Ok("10.0.0.1:9000"));
        assert_eq!(of("relay://[2001:db8::1]:9000").as_deref(), Ok("[2001:db8::1]:9000"));
        assert_eq!(of("relay://[2001:db8::1]").as_deref(), Ok("[2001:db8::1]:8190"));
        for bad in ["origin:8190", "https://origin", "relay://", "relay://a/b", "relay://a:b"] {
            assert!(of(bad).is_err_and(|words| words.contains("relay://host:port")), "{bad}");
        }
    }

    #[test]
    fn a_relay_without_secrets_is_refused_with_the_way_to_make_one() {
        let mut relay = Relay::default();
        assert!(relay.is_off());
        assert!(format!("{:#}", relay.secrets().expect_err("none")).contains("relay.secrets"));
        relay.secrets = vec![Hidden("short".to_owned())];
        assert!(format!("{:#}", relay.secrets().expect_err("short")).contains("openssl rand -hex 32"));
    }
}
