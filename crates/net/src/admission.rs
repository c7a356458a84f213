//! How many connections a door holds, in all and from one address, so that one client cannot take every place.

use crate::nets::{Exempt, client_of};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// See the module. Cheap to clone; places come back when they are dropped.
#[derive(Clone, Debug)]
pub struct Admission {
    exempt: Exempt,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    total_max: usize,
    per_address_max: usize,
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// All places are taken.
    #[error("the limit of {0} connections is reached")]
    Total(usize),
    /// This address has its share.
    #[error("the limit of {0} connections from one address is reached")]
    Address(usize),
}

/// One connection's place.
#[derive(Debug)]
pub struct Place {
    held: Arc<Mutex<Held>>,
    /// `None` where it has no share, being exempt.
    address: Option<IpAddr>,
}

impl Admission {
    /// At most `total_max` connections, at most `per_address_max` from one client ([`client_of`]). This machine is not
    /// limited on its own: a proxy here speaks for everybody.
    pub fn new(total_max: usize, per_address_max: usize) -> Self {
        let held = Held { total_max, per_address_max, ..Held::default() };
        Self { exempt: Exempt::default(), held: Arc::new(Mutex::new(held)) }
    }

    /// With other networks that are bound by the total alone.
    pub fn exempting(self, exempt: Exempt) -> Self {
        Self { exempt, ..self }
    }

    /// Other limits, for connections that come from now on; those that are in stay.
    pub fn set_limits(&self, total_max: usize, per_address_max: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        (held.total_max, held.per_address_max) = (total_max, per_address_max);
    }

    /// A place for a connection from `peer`.
    pub fn admit(&self, peer: IpAddr) -> Result<Place, Full> {
        let address = (!self.exempt.contains(peer)).then(|| client_of(peer));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.total >= held.total_max {
            return Err(Full::Total(held.total_max));
        }
        let per_address_max = held.per_address_max;
        if let Some(address) = address {
            let count = held.by_address.entry(address).or_default();
            if *count >= per_address_max {
                return Err(Full::Address(per_address_max));
            }
            *count += 1;
        }
        held.total += 1;
        Ok(Place { held: self.held.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = held.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                held.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let door = Admission::new(10, 2);
        let first = door.admit(ip("192.0.2.1")).expect("a place");
        let _second = door.admit(ip("::ffff:192.0.2.1")).expect("the same address, mapped");
        assert_eq!(door.admit(ip("192.0.2.1")).expect_err("its share is taken"), Full::Address(2));
        let _other = door.admit(ip("192.0.2.2")).expect("others come in");
        door.set_limits(10, 3);
        let _third = door.admit(ip("192.0.2.1")).expect("a larger share");
        door.set_limits(10, 2);
        assert_eq!(door.admit(ip("192.0.2.1")).expect_err("who is in stays"), Full::Address(2));
        drop((first, _third));
        let _again = door.admit(ip("192.0.2.1")).expect("a place came back");
    }

    #[test]
    fn an_ipv6_host_is_its_64() {
        let door = Admission::new(10, 1);
        let _first = door.admit(ip("2001:db8::1")).expect("a place");
        assert_eq!(door.admit(ip("2001:db8::ffff:1")).expect_err("the same net"), Full::Address(1));
        let _other = door.admit(ip("2001:db8:0:1::1")).expect("another net");
    }

    #[test]
    fn this_machine_is_bound_by_the_total_alone_and_nothing_is_remembered() {
        let door = Admission::new(3, 1);
        let places: Vec<_> = (0..3).map(|_| door.admit(ip("127.0.0.1")).expect("a place")).collect();
        assert_eq!(door.admit(ip("192.0.2.1")).expect_err("full"), Full::Total(3));
        drop(places);
        drop(door.admit(ip("192.0.2.1")).expect("a place"));
        let held = door.held.lock().expect("sound");
        assert!(held.total == 0 && held.by_address.is_empty());
    }
}
