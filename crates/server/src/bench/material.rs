//! What the bench publishes: a loop of real H.264 and of sound, encoded beforehand so that sending it costs little.

use super::stamp;
use crate::demo::{CounterMode, H264, Picture, Settings, Tone};
use anyhow::Context;
use bytes::Bytes;
use unisono_media::h264;

/// Frames per second.
pub(super) const FPS: u32 = 30;
/// Groups encoded beforehand.
const GROUPS: u32 = 2;
/// Packets of sound encoded beforehand: a second.
const SOUND: usize = 50;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Just over a second of a chord with a little noise: AAC-LC, 48 kHz, stereo, 96 kbit/s, by ffmpeg's encoder, in ADTS.
const AAC: &[u8] = include_bytes!("sound.adts");
/// AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) of [`AAC`].
pub(super) const AAC_CONFIG: [u8; 2] = [0x11, 0x90];
/// Samples per access unit of [`AAC`], and per second.
pub(super) const AAC_UNIT: u64 = 1_024;
pub(super) const RATE: u64 = 48_000;

/// Size, bitrate and groups of the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quality {
    size: &'static str,
    bitrate_bps: u32,
    /// Seconds from one keyframe to the next.
    keyframe_every: u32,
}

impl Quality {
    /// One stream that many watch.
    pub(super) const LARGE: Self = Self { size: "1280x720", bitrate_bps: 1_500_000, keyframe_every: 2 };
    /// Each of many streams.
    pub(super) const SMALL: Self = Self { size: "480x270", bitrate_bps: 500_000, keyframe_every: 2 };

    /// The same with a keyframe every so many seconds.
    pub(super) const fn with_keyframe_every(self, seconds: u32) -> Self {
        Self { keyframe_every: seconds, ..self }
    }
}

/// See the module. Shared by all publishers.
pub(super) struct Material {
    /// Never empty; the first is a keyframe.
    pub(super) units: Vec<Unit>,
    /// Opus, 20 ms each.
    pub(super) opus: Vec<Bytes>,
    /// Access units of AAC.
    pub(super) aac: Vec<Bytes>,
}

/// One access unit; the send time goes in before its slices.
pub(super) struct Unit {
    /// SPS and PPSs, in keyframes only.
    parameters: Vec<Bytes>,
    slices: Vec<Bytes>,
    pub(super) key: bool,
}

impl Material {
    pub(super) fn encode(quality: Quality) -> anyhow::Result<Self> {
        let mut tone = Tone::new()?;
        let opus = (0..SOUND).map(|_| Ok(tone.packet()?.1)).collect::<anyhow::Result<_>>()?;
        let units = encode_pictures(quality).context("the test loop could not be encoded")?;
        Ok(Self { units, opus, aac: adts(AAC) })
    }

    /// Index of the next keyframe of the loop from `at` on: an IDR picture may follow anything.
    pub(super) fn next_key(&self, at: usize) -> usize {
        let count = self.units.len();
        (at..at + count).map(|n| n % count).find(|&n| self.units[n].key).unwrap_or(0)
    }

    /// The FLV sequence header's record (ISO/IEC 14496-15 §5.3.3.1).
    pub(super) fn avcc(&self) -> anyhow::Result<Vec<u8>> {
        let [sps, pps @ ..] = &self.units[0].parameters[..] else { anyhow::bail!("the loop has no SPS") };
        let mut record = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1];
        put_sized(&mut record, sps);
        record.push(pps.len() as u8);
        pps.iter().for_each(|pps| put_sized(&mut record, pps));
        Ok(record)
    }
}

/// A parameter set behind its length.
fn put_sized(record: &mut Vec<u8>, unit: &Bytes) {
    record.extend_from_slice(&(unit.len() as u16).to_be_bytes());
    record.extend_from_slice(unit);
}

impl Unit {
    /// With start codes, parameter sets and the time of this call.
    pub(super) fn annex_b(&self) -> Vec<u8> {
        let sent = Bytes::from(stamp::sei(stamp::unix_micros()));
        let mut bytes = Vec::with_capacity(self.length_max());
        for unit in self.parameters.iter().chain([&sent]).chain(&self.slices) {
            bytes.extend_from_slice(&START_CODE);
            bytes.extend_from_slice(unit);
        }
        bytes
    }

