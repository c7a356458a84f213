//! What the two nodes say on their control stream.

mod peers;
mod written;

pub use peers::{HOPS_MAX, PEERS_MAX, Peer};
pub(crate) use written::read_id;

use bytes::Bytes;
use std::{fmt, sync::Arc};
use unisono_base::{Epoch, MediaTime, Span, StreamId};
use unisono_media::CodecConfig;

/// Nodes between a publisher's node and a viewer, the viewer's own included.
pub const DEPTH_MAX: usize = 3;
/// Secrets that are valid at once.
pub const SECRETS_MAX: usize = 2;
/// Length of a proof: HMAC-SHA256.
pub const PROOF_BYTES: usize = 32;

/// A running node: random, new at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A subscription, named by the edge; unique while its connection lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u32);

/// The edge's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who it is.
    pub node: NodeId,
    /// That it knows a secret: one proof for each of its own, of which one must be the origin's as well.
    pub proofs: Vec<[u8; PROOF_BYTES]>,
}

/// The origin's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Who it is.
    pub node: NodeId,
    /// That it knows that secret, too.
    pub proof: [u8; PROOF_BYTES],
}

/// A frame's place in its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Run of the timeline.
    pub epoch: Epoch,
    /// Group.
    pub group: u64,
    /// Index in the group, from 0.
    pub index: u32,
}

/// The last frames an edge has of a stream, after its link was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// Of the picture.
    pub video: Option<Place>,
    /// Of the sound.
    pub audio: Option<Place>,
    /// Events: the node they came from and the number of the next one in its ring.
    pub events: Option<(NodeId, u64)>,
}

/// A stream is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Its name from now on.
    pub id: SubscriptionId,
    /// Which stream.
    pub stream: StreamId,
    /// The nodes it is wanted by, the viewer's first, the sender last.
    pub path: Vec<NodeId>,
    /// Where to go on.
    pub resume: Resume,
}

/// From the edge to the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToOrigin {
    /// The first message, and only it.
    Hello(Hello),
    /// A stream is wanted.
    Subscribe(Subscribe),
    /// It is not wanted any more.
    Unsubscribe(SubscriptionId),
    /// A viewer needs a keyframe.
    Keyframe(SubscriptionId),
    /// What is your time? The number comes back.
    Ping(u64),
    /// The nodes at the edge's side of the link, itself among them; instead of those told before.
    Peers(Vec<Peer>),
}

/// Why a subscription is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody publishes it there.
    NoStream,
    /// The origin is among those it is wanted by.
    Loop,
    /// More than [`DEPTH_MAX`] nodes.
    TooDeep,
    /// The origin gives as much as it may.
    Full,
}

/// A segment border as the origin's ingest decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Run of the timeline.
    pub epoch: Epoch,
    /// Segment number.
    pub segment: u64,
    /// First T of the segment.
    pub t: MediaTime,
    /// False when it was made without a keyframe.
    pub independent: bool,
    /// Breaks before it, its own included.
    pub discontinuities: u32,
}

/// One track of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Unique in the subscription; another number is another ring at the origin.
    pub track: u32,
    /// What its first frames are decoded with.
    pub config: Arc<CodecConfig>,
    /// Number in its ring of the first frame that will come.
    pub first: u64,
    /// That frame follows the one that the edge asked to resume behind.
    pub is_resumed: bool,
}

/// One event of the stream's room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its `at`.
    pub t: MediaTime,
    /// When it was decided.
    pub arrived: MediaTime,
    /// Number of the next one in the origin's ring, to resume at.
    pub next: u64,
    /// UTF-8 JSON.
    pub json: Bytes,
}

/// From the origin to the edge. Those of one subscription are counted from 1 in the order they are sent; frames refer to
/// that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToEdge {
    /// The first message, and only it.
    Welcome(Welcome),
    /// The answer to a ping: its number, and the origin's timeline clock.
    Pong(u64, MediaTime),
    /// The subscription is over before it began, or cannot go on.
    Refused(SubscriptionId, Refusal, String),
    /// Somebody publishes, in this epoch.
    Live {
        /// Which subscription.
        id: SubscriptionId,
        /// The running epoch.
        epoch: Epoch,
        /// The publisher answers keyframe requests.
        accepts_pli: bool,
        /// Nodes that it has passed between its publisher's and this one, this one included; 0 at its publisher's.
        depth: u8,
    },
    /// The tracks there are from now on.
    Tracks {
        /// Which subscription.
        id: SubscriptionId,
        /// Picture.
        video: Option<Track>,
        /// Sound.
        audio: Option<Track>,
    },
    /// Borders, oldest first, and the target duration of the newest epoch.
    Cuts {
        /// Which subscription.
        id: SubscriptionId,
        /// Those not told before.
        list: Vec<Cut>,
        /// EXT-X-TARGETDURATION of the newest epoch once it is known.
        target: Option<Span>,
    },
    /// An event of the room.
    Event(SubscriptionId, Event),
    /// What is left of an event told before: somebody's words were taken out of the room. Named by its `id`.
    Rewritten(SubscriptionId, Event),
    /// The publisher is lost; the stream waits for it.
    Lost(SubscriptionId),
    /// The stream is over.
    Ended(SubscriptionId),
    /// All nodes that the origin knows, the reader perhaps among them; instead of those told before.
    Peers(Vec<Peer>),
}

impl ToEdge {
    /// The subscription it belongs to; `None` for what concerns the whole link.
    pub fn subscription(&self) -> Option<SubscriptionId> {
        match self {
            Self::Welcome(_) | Self::Pong(..) | Self::Peers(_) => None,
            Self::Refused(id, ..)
            | Self::Live { id, .. }
            | Self::Tracks { id, .. }
            | Self::Cuts { id, .. }
            | Self::Event(id, _)
            | Self::Rewritten(id, _)
            | Self::Lost(id)
            | Self::Ended(id) => Some(*id),
        }
    }
}
