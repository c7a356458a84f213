//! Relay between nodes: an *origin* gives its streams to *edges*, which serve them as their own. One QUIC connection
//! per pair of nodes carries all of them; each stream crosses it once, however many watch at the edge.
//!
//! The origin reads its hub's rings like any other exit. The edge writes into its own hub what came, with T, epoch, group
//! and segment borders as the origin gave them, so that both package the same bytes. A node may be both: what it pulls it
//! gives on, three nodes deep at most, and never back to a node it came by. What is said is in [`unisono_proto_relay`].

mod bell;
mod edge;
mod metrics;
mod origin;
mod rooms;
mod roster;
mod tls;

pub use edge::{Edge, NotHere};
pub use metrics::Metrics;
pub use origin::Origin;
pub use rooms::{Answer, Answers, RequestError};
pub use roster::Roster;
pub use unisono_proto_relay::{NodeId, Peer};

use std::{sync::Arc, time::Duration};
use unisono_auth::RelaySecrets;

/// A link without a sign of life for this long is down.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// A sign of life at least this often.
const KEEP_ALIVE: Duration = Duration::from_millis(250);
/// A link on which nothing came for this long, or for so many round trips where the way is long, is dialled again beside itself: the first
/// of the two to say something goes on. So a node that was merely busy for a moment loses no link.
const SILENT_MAX: Duration = Duration::from_millis(750);
const SILENT_ROUND_TRIPS: u32 = 4;
/// From the first packet to the other node's proof.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Subscriptions of one link, and pulls of one edge.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Groups under way on one link at once.
const GROUPS_MAX: u32 = 4_096;
/// Rooms and requests under way on one link at once.
const ROOM_STREAMS_MAX: u32 = 2_048;
/// Control messages that wait to be sent on one link; who has more to say waits.
const CONTROL_QUEUE: usize = 1_024;
/// Length of the keying material both sides prove their secret over.
const MATERIAL_BYTES: usize = 32;

/// What both sides of a relay need to know of their own node.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This node, as others name it while it runs.
    pub node: NodeId,
    /// What it shares with them.
    pub secrets: RelaySecrets,
    /// Who else is there.
    pub roster: Arc<Roster>,
}

impl Identity {
    /// A new node id for this run, of a node that viewers are not sent to.
    pub fn new(secrets: RelaySecrets) -> Self {
        Self::found_at(None, false, secrets)
    }

    /// The same for one whose HTTP door viewers find at `url`; `is_edge`: it has an upstream.
    pub fn found_at(url: Option<String>, is_edge: bool, secrets: RelaySecrets) -> Self {
        let node = NodeId(rand::random());
        Self { node, secrets, roster: Roster::new(node, url, is_edge) }
    }
}

/// Why a link is closed, as the other side sees it in QUIC's application error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// The node stops.
    Stopping = 0,
    /// The secrets differ.
    Secret = 1,
    /// What was said could not be read.
    Malformed = 2,
    /// Too many links.
    Full = 3,
    /// A group was given up because it came too late.
    Late = 4,
    /// An answer broke off.
    Broken = 5,
}

impl From<Code> for quinn::VarInt {
    fn from(code: Code) -> Self {
        Self::from_u32(code as u32)
    }
}
