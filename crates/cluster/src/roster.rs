//! Which nodes there are, as viewers find them. Each edge tells its upstream of its own side, each upstream tells its edges of
//! everybody: so all nodes of a tree know each other, and a viewer can be told beforehand where else he may watch.

use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use tokio::sync::watch;
use unisono_proto_relay::{HOPS_MAX, NodeId, PEERS_MAX, Peer};

/// See the module. A node that names no address of its own is not told of, but passes on what it hears.
#[derive(Debug)]
pub struct Roster {
    node: NodeId,
    known: Mutex<Known>,
    /// Rings at each change.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// This node.
    own: Option<Peer>,
    /// What the upstream said last. Kept while the link is down: those who are there can still be reached.
    above: Vec<Peer>,
    /// What each edge said last, by the number of its link.
    below: BTreeMap<u64, Vec<Peer>>,
    next_link: u64,
}

impl Roster {
    /// `url`: where this node's HTTP door is for everybody; `is_edge`: it has an upstream.
    pub fn new(node: NodeId, url: Option<String>, is_edge: bool) -> Arc<Self> {
        let own = url.map(|url| Peer { node, url, is_edge, is_draining: false, hops: 0 });
        let known = Mutex::new(Known { own, ..Known::default() });
        Arc::new(Self { node, known, changed: watch::Sender::new(()) })
    }

    /// This node sends its viewers away, or does not any more.
    pub fn set_draining(&self, is_draining: bool) {
        if let Some(own) = &mut self.known.lock().own {
            own.is_draining = is_draining;
        }
        self.changed.send_replace(());
    }

    /// All nodes but this one, the nearest first.
    pub fn others(&self) -> Vec<Peer> {
        self.known.lock().all().into_iter().filter(|peer| peer.node != self.node).collect()
    }

    /// Those that pull from this node, directly or not: they have what is published here.
    pub fn below(&self) -> Vec<Peer> {
        let known = self.known.lock();
        distinct(known.below.values().flatten().filter(|peer| peer.node != self.node))
    }

    /// Told at each change of anything here.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What the upstream shall know.
    pub(crate) fn for_upstream(&self) -> Vec<Peer> {
        let known = self.known.lock();
        passed_on(known.own.iter().chain(known.below.values().flatten()))
    }

    /// What edges shall know.
    pub(crate) fn for_edges(&self) -> Vec<Peer> {
        passed_on(&self.known.lock().all())
    }

    /// The upstream has said who is there.
    pub(crate) fn set_above(&self, peers: Vec<Peer>) {
        self.known.lock().above = peers;
        self.changed.send_replace(());
    }

    /// A place for what one edge says; given up with its link.
    pub(crate) fn join(self: &Arc<Self>) -> Place {
        let mut known = self.known.lock();
        known.next_link += 1;
        Place { roster: self.clone(), link: known.next_link }
    }
}

impl Known {
    fn all(&self) -> Vec<Peer> {
        distinct(self.own.iter().chain(self.below.values().flatten()).chain(&self.above))
    }
}

/// Each node once, by the shortest way it was heard of.
fn distinct<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> Vec<Peer> {
    let mut all: Vec<_> = peers.into_iter().collect();
    all.sort_by_key(|peer| peer.hops);
    let mut seen = HashSet::new();
    all.into_iter().filter(|peer| seen.insert(peer.node)).take(PEERS_MAX).cloned().collect()
}

/// As whoever is one link farther away sees them.
fn passed_on<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> Vec<Peer> {
    let near = distinct(peers).into_iter().filter(|peer| peer.hops < HOPS_MAX);
    near.map(|peer| Peer { hops: peer.hops + 1, ..peer }).collect()
}

/// See [`Roster::join`].
#[derive(Debug)]
pub(crate) struct Place {
    roster: Arc<Roster>,
    link: u64,
}

impl Place {
    /// The edge has said who is there.
    pub(crate) fn set(&self, peers: Vec<Peer>) {
        self.roster.known.lock().below.insert(self.link, peers);
        self.roster.changed.send_replace(());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.roster.known.lock().below.remove(&self.link).is_some() {
            self.roster.changed.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64, is_edge: bool) -> Arc<Roster> {
        Roster::new(NodeId(number), Some(format!("https://node{number}")), is_edge)
    }

    fn urls(peers: &[Peer]) -> Vec<&str> {
        let mut urls: Vec<_> = peers.iter().map(|peer| peer.url.as_str()).collect();
        urls.sort_unstable();
        urls
    }

    /// As their links do: up, then down to all.
    fn exchange(origin: &Arc<Roster>, edges: &[(&Arc<Roster>, &Place)]) {
        for (edge, place) in edges {
            place.set(edge.for_upstream());
        }
        for (edge, _) in edges {
            edge.set_above(origin.for_edges());
        }
    }

    #[test]
    fn all_nodes_of_a_tree_know_each_other_and_forget_who_is_gone() {
        let (origin, one, two) = (node(0, false), node(1, true), node(2, true));
        let (a, b) = (origin.join(), origin.join());
        exchange(&origin, &[(&one, &a), (&two, &b)]);
        assert_eq!(urls(&origin.others()), ["https://node1", "https://node2"]);
        assert_eq!(urls(&one.others()), ["https://node0", "https://node2"]);
        drop(b);
        exchange(&origin, &[(&one, &a)]);
        assert_eq!(urls(&one.others()), ["https://node0"]);
    }

    #[test]
    fn a_node_without_an_address_passes_on_what_it_hears() {
        let (origin, middle, leaf) = (node(0, false), Roster::new(NodeId(1), None, true), node(2, true));
        let (upper, lower) = (origin.join(), middle.join());
        lower.set(leaf.for_upstream());
        upper.set(middle.for_upstream());
        assert_eq!(urls(&origin.others()), ["https://node2"]);
        assert_eq!(urls(&origin.below()), ["https://node2"]);
        middle.set_above(origin.for_edges());
        leaf.set_above(middle.for_edges());
        assert_eq!(urls(&leaf.others()), ["https://node0"]);
        assert_eq!(leaf.others()[0].hops, 2);
    }

    #[test]
    fn a_drain_is_told() {
        let (origin, edge) = (node(0, false), node(1, true));
        let (place, mut changes) = (origin.join(), edge.changes());
        edge.set_draining(true);
        assert!(changes.has_changed().expect("the roster is there"));
        changes.mark_unchanged();
        place.set(edge.for_upstream());
        assert!(origin.others()[0].is_draining);
    }

    #[test]
    fn what_nodes_say_that_are_each_others_upstreams_dies_out() {
        let (one, two, gone) = (node(1, true), node(2, true), node(3, true));
        let (of_two, of_one, of_gone) = (one.join(), two.join(), one.join());
        of_gone.set(gone.for_upstream());
        for _ in 0..3 {
            of_one.set(one.for_upstream());
            of_two.set(two.for_upstream());
        }
        drop(of_gone);
        for _ in 0..=HOPS_MAX {
            of_one.set(one.for_upstream());
            of_two.set(two.for_upstream());
        }
        assert_eq!(urls(&one.others()), ["https://node2"]);
    }
}
