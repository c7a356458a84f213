//! FLV tag bodies, as RTMP carries them, to codec configurations and frames in stored form.
//!
//! ```text
//! video  0 frame type(3) codec(4)       | AVC, HEVC: packet type(8) composition time(24, signed, ms) | data
//!        1 frame type(3) packet type(4) | FourCC(32) | H.264, H.265 CodedFrames: composition time(24) | data
//! audio  format(4) rate(2) size(1) type(1)       | AAC: packet type(8) | data
//!        format = 9(4) packet type(4)            | FourCC(32) | data
//! ```
//!
//! The first line of each is Adobe's (Flash Video File Format 10.1, annex E.4), with CodecID 12 for H.265 as encoders made
//! in China added it; the second is Enhanced RTMP v2 (Veovera), see `enhanced`. One [`VideoDemuxer`] and one
//! [`AudioDemuxer`] per publisher.

mod audio;
mod enhanced;
mod nal;
mod video;

pub use audio::{AudioDemuxer, AudioTag};
pub use video::{VideoDemuxer, VideoTag};

use unisono_media::{AacError, av1, h264, h265, vp8, vp9};

/// The video codecs that [`VideoDemuxer`] reads, as Enhanced RTMP names them.
pub const VIDEO_FOUR_CCS: [&str; 5] = ["avc1", "hvc1", "av01", "vp09", "vp08"];
/// The audio codecs that [`AudioDemuxer`] reads, likewise.
pub const AUDIO_FOUR_CCS: [&str; 2] = ["mp4a", "Opus"];

/// Why a tag was refused. The publisher's fault; see [`FlvError::is_fatal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlvError {
    /// A video codec this server does not take by RTMP.
    #[error("video codec {0} is not supported over RTMP; set the encoder to H.264, H.265, AV1 or VP9")]
    VideoCodec(String),
    /// An audio codec this server does not take by RTMP.
    #[error("audio codec {0} is not supported over RTMP; set the encoder to AAC or Opus")]
    AudioCodec(String),
    /// The tag ends inside its header.
    #[error("FLV tag of {0} bytes ends inside its header")]
    Short(usize),
    /// A decoder configuration record that contradicts itself.
    #[error("{codec} sequence header is malformed: {fault}")]
    SequenceHeader {
        /// Whose record.
        codec: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Parameter sets in the sequence header that cannot be read.
    #[error("sequence header: {0}")]
    Configuration(CodecError),
    /// A coded frame that cannot be read.
    #[error(transparent)]
    Frame(#[from] CodecError),
    /// An AudioSpecificConfig that cannot be read or played.
    #[error(transparent)]
    Aac(#[from] AacError),
    /// Opus with more than two channels, or none.
    #[error("Opus with {0} channels is not supported; set the encoder to mono or stereo")]
    OpusChannels(u8),
    /// A packet whose length in time cannot be told.
    #[error("Opus packet of {0} bytes is empty, malformed or longer than 120 ms")]
    OpusPacket(usize),
}

/// What a codec's own syntax says against a frame or configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
#[expect(missing_docs, reason = "one per codec")]
pub enum CodecError {
    H264(#[from] h264::Error),
    H265(#[from] h265::Error),
    Av1(#[from] av1::Error),
    Vp8(#[from] vp8::Error),
    Vp9(#[from] vp9::Error),
}

impl FlvError {
    /// True where nothing of the track can ever be shown, so that the encoder should be told; false where only
    /// this tag is lost.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::VideoCodec(_) | Self::AudioCodec(_) | Self::Aac(_) | Self::OpusChannels(_) => true,
            Self::SequenceHeader { .. } | Self::Configuration(_) => true,
            Self::Short(_) | Self::Frame(_) | Self::OpusPacket(_) => false,
        }
    }
}
