//! Which worker holds a session, by id, ufrag and peer address. Shared by the workers and the HTTP handlers.

use crate::{SessionId, metrics::Direction};
use parking_lot::RwLock;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use unisono_base::StreamId;

/// Peer addresses per session: candidate pairs in use at once, and some of the networks it came from. The oldest
/// makes room.
pub(crate) const PEERS_MAX: usize = 8;

/// Where a session is.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) worker: usize,
    pub(crate) direction: Direction,
    pub(crate) stream: StreamId,
}

/// See the module. Every map is bounded by the sessions, which the limits bound.
#[derive(Debug)]
pub(crate) struct Directory {
    sessions: RwLock<HashMap<SessionId, Entry>>,
    ufrags: RwLock<HashMap<String, (usize, SessionId)>>,
    peers: RwLock<HashMap<SocketAddr, (usize, SessionId)>>,
    peers_gauge: Gauge,
}

impl Directory {
    pub(crate) fn new(peers_gauge: Gauge) -> Self {
        Self { sessions: RwLock::default(), ufrags: RwLock::default(), peers: RwLock::default(), peers_gauge }
    }

    pub(crate) fn enter(&self, id: SessionId, entry: Entry, ufrag: &str) {
        self.ufrags.write().insert(ufrag.to_owned(), (entry.worker, id));
        self.sessions.write().insert(id, entry);
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<Entry> {
        self.sessions.read().get(&id).cloned()
    }

    /// An ICE restart gives the session another ufrag.
    pub(crate) fn rename(&self, id: SessionId, worker: usize, old: &str, new: &str) {
        let mut ufrags = self.ufrags.write();
        ufrags.remove(old);
        ufrags.insert(new.to_owned(), (worker, id));
    }

    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<(usize, SessionId)> {
        self.ufrags.read().get(ufrag).copied()
    }

    pub(crate) fn by_peer(&self, peer: SocketAddr) -> Option<(usize, SessionId)> {
        self.peers.read().get(&peer).copied()
    }

    /// From now on datagrams of `peer` belong to `id`.
    pub(crate) fn bind_peer(&self, peer: SocketAddr, worker: usize, id: SessionId) {
        if self.peers.write().insert(peer, (worker, id)).is_none() {
            self.peers_gauge.inc();
        }
    }

    /// Forgets an address, unless it belongs to another session by now.
    pub(crate) fn release_peer(&self, peer: SocketAddr, id: SessionId) {
        let mut peers = self.peers.write();
        if peers.get(&peer).is_some_and(|(_, owner)| *owner == id) {
            peers.remove(&peer);
            self.peers_gauge.dec();
        }
    }

    /// The session is over; its peers are released one by one.
    pub(crate) fn leave(&self, id: SessionId, ufrag: &str) {
        self.sessions.write().remove(&id);
        self.ufrags.write().remove(ufrag);
    }
}

/// Counts a kind of sessions against its limit.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    taken: Arc<AtomicUsize>,
    max: usize,
    gauge: Gauge,
}

/// One session's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Seat {
    taken: Arc<AtomicUsize>,
    load: Arc<AtomicUsize>,
    gauge: Gauge,
}

impl Seats {
    pub(crate) fn new(max: usize, gauge: Gauge) -> Self {
        Self { taken: Arc::default(), max, gauge }
    }

    /// A place among all sessions of the kind, counted as `load` of the worker; `None` when all are taken.
    pub(crate) fn take(&self, load: &Arc<AtomicUsize>) -> Option<Seat> {
        let room = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        load.fetch_add(1, Ordering::Relaxed);
        self.gauge.inc();
        Some(Seat { taken: self.taken.clone(), load: load.clone(), gauge: self.gauge.clone() })
    }
}

impl Seat {
    /// From now on it counts as load of another worker.
    pub(crate) fn sit_with(&mut self, load: &Arc<AtomicUsize>) {
        load.fetch_add(1, Ordering::Relaxed);
        std::mem::replace(&mut self.load, load.clone()).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_given_back() {
        let (seats, load) = (Seats::new(2, Gauge::default()), Arc::default());
        let one = seats.take(&load).expect("free");
        let _two = seats.take(&load).expect("free");
        assert!(seats.take(&load).is_none());
        drop(one);
        assert_eq!(load.load(Ordering::Relaxed), 1);
        assert!(seats.take(&load).is_some());
    }

    #[test]
    fn an_address_taken_over_is_not_released_by_its_old_session() {
        let gauge = Gauge::default();
        let directory = Directory::new(gauge.clone());
        let peer = "192.0.2.1:5000".parse().expect("address");
        let (old, new) = (SessionId::from_bits(1), SessionId::from_bits(2));
        directory.bind_peer(peer, 0, old);
        directory.bind_peer(peer, 1, new);
        directory.release_peer(peer, old);
        assert_eq!(directory.by_peer(peer), Some((1, new)));
        directory.release_peer(peer, new);
        assert_eq!((directory.by_peer(peer), gauge.get()), (None, 0));
    }
}
