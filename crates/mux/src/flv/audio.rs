//! Audio tags: AAC.

use super::{FlvError, four_cc};
use bytes::Bytes;
use unisono_media::AacConfig;

/// `SoundFormat` AAC.
const AAC: u8 = 10;
/// `SoundFormat` of Enhanced RTMP: a four-character code follows.
const EXTENDED: u8 = 9;
/// `AACPacketType`.
const SEQUENCE_HEADER: u8 = 0;
const RAW: u8 = 1;

/// What an audio tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioTag {
    /// The decoder's configuration for what follows; may repeat.
    Config(AacConfig),
    /// One raw access unit, a view of the tag.
    Frame(Bytes),
    /// Nothing to play: an access unit before any configuration, or an empty one.
    Nothing,
}

/// Reads the audio tags of one publisher, in order.
#[derive(Clone, Debug, Default)]
pub struct AudioDemuxer {
    is_configured: bool,
}

impl AudioDemuxer {
    /// Before the first tag.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a tag body.
    pub fn read(&mut self, tag: &Bytes) -> Result<AudioTag, FlvError> {
        let &first = tag.first().ok_or(FlvError::Short(0))?;
        match first >> 4 {
            AAC => {}
            EXTENDED => return Err(FlvError::AudioCodec(four_cc(&tag[1..]))),
            other => return Err(FlvError::AudioCodec(format_name(other))),
        }
        let &packet_type = tag.get(1).ok_or(FlvError::Short(tag.len()))?;
        match packet_type {
            SEQUENCE_HEADER if tag.len() > 2 => {
                let config = AacConfig::parse(tag.slice(2..))?;
                self.is_configured = true;
                Ok(AudioTag::Config(config))
            }
            RAW if self.is_configured && tag.len() > 2 => Ok(AudioTag::Frame(tag.slice(2..))),
            _ => Ok(AudioTag::Nothing),
        }
    }
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
        13 => "Opus",
        other => return format!("number {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_configuration_and_raw_units() {
        let mut demuxer = AudioDemuxer::new();
        let raw = Bytes::from_static(&[0xaf, 1, 0x21, 0x22]);
        assert_eq!(demuxer.read(&raw), Ok(AudioTag::Nothing), "before the configuration");
        let AudioTag::Config(config) =
            demuxer.read(&Bytes::from_static(&[0xaf, 0, 0x11, 0x90])).expect("valid")
        else {
            panic!("a configuration")
        };
        assert_eq!((config.sample_rate, config.channels), (48_000, 2));
        let Ok(AudioTag::Frame(unit)) = demuxer.read(&raw) else { panic!("a frame") };
        assert_eq!(unit.as_ptr(), raw[2..].as_ptr(), "not copied");
    }

    #[test]
    fn other_codecs_are_named() {
        let refuse = |tag: &'static [u8]| {
            AudioDemuxer::new().read(&Bytes::from_static(tag)).expect_err("not AAC").to_string()
        };
        assert!(refuse(&[0x2f, 1]).contains("MP3"));
        assert!(refuse(b"\x90Opus").contains("Opus is not supported over RTMP; set the encoder to AAC"));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(tags in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut demuxer = AudioDemuxer::new();
            for mut tag in tags {
                if let Some(first) = tag.first_mut() {
                    *first |= 0xa0;
                }
                let _ = demuxer.read(&Bytes::from(tag));
            }
        }
    }
}
