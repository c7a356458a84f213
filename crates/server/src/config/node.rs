//! `[node]`: this node as its viewers and the other nodes see it.

use anyhow::bail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest address of a node.
const URL_MAX: usize = 256;
/// Addresses in `endpoints`.
const ENDPOINTS_MAX: usize = 64;
/// Longest drain before a stop.
const DRAIN_MAX_S: u32 = 3_600;

/// This node among others: where viewers find it, and how it goes; docs/deploy.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    /// Where everybody finds this node's HTTP door: `https://edge1.example.org`. Nodes of one relay tell each other, so that
    /// viewers know where to go when one of them goes away.
    pub(crate) url: Option<String>,
    /// Other nodes with the same streams, beside those that the relay finds: `["https://edge2.example.org"]`.
    pub(crate) endpoints: Vec<String>,
    /// Seconds that SIGTERM gives viewers to move to another node before the stop; 0 = it stops at once.
    pub(crate) drain_s: u32,
}

impl Node {
    /// Refuses what is no address.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if let Some(url) = &self.url {
            address("node.url", url)?;
        }
        if self.endpoints.len() > ENDPOINTS_MAX {
            bail!("node.endpoints has {} addresses; {ENDPOINTS_MAX} are possible", self.endpoints.len());
        }
        for url in &self.endpoints {
            address("node.endpoints", url)?;
        }
        if self.drain_s > DRAIN_MAX_S {
            bail!("node.drain_s is {}; {DRAIN_MAX_S} is the most", self.drain_s);
        }
        Ok(())
    }

    /// This node's address in the form that pages compare, without a slash at the end.
    pub(crate) fn origin(&self) -> Option<String> {
        self.url.as_deref().map(|url| url.trim_end_matches('/').to_owned())
    }

    /// The other addresses likewise.
    pub(crate) fn others(&self) -> Vec<String> {
        self.endpoints.iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
    }
}

/// True for `http(s)://host[:port]` and nothing behind it; what another node says is looked at, too.
pub(crate) fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(host) = rest.map(|rest| rest.trim_end_matches('/')) else { return false };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    !host.is_empty() && url.len() <= URL_MAX && host.bytes().all(is_plain)
}

fn address(key: &str, url: &str) -> anyhow::Result<()> {
    if is_address(url) {
        return Ok(());
    }
    bail!("{key}: {url:?} is not of the form https://host or https://host:port");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_port() {
        for good in ["https://edge1.example.org", "http://10.0.0.1:8080/", "https://[2001:db8::1]:8443"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "edge1",
            "relay://edge1",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://a b",
            "javascript:x",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
        let node = Node { url: Some("https://a/".to_owned()), ..Node::default() };
        assert_eq!(node.origin().as_deref(), Some("https://a"));
        let node = Node { endpoints: vec!["edge2".to_owned()], ..Node::default() };
        assert!(node.check().is_err_and(|error| error.to_string().contains("node.endpoints")));
    }
}
