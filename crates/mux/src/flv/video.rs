//! Video tags: which codec, which kind of packet, and what the codec's reader makes of it.

mod av1;
mod avc;
mod avcc;
mod hevc;
mod hvcc;
mod vpx;

use super::{
    CodecError, FlvError,
    enhanced::{self, Tag, packet_type},
    nal,
};
use bytes::Bytes;
use unisono_base::Span;
use unisono_media::CodecConfig;

/// Top bit of the first byte in Enhanced RTMP.
const EXTENDED: u8 = 0x80;
/// `FrameType` of a command to the player, which holds no picture.
const COMMAND: u8 = 5;
/// `VideoPacketType`s of Enhanced RTMP beside the shared ones.
const CODED_FRAMES_X: u8 = 3;
const MULTITRACK: u8 = 6;
/// `AVCPacketType`.
const AVC_SEQUENCE_HEADER: u8 = 0;
const AVC_NAL_UNITS: u8 = 1;

/// Longest sequence header, in bytes; with the settings x265 writes into it, 2.5 KiB.
const RECORD_MAX: usize = 64 << 10;

/// What a video tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTag {
    /// A sequence header that changed something, or the first one.
    Config(CodecConfig),
    /// One coded picture.
    Frame {
        /// A configuration that came inside this frame and changed something; in force from it on.
        config: Option<CodecConfig>,
        /// To add to the tag's timestamp, which is its decoding time; below a millisecond.
        offset: Span,
        /// Composition time: PTS minus DTS. Negative only from encoders that get it wrong.
        composition: Span,
        /// Stored form; a view of the tag where nothing had to be taken out. Never empty.
        payload: Bytes,
        /// Decoding can start here.
        key: bool,
        /// No later frame refers to it.
        droppable: bool,
    },
    /// A track beside the default one (Multitrack); the first such in the tag. It is not taken.
    OtherTrack(u8),
    /// No picture: a repeated sequence header, the end of the sequence, a command, colour metadata, parameter sets
    /// alone, or anything before the first configuration.
    Nothing,
}

/// Reads the video tags of one publisher, in order.
#[derive(Clone, Debug, Default)]
pub struct VideoDemuxer {
    reader: Option<Reader>,
    /// The newest sequence header. Encoders repeat theirs, and some contradict it in band: what repeats says nothing
    /// new.
    record: Option<Bytes>,
}

impl VideoDemuxer {
    /// Before the first tag.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a tag body.
    pub fn read(&mut self, tag: &Bytes) -> Result<VideoTag, FlvError> {
        let &first = tag.first().ok_or(FlvError::Short(0))?;
        let frame_type = first >> 4 & 7;
        if frame_type == COMMAND {
            return Ok(VideoTag::Nothing);
        }
        let packet = match first & EXTENDED {
            0 => legacy(tag)?,
            _ => match enhanced::read(tag, MULTITRACK)? {
                Tag::Packet(packet) => extended(packet)?,
                Tag::OtherTrack(id) => return Ok(VideoTag::OtherTrack(id)),
            },
        };
        match packet.content {
            Content::SequenceHeader => self.sequence_header(packet.codec, &packet.data),
            Content::Frame { offset, composition } => {
                let Unit { config, picture } = self.reader(packet.codec).frame(&packet.data)?;
                Ok(match picture {
                    Some(Picture { payload, key, droppable }) => {
                        VideoTag::Frame { config, offset, composition, payload, key, droppable }
                    }
                    // A configuration alone still counts: it is told with the frame that needs it, or here.
                    None => config.map_or(VideoTag::Nothing, VideoTag::Config),
                })
            }
            Content::Other => Ok(VideoTag::Nothing),
        }
    }

    fn sequence_header(&mut self, codec: Codec, record: &Bytes) -> Result<VideoTag, FlvError> {
        if record.len() > RECORD_MAX {
            return Err(FlvError::SequenceHeader { codec: codec.name(), fault: "longer than 64 KiB" });
        }
        self.reader(codec);
        if self.record.as_ref() == Some(record) {
            return Ok(VideoTag::Nothing);
        }
        let config = self.reader(codec).sequence_header(record)?;
        self.record = Some(nal::copied(record));
        Ok(config.map_or(VideoTag::Nothing, VideoTag::Config))
    }

