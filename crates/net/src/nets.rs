//! Addresses as limits count them, and the networks that are exempt from limits.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Networks no limit per address applies to: this machine by default, since a proxy here speaks for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempt(Vec<Net>);

impl Exempt {
    /// These and no others.
    pub fn new(nets: impl IntoIterator<Item = Net>) -> Self {
        Self(nets.into_iter().collect())
    }

    /// True where no limit applies to `peer`.
    pub fn contains(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(peer))
    }
}

impl Default for Exempt {
    fn default() -> Self {
        let loopback = |address: IpAddr, bits| Net { address, bits };
        Self(vec![loopback([127, 0, 0, 0].into(), 8), loopback(Ipv6Addr::LOCALHOST.into(), 128)])
    }
}

/// A network: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    /// Of the address, counted from its front.
    bits: u8,
}

/// A text that is not a [`Net`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network: one looks like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
pub struct NetError(String);

impl Net {
    /// Is `peer` in it? An IPv4 address in IPv6 form is the IPv4 address.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let (own, peer) = (widened(self.address), widened(peer.to_canonical()));
        self.address.is_ipv4() == peer.1
            && (own.0 ^ peer.0).checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

/// The address in the upper bits, and whether it is IPv4.
fn widened(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

impl FromStr for Net {
    type Err = NetError;
    fn from_str(text: &str) -> Result<Self, NetError> {
        let refused = || NetError(text.chars().take(64).collect());
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(widest), str::parse).map_err(|_| refused())?;
        if bits > widest { Err(refused()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 /64, the smallest net a host commonly has to itself.
pub fn client_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// What counts as one source of datagrams that nobody has vouched for: an IPv4 /24 or an IPv6 /64. Wider than a
/// client, because a source address in a datagram costs nothing to make up.
pub fn source_of(peer: IpAddr) -> IpAddr {
    match client_of(peer) {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() & !0xff).into()),
        v6 @ IpAddr::V6(_) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (net, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001::1", "1.2.3.4"),
        ] {
            let parsed: Net = net.parse().expect(net);
            assert!(parsed.contains(ip(inside)) && !parsed.contains(ip(outside)), "{net}");
        }
        for bad in ["", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1", "name"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_exempt_unless_told_otherwise() {
        assert!(Exempt::default().contains(ip("127.1.2.3")) && Exempt::default().contains(ip("::1")));
        assert!(!Exempt::default().contains(ip("10.0.0.1")) && !Exempt::new([]).contains(ip("127.0.0.1")));
    }

    #[test]
    fn a_source_is_wider_than_a_client() {
        assert_eq!(client_of(ip("192.0.2.77")), ip("192.0.2.77"));
        assert_eq!(source_of(ip("192.0.2.77")), ip("192.0.2.0"));
        assert_eq!(source_of(ip("2001:db8::1:2:3:4")), ip("2001:db8::"));
    }
}
