//! How long somebody who presents wrong keys has to wait, the same at every door of a node.

use crate::{
    nets::{Exempt, client_of},
    rate::{Failures, Wait},
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Clients whose failures are remembered; the quietest makes room.
const CLIENTS_MAX: usize = 16_384;

/// See the module. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Patience {
    exempt: Exempt,
    failures: Arc<Mutex<Failures>>,
}

impl Patience {
    /// Without end for `exempt`.
    pub fn new(exempt: Exempt) -> Self {
        Self { exempt, failures: Arc::new(Mutex::new(Failures::new(CLIENTS_MAX))) }
    }

    /// Must `peer` wait before another key of it is looked at?
    pub fn check(&self, peer: IpAddr, now: Instant) -> Result<(), Wait> {
        if self.exempt.contains(peer) {
            return Ok(());
        }
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).check(client_of(peer), now)
    }

    /// `peer` presented a key or token that no issuer of ours ever made.
    pub fn failed(&self, peer: IpAddr, now: Instant) {
        if !self.exempt.contains(peer) {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).count(client_of(peer), now);
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(Exempt::default())
    }
}