    /// The reader in use, or a new one where the codec is another than before.
    fn reader(&mut self, codec: Codec) -> &mut Reader {
        let reader = self.reader.take().filter(|reader| reader.codec() == codec);
        self.reader.insert(reader.unwrap_or_else(|| {
            self.record = None;
            Reader::new(codec)
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    H264,
    H265,
    Av1,
    Vp8,
    Vp9,
}

impl Codec {
    const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Av1 => "AV1",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        }
    }
}

/// A tag whose header is read.
struct Packet {
    codec: Codec,
    content: Content,
    data: Bytes,
}

enum Content {
    SequenceHeader,
    Frame { offset: Span, composition: Span },
    Other,
}

fn legacy(tag: &Bytes) -> Result<Packet, FlvError> {
    let codec = match tag[0] & 0x0f {
        7 => Codec::H264,
        12 => Codec::H265,
        other => return Err(FlvError::VideoCodec(codec_name(other))),
    };
    let Some(&[_, packet_type, time @ ..]) = tag.first_chunk::<5>() else {
        return Err(FlvError::Short(tag.len()));
    };
    let content = match packet_type {
        // Without extradata some muxers send an empty one; the parameter sets are in band then.
        AVC_SEQUENCE_HEADER if tag.len() == 5 => Content::Other,
        AVC_SEQUENCE_HEADER => Content::SequenceHeader,
        AVC_NAL_UNITS => Content::Frame { offset: Span::ZERO, composition: signed_millis(time) },
        _ => Content::Other,
    };
    Ok(Packet { codec, content, data: tag.slice(5..) })
}

fn extended(packet: enhanced::Packet) -> Result<Packet, FlvError> {
    let codec = match &packet.four_cc {
        b"avc1" => Codec::H264,
        b"hvc1" => Codec::H265,
        b"av01" => Codec::Av1,
        b"vp08" => Codec::Vp8,
        b"vp09" => Codec::Vp9,
        _ => return Err(FlvError::VideoCodec(enhanced::name(packet.four_cc))),
    };
    let (offset, data) = (packet.offset, packet.data);
    let has_composition = matches!(codec, Codec::H264 | Codec::H265);
    let (content, data) = match packet.packet_type {
        packet_type::SEQUENCE_START if data.is_empty() => (Content::Other, data),
        packet_type::SEQUENCE_START => (Content::SequenceHeader, data),
        packet_type::CODED_FRAMES if has_composition => {
            let time = *data.first_chunk().ok_or(FlvError::Short(data.len()))?;
            (Content::Frame { offset, composition: signed_millis(time) }, data.slice(3..))
        }
        packet_type::CODED_FRAMES | CODED_FRAMES_X => {
            (Content::Frame { offset, composition: Span::ZERO }, data)
        }
        // The end of the sequence, colour metadata (what counts of it is in the codec's own headers), and AV1 in MPEG-2
        // TS form, which is only a sequence header's.
        _ => (Content::Other, data),
    };
    Ok(Packet { codec, content, data })
}

fn signed_millis([a, b, c]: [u8; 3]) -> Span {
    Span::from_millis(i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8))
}

/// The state of one codec's stream.
#[derive(Clone, Debug)]
enum Reader {
    Avc(avc::Avc),
    Hevc(hevc::Hevc),
    Av1(av1::Av1),
    Vp8(vpx::Vp8),
    Vp9(vpx::Vp9),
}

/// What a coded frame gave.
struct Unit {
    /// In force from this frame on; only where it changed.
    config: Option<CodecConfig>,
    /// `None` without one, or before the first configuration.
    picture: Option<Picture>,
}

struct Picture {
    payload: Bytes,
    key: bool,
    droppable: bool,
}

impl Reader {
    fn new(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::Avc(avc::Avc::new()),
            Codec::H265 => Self::Hevc(hevc::Hevc::new()),
            Codec::Av1 => Self::Av1(av1::Av1::default()),
            Codec::Vp8 => Self::Vp8(vpx::Vp8::default()),
            Codec::Vp9 => Self::Vp9(vpx::Vp9::default()),
        }
    }

    const fn codec(&self) -> Codec {
        match self {
            Self::Avc(_) => Codec::H264,
            Self::Hevc(_) => Codec::H265,
            Self::Av1(_) => Codec::Av1,
            Self::Vp8(_) => Codec::Vp8,
            Self::Vp9(_) => Codec::Vp9,
        }
    }

    fn sequence_header(&mut self, record: &Bytes) -> Result<Option<CodecConfig>, FlvError> {
        match self {
            Self::Avc(avc) => avc.sequence_header(record),
            Self::Hevc(hevc) => hevc.sequence_header(record),
            Self::Av1(av1) => av1.sequence_header(record),
            Self::Vp8(_) | Self::Vp9(_) => Ok(None),
        }
    }

    fn frame(&mut self, data: &Bytes) -> Result<Unit, CodecError> {
        match self {
            Self::Avc(avc) => avc.frame(data),
            Self::Hevc(hevc) => hevc.frame(data),
            Self::Av1(av1) => av1.frame(data),
            Self::Vp8(vp8) => vp8.frame(data),
            Self::Vp9(vp9) => vp9.frame(data),
        }
    }
}

fn codec_name(id: u8) -> String {
    match id {
        2 => "Sorenson H.263",
        3 | 6 => "Screen video",
        4 | 5 => "VP6",
        8 => "H.263",
        9 => "MPEG-4 part 2",
        13 => "AV1 without an Enhanced RTMP header",
        other => return format!("number {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
