//! What HTTP handlers ask of workers, and the answers.

use crate::{SessionId, directory::Seat, session::Session};
use std::{sync::Arc, time::Instant};
use tokio::sync::oneshot;
use unisono_auth::Pass;
use unisono_base::StreamId;
use unisono_hub::{PublishError, Refused, Stream, Ticket};
use unisono_net::Place;
use unisono_proto_webrtc::{OfferError, PatchError};

/// A request to a worker. Each has one answer; a worker that is gone drops it, and the handler says 503.
pub(crate) enum Command {
    /// WHIP POST.
    Publish(Publish),
    /// WHEP POST.
    Watch(Watch),
    /// PATCH of either.
    Patch(Patch),
    /// DELETE of either. Answered whether it was there.
    Close { id: SessionId, reply: oneshot::Sender<bool> },
    /// Another worker gives a session away.
    Adopt(Box<Session>),
}

/// A publisher to be.
pub(crate) struct Publish {
    pub(crate) id: SessionId,
    pub(crate) seat: Seat,
    /// Its place among those that have not connected yet.
    pub(crate) unconnected: Place,
    pub(crate) stream: StreamId,
    pub(crate) ticket: Ticket,
    pub(crate) pass: Pass,
    pub(crate) offer: String,
    pub(crate) posted: Instant,
    pub(crate) reply: oneshot::Sender<Result<Opened, Refusal>>,
}

/// A viewer to be.
pub(crate) struct Watch {
    pub(crate) id: SessionId,
    pub(crate) seat: Seat,
    /// As for [`Publish`].
    pub(crate) unconnected: Place,
    pub(crate) stream: Arc<Stream>,
    pub(crate) ticket: Ticket,
    pub(crate) pass: Pass,
    pub(crate) offer: String,
    pub(crate) posted: Instant,
    pub(crate) reply: oneshot::Sender<Result<Opened, Refusal>>,
}

/// Trickled candidates or an ICE restart (RFC 9725 §4.3).
pub(crate) struct Patch {
    pub(crate) id: SessionId,
    pub(crate) fragment: String,
    pub(crate) if_match: IfMatch,
    pub(crate) reply: oneshot::Sender<Result<Patched, Refusal>>,
}

/// The If-Match header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// `*`: whatever the ICE session is now, restart it.
    Any,
    /// One entity tag, quotes included.
    Tag(String),
}

/// A session was made.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) answer: String,
    /// Entity tag of the ICE session, quotes included.
    pub(crate) etag: String,
}

/// What a PATCH did.
#[derive(Debug)]
pub(crate) enum Patched {
    /// Candidates taken: 204.
    Trickled,
    /// ICE restarted: 200 with our new credentials and entity tag.
    Restarted { fragment: String, etag: String },
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The offer is malformed, or nothing in it can be used.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The trickled fragment is.
    #[error(transparent)]
    Fragment(#[from] PatchError),
    /// The hub's word.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The list of sessions has no place for it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// B-frames (decisions 17).
    #[error(
        "stream {0} has B-frames, which browsers cannot play by WebRTC; set the encoder's B-frames to 0 (OBS: \
         tune zerolatency, or bframes=0; ffmpeg: -bf 0), or watch by HLS"
    )]
    Reordered(StreamId),
    /// The session ended meanwhile.
    #[error("this session is over; make a new one by POST")]
    Gone,
    /// RFC 9725 §4.3.1: the entity tag belongs to an ICE session that is no more.
    #[error("the ICE session of this If-Match is over; use the ETag of the last answer")]
    Stale,
    /// The stream has as many readers as it can.
    #[error("stream {0} has too many readers on this server")]
    Crowded(StreamId),
}
