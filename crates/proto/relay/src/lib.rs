//! The relay protocol between two nodes: what is said, how it is written, and how groups that arrive in any order become
//! one track again. Sans-IO: bytes and times are arguments, nothing here opens a socket or reads a clock.
//!
//! The model is that of MoQ: *tracks* of *groups* of *frames*. An edge subscribes to a stream by name over one
//! bidirectional *control* stream ([`ToOrigin`], [`ToEdge`]); each group of frames comes on a unidirectional stream of its
//! own ([`GroupEncoder`], [`GroupDecoder`]), so that a lost packet of one holds up no other. Rooms have bidirectional streams of
//! their own ([`Opening`], [`RoomPacket`]). Every item on each kind of stream is a length and so many bytes ([`Items`]).
//!
//! T, epoch, group, index and the segment borders travel as the origin gave them and are never derived again. A frame
//! names how many control messages of its subscription it stands behind, so that a border is always known before the
//! first frame behind it, whatever the order of arrival.
//!
//! Contract of [`Assembly`]: after each input, and at [`Assembly::poll_timeout`], call [`Assembly::poll`] until it gives
//! nothing.

mod assembly;
mod codec;
mod group;
mod message;
mod room;
mod timeline;
mod wire;

pub use assembly::{Assembly, Missing, Piece};
pub use group::{GroupDecoder, GroupEncoder, GroupHead, GroupItem, RelayedFrame};
pub use message::{
    Cut, DEPTH_MAX, Event, HOPS_MAX, Hello, NodeId, PEERS_MAX, PROOF_BYTES, Peer, Place, Refusal, Resume,
    SECRETS_MAX, Subscribe, SubscriptionId, ToEdge, ToOrigin, Track, Welcome,
};
pub use room::{Opening, REQUEST_BYTES_MAX, ROOM_ITEM_BYTES_MAX, RoomPacket};
pub use timeline::Timeline;
pub use wire::{ITEM_BYTES_MAX, Items, MESSAGE_BYTES_MAX, Malformed};

/// Names protocol and version in the TLS handshake (ALPN, RFC 7301); nodes of another version find no common protocol.
pub const ALPN: &[u8] = b"unisono-relay/2";
/// Label of the exported keying material (RFC 8446 §7.5) that both sides prove their secret over.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-unisono-relay";
