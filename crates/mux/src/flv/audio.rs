//! Audio tags: AAC and Opus.

use super::{
    FlvError,
    enhanced::{self, Tag, packet_type},
};
use bytes::Bytes;
use unisono_base::Span;
use unisono_media::{AacConfig, CodecConfig, OpusConfig, opus_packet_duration};

/// `SoundFormat` AAC.
const AAC: u8 = 10;
/// `SoundFormat` of Enhanced RTMP.
const EXTENDED: u8 = 9;
/// `AudioPacketType` of Enhanced RTMP beside the shared ones.
const MULTITRACK: u8 = 5;
/// `AACPacketType`.
const SEQUENCE_HEADER: u8 = 0;
const RAW: u8 = 1;
/// `OpusHead` of RFC 7845 §5.1: its magic, and where the channel count stands.
const OPUS_MAGIC: &[u8] = b"OpusHead";
const OPUS_CHANNELS_AT: usize = 9;
/// The bit of an Opus packet's first byte that says stereo (RFC 6716 §3.1).
const OPUS_STEREO: u8 = 0x04;
/// Opus always counts at 48 kHz.
const OPUS_SAMPLES_PER_MILLI: i64 = 48;

/// What an audio tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioTag {
    /// The decoder's configuration for what follows; may repeat.
    Config(CodecConfig),
    /// One access unit or packet.
    Frame {
        /// A configuration that is in force from this frame on: Opus needs no sequence header.
        config: Option<CodecConfig>,
        /// To add to the tag's timestamp; below a millisecond.
        offset: Span,
        /// How long it is, in samples of its configuration's rate (Opus: 48 kHz).
        samples: u32,
        /// A view of the tag.
        payload: Bytes,
    },
    /// A track beside the default one (Multitrack); the first such in the tag. It is not taken.
    OtherTrack(u8),
    /// Nothing to play: an access unit before any configuration, an empty one, the end, a channel order.
    Nothing,
}

/// Reads the audio tags of one publisher, in order.
#[derive(Clone, Debug, Default)]
pub struct AudioDemuxer {
    codec: Option<Codec>,
}

/// What is known of the track.
#[derive(Clone, Copy, Debug)]
enum Codec {
    Aac { frame_samples: u32 },
    Opus,
}

/// What a tag's data is, whichever header it had.
enum Content {
    AacConfig,
    AacUnit,
    OpusHead,
    OpusPacket,
    Other,
}

impl AudioDemuxer {
    /// Before the first tag.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a tag body.
    pub fn read(&mut self, tag: &Bytes) -> Result<AudioTag, FlvError> {
        let &first = tag.first().ok_or(FlvError::Short(0))?;
        let (content, offset, data) = match first >> 4 {
            AAC => {
                let &packet_type = tag.get(1).ok_or(FlvError::Short(tag.len()))?;
                let content = match packet_type {
                    SEQUENCE_HEADER => Content::AacConfig,
                    RAW => Content::AacUnit,
                    _ => Content::Other,
                };
                (content, Span::ZERO, tag.slice(2..))
            }
            EXTENDED => match enhanced::read(tag, MULTITRACK)? {
                Tag::Packet(packet) => (content(&packet)?, packet.offset, packet.data),
                Tag::OtherTrack(id) => return Ok(AudioTag::OtherTrack(id)),
            },
            other => return Err(FlvError::AudioCodec(format_name(other))),
        };
        if data.is_empty() {
            return Ok(AudioTag::Nothing);
        }
        match content {
            Content::AacConfig => self.aac_config(data),
            Content::AacUnit => Ok(self.aac_unit(offset, data)),
            Content::OpusHead => self.opus_head(&data),
            Content::OpusPacket => self.opus_packet(offset, data),
            Content::Other => Ok(AudioTag::Nothing),
        }
    }

    fn aac_config(&mut self, data: Bytes) -> Result<AudioTag, FlvError> {
        // A copy of its own: a view would hold the message's memory for as long as the track lives.
        let config = AacConfig::parse(Bytes::copy_from_slice(&data))?;
        self.codec = Some(Codec::Aac { frame_samples: config.frame_samples() });
        Ok(AudioTag::Config(CodecConfig::Aac(config)))
    }

    fn aac_unit(&self, offset: Span, payload: Bytes) -> AudioTag {
        match self.codec {
            Some(Codec::Aac { frame_samples: samples }) => {
                AudioTag::Frame { config: None, offset, samples, payload }
            }
            Some(Codec::Opus) | None => AudioTag::Nothing,
        }
    }

    /// The identification header of Ogg Opus. A sequence start that is none is passed over: packets tell enough.
    fn opus_head(&mut self, data: &[u8]) -> Result<AudioTag, FlvError> {
        let channels = data.get(OPUS_CHANNELS_AT).filter(|_| data.starts_with(OPUS_MAGIC));
        channels.map_or(Ok(AudioTag::Nothing), |channels| Ok(AudioTag::Config(self.opus(*channels)?)))
    }

    fn opus_packet(&mut self, offset: Span, payload: Bytes) -> Result<AudioTag, FlvError> {
        let duration = opus_packet_duration(&payload).ok_or(FlvError::OpusPacket(payload.len()))?;
        let config = match self.codec {
            Some(Codec::Opus) => None,
            Some(Codec::Aac { .. }) | None => Some(self.opus(1 + u8::from(payload[0] & OPUS_STEREO != 0))?),
        };
        let samples = (duration.as_micros() * OPUS_SAMPLES_PER_MILLI / 1_000) as u32;
        Ok(AudioTag::Frame { config, offset, samples, payload })
    }

    fn opus(&mut self, channels: u8) -> Result<CodecConfig, FlvError> {
        if !(1..=2).contains(&channels) {
            return Err(FlvError::OpusChannels(channels));
        }
        self.codec = Some(Codec::Opus);
        // Whoever listens joins in the middle, where there is nothing to discard.
        Ok(CodecConfig::Opus(OpusConfig { channels, pre_skip: 0 }))
    }
}

fn content(packet: &enhanced::Packet) -> Result<Content, FlvError> {
    let (start, frames) = match &packet.four_cc {
        b"mp4a" => (Content::AacConfig, Content::AacUnit),
        b"Opus" => (Content::OpusHead, Content::OpusPacket),
        _ => return Err(FlvError::AudioCodec(enhanced::name(packet.four_cc))),
    };
    Ok(match packet.packet_type {
        packet_type::SEQUENCE_START => start,
        packet_type::CODED_FRAMES => frames,
        // The end of the sequence; the order of channels, of which mono and stereo have one.
        _ => Content::Other,
    })
}

fn format_name(format: u8) -> String {
    match format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        13 => "Opus without an Enhanced RTMP header",
        other => return format!("number {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