    /// Appends the units behind lengths of four bytes, without parameter sets, with the time of this call.
    pub(super) fn put_length_prefixed(&self, bytes: &mut Vec<u8>) {
        let sent = Bytes::from(stamp::sei(stamp::unix_micros()));
        bytes.reserve(self.length_max());
        for unit in [&sent].into_iter().chain(&self.slices) {
            bytes.extend_from_slice(&(unit.len() as u32).to_be_bytes());
            bytes.extend_from_slice(unit);
        }
    }

    fn length_max(&self) -> usize {
        let units = self.parameters.iter().chain(&self.slices);
        64 + units.map(|unit| unit.len() + START_CODE.len()).sum::<usize>()
    }
}

fn encode_pictures(quality: Quality) -> anyhow::Result<Vec<Unit>> {
    let settings = Settings { fps: FPS, bitrate_bps: quality.bitrate_bps, gop: quality.keyframe_every * FPS };
    let mut picture = Picture::new(quality.size.parse().map_err(anyhow::Error::msg)?);
    let mut encoder = H264::new(settings)?;
    let count = u64::from(GROUPS * settings.gop);
    let mut units = Vec::with_capacity(count as usize);
    for frame in 0..count {
        picture.draw(&CounterMode::Frame.moment(frame, FPS, frame as i64 * 1_000 / i64::from(FPS)));
        let unit = encoder.encode(&picture, frame)?;
        let slices = h264::length_prefixed(&unit.payload).collect::<Result<_, _>>()?;
        units.push(Unit {
            parameters: unit.sps.into_iter().chain(unit.pps).collect(),
            slices,
            key: unit.key,
        });
    }
    Ok(units)
}

/// Takes an ADTS stream (ISO/IEC 13818-7 §6.2) of our own apart: headers of seven bytes, no checksums.
fn adts(stream: &'static [u8]) -> Vec<Bytes> {
    let (mut units, mut rest) = (Vec::new(), Bytes::from_static(stream));
    while rest.len() > 7 {
        let length = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
        units.push(rest.slice(7..length));
        rest = rest.slice(length..);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_media::AacConfig;

    #[test]
    fn a_keyframe_request_jumps_to_the_next_keyframe() {
        let unit = |key| Unit { parameters: Vec::new(), slices: Vec::new(), key };
        let units = vec![unit(true), unit(false), unit(true), unit(false)];
        let material = Material { units, opus: Vec::new(), aac: Vec::new() };
        assert_eq!([0, 1, 3].map(|at| material.next_key(at)), [0, 2, 0]);
    }

    #[test]
    fn the_small_loop_is_what_an_encoder_would_send() {
        let material = Material::encode(Quality::SMALL).expect("encodes");
        let keys: Vec<_> = (0..material.units.len()).filter(|&n| material.units[n].key).collect();
        assert_eq!(keys, [0, 60]);
        let bytes: usize = material.units.iter().map(Unit::length_max).sum();
        assert!((150_000..400_000).contains(&bytes), "{bytes} bytes in 4 s are about 500 kbit/s");
        let record = material.avcc().expect("parameter sets");
        assert_eq!(record[..6], [1, material.units[0].parameters[0][1], record[2], record[3], 0xff, 0xe1]);
        let mut stored = Vec::new();
        material.units[0].put_length_prefixed(&mut stored);
        let stored = Bytes::from(stored);
        assert!(h264::length_prefixed(&stored).all(|unit| unit.is_ok()));
        assert!(stamp::find(&stored).is_some(), "the send time is found");
        assert_eq!((material.opus.len(), material.aac.len()), (SOUND, 48));
    }

    #[test]
    fn the_sound_is_what_its_configuration_says() {
        let config = AacConfig::parse(Bytes::from_static(&AAC_CONFIG)).expect("valid");
        assert_eq!((config.object_type, config.sample_rate, config.channels), (2, RATE as u32, 2));
        let aac = adts(AAC);
        let kbps = aac.iter().map(Bytes::len).sum::<usize>() as u64 * 8 * RATE
            / (aac.len() as u64 * AAC_UNIT * 1_000);
        assert!((85..110).contains(&kbps), "{kbps} kbit/s");
    }
}
