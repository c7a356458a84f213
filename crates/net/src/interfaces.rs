//! The addresses this machine can be reached at.

use std::net::IpAddr;

/// Addresses of all interfaces that are up, non-loopback first, link-local ones left out (they need a scope that an ICE
/// candidate cannot carry, and an IPv4 one is no candidate for str0m at all). Empty where the system will not tell.
pub fn local_addresses() -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = if_addrs::get_if_addrs()
        .inspect_err(|error| tracing::warn!(%error, "cannot list the network interfaces"))
        .unwrap_or_default()
        .iter()
        .filter(|i| !i.is_link_local())
        .map(if_addrs::Interface::ip)
        .collect();
    all.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    all.dedup();
    all
}

/// What to offer as ICE host candidates for a socket bound to `bound`: the bound address itself, or for a wildcard every
/// interface address of its family.
///
/// Loopback is listed last and never alone if there is another: Firefox refuses 127.0.0.1 candidates.
pub fn advertised(bound: IpAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    // An IPv6 wildcard also serves IPv4.
    local_addresses().into_iter().filter(|ip| bound.is_ipv6() || ip.is_ipv4()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_wildcard_advertises_interfaces_with_loopback_last() {
        let all = advertised(Ipv4Addr::UNSPECIFIED.into());
        assert!(all.contains(&Ipv4Addr::LOCALHOST.into()), "{all:?}");
        assert!(all.iter().all(IpAddr::is_ipv4));
        let first_loopback = all.iter().position(IpAddr::is_loopback).expect("listed");
        assert!(all[first_loopback..].iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn a_bound_address_is_the_only_one() {
        assert_eq!(advertised(Ipv4Addr::LOCALHOST.into()), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
