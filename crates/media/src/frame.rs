//! Frames and the RTP payloads made from them once and shared by every viewer.

use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use unisono_base::{MediaTime, Span};

/// One access unit. Immutable once in a ring; shared by `Arc`.
#[derive(Debug)]
pub struct Frame {
    /// Presentation time on the stream's timeline; assigned once at ingest.
    pub t: MediaTime,
    /// Decode time on the same timeline; `dts <= t`, equal where nothing is reordered.
    pub dts: MediaTime,
    /// When its last byte had arrived, on the node's timeline clock: where latency is counted from.
    pub arrived: MediaTime,
    /// How long it is shown or heard, where the source says so: audio always, video estimated from its
    /// predecessor, zero when unknown.
    pub duration: Span,
    /// Decoding can start here.
    pub key: bool,
    /// No later frame refers to it (H.264 `nal_ref_idc == 0`).
    pub droppable: bool,
    /// Temporal layer, 0 = base.
    pub layer: u8,
    /// The access unit in stored form (see the crate docs).
    pub payload: Bytes,
    packets: OnceLock<Arc<Packets>>,
}

impl Frame {
    /// The same frame with another payload, not packetized yet.
    #[must_use]
    pub fn with_payload(&self, payload: Bytes) -> Self {
        let Self { t, dts, arrived, duration, key, droppable, layer, .. } = *self;
        Self { t, dts, arrived, duration, key, droppable, layer, payload, packets: OnceLock::new() }
    }

    /// A frame that is neither a keyframe nor droppable, on the base layer, with `dts == t`.
    pub fn new(t: MediaTime, arrived: MediaTime, payload: Bytes) -> Self {
        Self {
            t,
            dts: t,
            arrived,
            duration: Span::ZERO,
            key: false,
            droppable: false,
            layer: 0,
            payload,
            packets: OnceLock::new(),
        }
    }

    /// The RTP payloads of this frame, made by whoever asks first; `make` runs at most once per frame.
    pub fn packets(&self, make: impl FnOnce() -> Packets) -> &Arc<Packets> {
        self.packets.get_or_init(|| Arc::new(make()))
    }
}

/// The RTP payloads of one frame, in order.
#[derive(Debug)]
pub struct Packets {
    /// One entry per RTP packet.
    pub list: Vec<Packet>,
    /// False while the frame is still arriving (cut-through); readers wait for the rest.
    pub complete: bool,
}

/// One RTP packet's payload, without the RTP header, shared by all viewers.
#[derive(Clone, Debug)]
pub struct Packet {
    /// RTP payload (for H.264: RFC 6184 packetization mode 1).
    pub payload: Arc<[u8]>,
    /// RTP marker bit: last packet of the access unit for video, always set to false for audio.
    pub marker: bool,
}
