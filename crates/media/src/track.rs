//! What a track is made of: its kind and codec configuration.

use crate::{AacConfig, Av1Config, HevcConfig, OpusConfig, Vp8Config, Vp9Config, h264};
use bytes::Bytes;

/// The kinds of track; a stream has at most one of each today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Moving picture.
    Video,
    /// Sound.
    Audio,
    /// The room's events, bound to media time.
    Data,
}

impl Kind {
    /// `video`, `audio` or `data`, as SDP, logs and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Data => "data",
        }
    }
}

/// What a decoder needs before the first frame. A change of it starts a new group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecConfig {
    /// H.264 / AVC (ISO/IEC 14496-10).
    H264(AvcConfig),
    /// H.265 / HEVC (ISO/IEC 23008-2).
    H265(HevcConfig),
    /// VP8 (RFC 6386).
    Vp8(Vp8Config),
    /// VP9 (VP9 bitstream specification).
    Vp9(Vp9Config),
    /// AV1 (AV1 bitstream specification).
    Av1(Av1Config),
    /// AAC (ISO/IEC 14496-3).
    Aac(AacConfig),
    /// Opus (RFC 6716).
    Opus(OpusConfig),
    /// Room events: each frame is one event as UTF-8 JSON, `t` is its `at`.
    Events,
}

impl CodecConfig {
    /// Video or audio.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::H264(_) | Self::H265(_) | Self::Vp8(_) | Self::Vp9(_) | Self::Av1(_) => Kind::Video,
            Self::Aac(_) | Self::Opus(_) => Kind::Audio,
            Self::Events => Kind::Data,
        }
    }

    /// RFC 6381 codecs parameter, as `CODECS` in a playlist wants it: `avc1.64001f`, `mp4a.40.2`, `opus`; empty
    /// for events.
    pub fn rfc6381(&self) -> String {
        match self {
            Self::H264(avc) => {
                let [profile, constraints, level] = avc.profile_level_id();
                format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
            }
            Self::H265(hevc) => hevc.rfc6381(),
            Self::Vp8(vp8) => format!("vp08.{:02}.10.08", vp8.profile),
            Self::Vp9(vp9) => vp9.rfc6381(),
            Self::Av1(av1) => av1.rfc6381(),
            Self::Aac(aac) => format!("mp4a.40.{}", aac.object_type),
            Self::Opus(_) => "opus".to_owned(),
            Self::Events => String::new(),
        }
    }

    /// Short name for logs, API and page: `H.264`, `AAC`, `Opus`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::H264(_) => "H.264",
            Self::H265(_) => "H.265",
            Self::Vp8(_) => "VP8",
            Self::Vp9(_) => "VP9",
            Self::Av1(_) => "AV1",
            Self::Aac(_) => "AAC",
            Self::Opus(_) => "Opus",
            Self::Events => "events",
        }
    }

    /// What the picture looks like; `None` for audio and events.
    pub fn picture(&self) -> Option<Picture> {
        let picture = |width, height, millifps, reorders| {
            Some(Picture { width, height, millifps, reorders, range: self.range() })
        };
        match self {
            Self::H264(avc) => picture(avc.sps.width, avc.sps.height, avc.sps.millifps, avc.sps.reorders()),
            Self::H265(hevc) => {
                picture(hevc.sps.width, hevc.sps.height, hevc.sps.millifps, hevc.sps.max_num_reorder > 0)
            }
            Self::Vp8(vp8) => picture(vp8.width, vp8.height, None, false),
            Self::Vp9(vp9) => picture(vp9.width, vp9.height, None, false),
            Self::Av1(av1) => picture(av1.sequence.width, av1.sequence.height, av1.sequence.millifps, false),
            Self::Aac(_) | Self::Opus(_) | Self::Events => None,
        }
    }

    /// Brightness as the codec's own headers say it. VP9 has no field for it.
    fn range(&self) -> VideoRange {
        let transfer = match self {
            Self::H264(avc) => avc.sps.transfer,
            Self::H265(hevc) => hevc.sps.transfer,
            Self::Av1(av1) => Some(av1.sequence.colour[1]),
            Self::Vp8(_) | Self::Vp9(_) | Self::Aac(_) | Self::Opus(_) | Self::Events => None,
        };
        match transfer {
            Some(16) => VideoRange::Pq,
            Some(18) => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }

    /// True when a viewer that was set up for `self` can go on with `other` without a new session: the same
    /// codec; for audio also the same channel layout and rate.
    pub fn continues_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::H264(a), Self::H264(b)) => a.sps.reorders() == b.sps.reorders(),
            (Self::H265(a), Self::H265(b)) => a.sps.decodes_like(&b.sps),
            (Self::Vp9(a), Self::Vp9(b)) => (a.profile, a.bit_depth) == (b.profile, b.bit_depth),
            (Self::Av1(a), Self::Av1(b)) => {
                (a.sequence.profile, a.sequence.bit_depth) == (b.sequence.profile, b.sequence.bit_depth)
            }
            (Self::Aac(a), Self::Aac(b)) => a == b,
            (Self::Vp8(_), Self::Vp8(_)) | (Self::Opus(_), Self::Opus(_)) | (Self::Events, Self::Events) => {
                true
            }
            _ => false,
        }
    }
}

