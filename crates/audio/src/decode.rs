//! AAC-LC access units to interleaved samples.

use symphonia::{
    core::{
        codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_AAC},
        packet::PacketRef,
        units::{Duration, Timestamp},
    },
    default::codecs::AacDecoder,
};
use unisono_media::AacConfig;

/// Why AAC could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The decoder does not take this configuration.
    #[error("AAC configuration refused by the decoder: {0}")]
    Config(String),
    /// An access unit is damaged. The next one may be fine.
    #[error("AAC access unit of {length} bytes is damaged: {reason}")]
    AccessUnit {
        /// Its length.
        length: usize,
        /// What the decoder says.
        reason: String,
    },
}

/// Largest access unit: 6144 bits for each channel (ISO/IEC 14496-3 §4.5.3), and some room for data elements.
const ACCESS_UNIT_MAX: usize = 4 * 768;

/// Syntactic element that ends an access unit (ISO/IEC 14496-3 table 4.85).
const ID_END: u8 = 7;

/// A decoder for one configuration.
pub(crate) struct Decoder {
    inner: AacDecoder,
    channels: usize,
    frame_samples: usize,
}

impl Decoder {
    pub(crate) fn new(config: &AacConfig) -> Result<Self, DecodeError> {
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(CODEC_ID_AAC)
            .with_sample_rate(config.sample_rate)
            .with_extra_data(config.asc.to_vec().into_boxed_slice());
        let inner = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default())
            .map_err(|error| DecodeError::Config(error.to_string()))?;
        Ok(Self {
            inner,
            channels: usize::from(config.channels),
            frame_samples: config.frame_samples() as usize,
        })
    }

    /// Decodes one access unit into `pcm`, interleaved, replacing what it held. On an error `pcm` holds silence of
    /// the same length, so that time goes on.
    pub(crate) fn decode(&mut self, access_unit: &[u8], pcm: &mut Vec<f32>) -> Result<(), DecodeError> {
        let expected = self.frame_samples * self.channels;
        let result = self.try_decode(access_unit, pcm).and_then(|()| {
            (pcm.len() == expected).then_some(()).ok_or_else(|| format!("{} samples", pcm.len()))
        });
        result.map_err(|reason| {
            pcm.clear();
            pcm.resize(expected, 0.0);
            DecodeError::AccessUnit { length: access_unit.len(), reason }
        })
    }

    fn try_decode(&mut self, access_unit: &[u8], pcm: &mut Vec<f32>) -> Result<(), String> {
        pcm.clear();
        if access_unit.len() > ACCESS_UNIT_MAX {
            return Err("longer than AAC allows".into());
        }
        // The decoder would take a unit without any channel element as good and leave old samples standing.
        if access_unit.first().is_none_or(|first| first >> 5 == ID_END) {
            return Err("it holds no sound".into());
        }
        let duration = Duration::new(self.frame_samples as u64);
        let packet = PacketRef::new(0, Timestamp::new(0), duration, access_unit);
        let decoded = self.inner.decode_ref(&packet).map_err(|error| error.to_string())?;
        decoded.copy_to_vec_interleaved(pcm);
        Ok(())
    }

    /// Forgets the overlap with the last access unit: what comes next does not follow it.
    pub(crate) fn reset(&mut self) {
        self.inner.reset();
    }
}
