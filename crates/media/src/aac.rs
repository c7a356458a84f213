//! AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1), as FLV and `esds` carry it.

use bytes::Bytes;

/// `audioObjectType` behind which a larger one follows.
const ESCAPE: u32 = 31;
/// Samples per AAC-LC access unit.
const FRAME_SAMPLES: u32 = 1024;

const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Why an AudioSpecificConfig was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AacError {
    /// Fewer bits than the syntax needs.
    #[error("AudioSpecificConfig is {0} bytes, too short")]
    Short(usize),
    /// Anything but AAC-LC.
    #[error("{name} (AAC object type {0}) is not supported; set the encoder to AAC-LC", name = object_name(*.0))]
    ObjectType(u8),
    /// Reserved sampling frequency index, or an explicit rate out of range.
    #[error("AAC sampling rate is invalid or out of 7350..=96000 Hz")]
    SampleRate,
    /// Not mono or stereo.
    #[error("AAC channel configuration {0} is not supported; set the encoder to mono or stereo")]
    Channels(u8),
}

/// ISO/IEC 14496-3 table 1.17, as encoders' menus name the types.
const fn object_name(object_type: u8) -> &'static str {
    match object_type {
        1 => "AAC Main",
        3 => "AAC-SSR",
        4 => "AAC-LTP",
        5 => "HE-AAC",
        23 => "AAC-LD",
        29 => "HE-AAC v2",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        _ => "this kind of AAC",
    }
}

/// AAC-LC, mono or stereo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacConfig {
    /// The AudioSpecificConfig as received.
    pub asc: Bytes,
    /// MPEG-4 audio object type; 2 = AAC-LC.
    pub object_type: u8,
    /// Samples per second.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl AacConfig {
    /// Parses an AudioSpecificConfig; only AAC-LC in mono or stereo is accepted.
    pub fn parse(asc: Bytes) -> Result<Self, AacError> {
        let mut bits = crate::bits::Bits::new(&asc);
        let short = || AacError::Short(asc.len());
        let object_type = match bits.read(5).ok_or_else(short)? {
            ESCAPE => 32 + bits.read(6).ok_or_else(short)?,
            own => own,
        } as u8;
        if object_type != 2 {
            return Err(AacError::ObjectType(object_type));
        }
        let index = bits.read(4).ok_or_else(short)?;
        let sample_rate = match index {
            15 => bits.read(24).ok_or_else(short)?,
            i => *SAMPLE_RATES.get(i as usize).ok_or(AacError::SampleRate)?,
        };
        if !(7_350..=96_000).contains(&sample_rate) {
            return Err(AacError::SampleRate);
        }
        let channels = bits.read(4).ok_or_else(short)? as u8;
        if !(1..=2).contains(&channels) {
            return Err(AacError::Channels(channels));
        }
        Ok(Self { asc, object_type, sample_rate, channels })
    }

    /// Samples in each access unit.
    pub const fn frame_samples(&self) -> u32 {
        FRAME_SAMPLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lc_stereo_44100_as_obs_sends_it() {
        let config = AacConfig::parse(Bytes::from_static(&[0x12, 0x10])).expect("valid");
        assert_eq!((config.object_type, config.sample_rate, config.channels), (2, 44_100, 2));
    }

    #[test]
    fn he_aac_is_refused_in_words() {
        let error = AacConfig::parse(Bytes::from_static(&[0x2b, 0x92, 0x08, 0x00])).expect_err("SBR");
        assert_eq!(
            error.to_string(),
            "HE-AAC (AAC object type 5) is not supported; set the encoder to AAC-LC"
        );
        assert_eq!(AacConfig::parse(Bytes::new()), Err(AacError::Short(0)));
    }
}
