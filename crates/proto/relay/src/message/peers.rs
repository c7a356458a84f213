//! Who else is there: each edge tells its upstream of itself and of those below it, each upstream tells its edges of everybody it
//! knows, so that viewers of a node that goes away learn beforehand where else they may watch.

use super::NodeId;
use crate::wire::{Malformed, Reader, Writer};

/// Nodes that are told of; the nearest ones where there are more.
pub const PEERS_MAX: usize = 256;
/// Links that an entry may pass. Entries of nodes that are each other's upstreams die out by it.
pub const HOPS_MAX: u8 = 6;
/// Longest address of a node.
const URL_MAX: usize = 256;

/// A node, as viewers find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which one.
    pub node: NodeId,
    /// Where its HTTP door is for everybody: `https://edge1.example.org`. The receiver looks at it before it believes it.
    pub url: String,
    /// It pulls from another one, and so can be spared more easily than the one that has the publishers.
    pub is_edge: bool,
    /// It sends its viewers away and takes no new ones.
    pub is_draining: bool,
    /// Links between it and whoever reads this.
    pub hops: u8,
}

/// Names the message, in both directions.
pub(super) const NUMBER: u64 = 20;

pub(super) fn write<'a>(writer: &'a mut Writer, peers: &[Peer]) -> &'a mut Writer {
    let peers = &peers[..peers.len().min(PEERS_MAX)];
    writer.number(peers.len() as u64);
    for peer in peers {
        writer.number(peer.node.0).bytes(peer.url.as_bytes());
        writer.flag(peer.is_edge).flag(peer.is_draining).number(peer.hops.into());
    }
    writer
}

pub(super) fn read(reader: &mut Reader) -> Result<Vec<Peer>, Malformed> {
    let count = reader.up_to("number of nodes", PEERS_MAX as u64)?;
    let peer = |reader: &mut Reader| {
        Ok(Peer {
            node: NodeId(reader.number("node")?),
            url: reader.text("node's address", URL_MAX)?,
            is_edge: reader.flag("node's kind")?,
            is_draining: reader.flag("drain")?,
            hops: reader.up_to("hops", HOPS_MAX.into())? as u8,
        })
    };
    (0..count).map(|_| peer(reader)).collect()
}
