//! FLV tag bodies, as RTMP carries them, to codec configurations and frames in stored form.
//!
//! ```text
//! video  frame type(4) codec(4) | AVC: packet type(8) composition time(24, signed, ms) | data
//! audio  format(4) rate(2) size(1) type(1) | AAC: packet type(8) | data
//! ```
//!
//! (Adobe Flash Video File Format 10.1, annex E.4.) One [`VideoDemuxer`] and one [`AudioDemuxer`] per publisher.

mod audio;
mod avcc;
mod video;

pub use audio::{AudioDemuxer, AudioTag};
pub use video::{VideoDemuxer, VideoTag};

use unisono_media::{AacError, h264};

/// Why a tag was refused. The publisher's fault; see [`FlvError::is_fatal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlvError {
    /// A video codec this server does not take by RTMP.
    #[error(
        "video codec {0} is not supported over RTMP; set the encoder to H.264 (x264, NVENC H.264, QuickSync H.264)"
    )]
    VideoCodec(String),
    /// An audio codec this server does not take by RTMP.
    #[error("audio codec {0} is not supported over RTMP; set the encoder to AAC")]
    AudioCodec(String),
    /// The tag ends inside its header.
    #[error("FLV tag of {0} bytes ends inside its header")]
    Short(usize),
    /// The AVCDecoderConfigurationRecord contradicts itself.
    #[error("H.264 sequence header is malformed: {0}")]
    SequenceHeader(&'static str),
    /// Parameter sets in the sequence header that cannot be read.
    #[error("H.264 sequence header: {0}")]
    Configuration(h264::Error),
    /// An access unit that cannot be read.
    #[error(transparent)]
    H264(#[from] h264::Error),
    /// An AudioSpecificConfig that cannot be read or played.
    #[error(transparent)]
    Aac(#[from] AacError),
}

impl FlvError {
    /// True where nothing of the track can ever be shown, so that the encoder should be told; false where only
    /// this tag is lost.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::VideoCodec(_) | Self::AudioCodec(_) | Self::Aac(_) => true,
            Self::SequenceHeader(_) | Self::Configuration(_) => true,
            Self::Short(_) | Self::H264(_) => false,
        }
    }
}

/// Enhanced RTMP names codecs by four characters.
fn four_cc(bytes: &[u8]) -> String {
    match bytes.get(..4) {
        Some(b"hvc1") => "H.265 (hvc1)".to_owned(),
        Some(b"vvc1") => "H.266 (vvc1)".to_owned(),
        Some(b"av01") => "AV1 (av01)".to_owned(),
        Some(b"vp08") => "VP8 (vp08)".to_owned(),
        Some(b"vp09") => "VP9 (vp09)".to_owned(),
        Some(b"avc1") => "H.264 in an Enhanced RTMP header (avc1)".to_owned(),
        Some(b"Opus") => "Opus".to_owned(),
        Some(b"fLaC") => "FLAC (fLaC)".to_owned(),
        Some(b"ac-3") => "AC-3 (ac-3)".to_owned(),
        Some(b"ec-3") => "E-AC-3 (ec-3)".to_owned(),
        Some(b".mp3") => "MP3 (.mp3)".to_owned(),
        Some(b"mp4a") => "AAC in an Enhanced RTMP header (mp4a)".to_owned(),
        Some(other) => format!("{:?}", String::from_utf8_lossy(other)),
        None => "of an Enhanced RTMP header".to_owned(),
    }
}
