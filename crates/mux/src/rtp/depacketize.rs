//! RTP payloads to frames in stored form: what all video formats have in common.

use super::{
    av1_depacketize::Av1Depacketizer, h264_depacketize::H264Depacketizer, h265_depacketize::H265Depacketizer,
    vp8::Vp8Depacketizer, vp9_depacketize::Vp9Depacketizer,
};
use bytes::Bytes;
use std::fmt::Debug;
use unisono_media::CodecConfig;

/// Largest frame put together, in bytes; a 4K keyframe stays below.
pub(super) const FRAME_MAX: usize = 8 << 20;

/// A video format on RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the formats'")]
pub enum VideoFormat {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

impl VideoFormat {
    /// Before the first packet.
    pub fn depacketizer(self) -> Box<dyn Depacketizer> {
        match self {
            Self::H264 => Box::<H264Depacketizer>::default(),
            Self::H265 => Box::<H265Depacketizer>::default(),
            Self::Vp8 => Box::<Vp8Depacketizer>::default(),
            Self::Vp9 => Box::<Vp9Depacketizer>::default(),
            Self::Av1 => Box::<Av1Depacketizer>::default(),
        }
    }
}

/// Puts the payloads of one video track together, packets in order.
pub trait Depacketizer: Debug + Send {
    /// True when a frame surely begins with this payload: after a hole, that it is whole.
    fn is_start(&self, payload: &[u8]) -> bool;

    /// Adds the next payload of a frame. After an error, call [`Self::reset`] and wait for the next frame.
    fn push(&mut self, payload: &[u8]) -> Result<(), PayloadError>;

    /// The frame put together since the last call; `None` when there is no whole picture in it. What was learnt of
    /// the configuration stays.
    fn finish(&mut self) -> Option<VideoFrame>;

    /// Forgets the frame being put together.
    fn reset(&mut self);
}

/// A frame as it came.
#[derive(Clone, Debug)]
pub struct VideoFrame {
    /// Stored form, see `unisono_media`.
    pub payload: Bytes,
    /// Decoding can start here, given a configuration.
    pub key: bool,
    /// No later frame refers to it.
    pub droppable: bool,
    /// The configuration this frame brought, complete, whether or not it differs from the one in force.
    pub config: Option<CodecConfig>,
}

/// Why a payload was refused. The frame it belongs to is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// An empty payload, or a header cut short.
    #[error("RTP payload of {0} bytes is too short for its header")]
    Short(usize),
    /// An aggregate whose length fields do not add up.
    #[error("a unit runs past its aggregation packet")]
    Aggregate,
    /// A fragment whose start did not come.
    #[error("a fragment without its first part")]
    Fragment,
    /// A NAL unit type that the packetization mode does not allow (RFC 6184 §5.4, RFC 7798 §4.4).
    #[error("NAL unit type {0} is not allowed in an RTP payload")]
    Type(u8),
    /// Beyond 8 MiB.
    #[error("a frame exceeds {FRAME_MAX} bytes")]
    TooBig,
}
