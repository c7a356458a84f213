//! How addresses of people are written: as their network, unless an operator asks for the whole.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

/// One switch for the process, as the log it is written to is one.
static FULL: AtomicBool = AtomicBool::new(false);

/// Whether [`Shown`] writes whole addresses (`log.full_addresses`).
pub fn show_full_addresses(full: bool) {
    FULL.store(full, Ordering::Relaxed);
}

/// An address for logs and API: an IPv4 /24, an IPv6 /48, this machine as it is; with its port only when whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    ip: IpAddr,
    port: Option<u16>,
}

impl From<IpAddr> for Shown {
    fn from(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), port: None }
    }
}

impl From<SocketAddr> for Shown {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip().to_canonical(), port: Some(address.port()) }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if FULL.load(Ordering::Relaxed) || self.ip.is_loopback() {
            return match self.port {
                Some(port) => SocketAddr::new(self.ip, port).fmt(f),
                None => self.ip.fmt(f),
            };
        }
        match self.ip {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0))
            }
            IpAddr::V6(ip) => write!(f, "{}/48", Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Shown::from(text.parse::<SocketAddr>().expect("an address")).to_string()
    }

    #[test]
    fn people_are_shown_as_their_network_and_whole_when_asked_for() {
        assert_eq!(shown("203.0.113.77:5000"), "203.0.113.0/24");
        assert_eq!(shown("[::ffff:203.0.113.77]:5000"), "203.0.113.0/24", "a dual-stack socket");
        assert_eq!(shown("[2001:db8:1:2:3::4]:5000"), "2001:db8:1::/48");
        assert_eq!(shown("127.0.0.1:5000"), "127.0.0.1:5000", "this machine is nobody");
        show_full_addresses(true);
        assert_eq!(shown("[2001:db8:1:2:3::4]:5000"), "[2001:db8:1:2:3::4]:5000");
        show_full_addresses(false);
    }
}