/// What a track's configuration says of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Displayed width in pixels.
    pub width: u32,
    /// Displayed height in pixels.
    pub height: u32,
    /// Frames per second times 1000, where the configuration says it.
    pub millifps: Option<u32>,
    /// Frames may leave the decoder in another order than they enter it (B-frames).
    pub reorders: bool,
    /// How brightness is written.
    pub range: VideoRange,
}

/// Standard or high dynamic range, told by the transfer characteristics (ISO/IEC 23091-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoRange {
    /// Standard, or not said.
    Sdr,
    /// Hybrid log-gamma (ARIB STD-B67).
    Hlg,
    /// Perceptual quantizer (SMPTE ST 2084), as HDR10 has it.
    Pq,
}

impl VideoRange {
    /// As `VIDEO-RANGE` in a playlist has it (RFC 8216bis §4.4.6.2).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Hlg => "HLG",
            Self::Pq => "PQ",
        }
    }
}

/// H.264 parameter sets. SPS and PPS are whole NAL units, header byte included, no start code, no length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfig {
    /// Sequence parameter set as received.
    pub sps_nal: Bytes,
    /// Picture parameter sets as received, at least one.
    pub pps_nals: Vec<Bytes>,
    /// The parsed SPS.
    pub sps: h264::Sps,
}

impl AvcConfig {
    /// From one SPS and its PPSs. Errors when the SPS cannot be parsed.
    pub fn new(sps_nal: Bytes, pps_nals: Vec<Bytes>) -> Result<Self, h264::Error> {
        let sps = h264::Sps::parse(&sps_nal)?;
        if pps_nals.is_empty() {
            return Err(h264::Error::NoPps);
        }
        Ok(Self { sps_nal, pps_nals, sps })
    }

    /// `profile_idc`, constraint flags, `level_idc`, as RFC 6184 and RFC 6381 print them.
    pub fn profile_level_id(&self) -> [u8; 3] {
        [self.sps.profile_idc, self.sps.constraint_flags, self.sps.level_idc]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x265, 640x360, Main, level 2.1, zerolatency; the level is byte 17.
    const SPS: [u8; 45] = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3f, 0xa0, 0x05, 0x02, 0x01, 0x71, 0xf2, 0xe5, 0xba, 0x4a, 0x4c, 0x2f, 0x01, 0x68, 0x08, 0x00, 0x00,
        0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x40, 0x00, 0x00,
    ];

    fn hevc(profile: u8, level: u8) -> CodecConfig {
        let mut sps = SPS;
        (sps[3], sps[17]) = (profile, level);
        let unit = Bytes::from_static(&[0x44, 0x01]);
        CodecConfig::H265(
            HevcConfig::new(unit.clone(), Bytes::copy_from_slice(&sps), vec![unit]).expect("valid"),
        )
    }

    #[test]
    fn another_size_and_its_level_go_on_in_the_same_track() {
        assert!(hevc(1, 63).continues_as(&hevc(1, 93)));
        assert!(!hevc(1, 63).continues_as(&hevc(2, 63)), "Main 10 needs another decoder");
    }

    #[test]
    fn frame_rate_and_range_come_from_the_vui() {
        let picture = hevc(1, 63).picture().expect("video");
        assert_eq!((picture.millifps, picture.range), (Some(30_000), VideoRange::Sdr));
    }
}
