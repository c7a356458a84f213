//! One sender of a viewer: its section, format and place in RTP.

use crate::{
    rtc::{Driver, Section},
    rtp_clock::RtpClock,
};
use std::time::Duration;
use str0m::{
    format::{Codec, PayloadParams},
    media::{MediaKind, Mid, Pt},
};
use unisono_media::{CodecConfig, Kind};

/// Packets kept for retransmission: a NACK that comes later than this is answered by the next keyframe.
const RTX_PACKETS: usize = 128;
const RTX_AGE_MAX: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Line {
    pub(super) mid: Mid,
    pub(super) pt: Pt,
    pub(super) next_sequence: u64,
    /// RTP time and the mapping.
    pub(super) clock: RtpClock,
}

impl Line {
    /// The stream's format with a profile that decodes it. H.264 also in another profile than the stream's: a decoder
    /// reads the SPS. AV1 and VP9 decoders of a higher profile take the lower ones (AV1 §6.4.1; VP9 in pairs of chroma
    /// format, so equal only); levels are left to the viewer, browsers offer low ones and decode more.
    pub(super) fn video(driver: &mut Driver, sections: &[Section], config: &CodecConfig) -> Option<Self> {
        let is_usable = |p: &&PayloadParams| {
            let (codec, format) = (p.spec().codec, p.spec().format);
            match config {
                CodecConfig::H264(_) => codec == Codec::H264 && format.packetization_mode == Some(1),
                CodecConfig::H265(_) => codec == Codec::H265,
                CodecConfig::Vp8(_) => codec == Codec::Vp8,
                CodecConfig::Vp9(vp9) => {
                    codec == Codec::Vp9 && format.profile_id.unwrap_or(0) == u32::from(vp9.profile)
                }
                CodecConfig::Av1(av1) => {
                    codec == Codec::Av1 && format.profile.unwrap_or(0) >= av1.sequence.profile
                }
                CodecConfig::Aac(_) | CodecConfig::Opus(_) | CodecConfig::Events => false,
            }
        };
        let is_same = |p: &&PayloadParams| match config {
            CodecConfig::H264(avc) => {
                let profile = u32::from(avc.sps.profile_idc);
                p.spec().format.profile_level_id.is_some_and(|id| id >> 16 == profile)
            }
            _ => true,
        };
        Self::find(driver, sections, MediaKind::Video, |params| {
            let usable = || params.iter().filter(is_usable);
            usable().find(is_same).or_else(|| usable().next()).map(PayloadParams::pt)
        })
    }

    /// Opus.
    pub(super) fn audio(driver: &mut Driver, sections: &[Section]) -> Option<Self> {
        Self::find(driver, sections, MediaKind::Audio, |params| {
            params.iter().find(|p| p.spec().codec == Codec::Opus).map(PayloadParams::pt)
        })
    }

    fn find(
        driver: &mut Driver,
        sections: &[Section],
        kind: MediaKind,
        choose: impl Fn(&[PayloadParams]) -> Option<Pt>,
    ) -> Option<Self> {
        let (mid, pt) = sections.iter().filter(|section| section.kind == kind).find_map(|section| {
            let media = driver.rtc.media(section.mid).filter(|media| media.direction().is_sending())?;
            let offered = media.remote_pts();
            let params = driver.rtc.codec_config().params().iter();
            let params: Vec<_> = params.filter(|p| offered.contains(&p.pt())).copied().collect();
            Some((section.mid, choose(&params)?))
        })?;
        let kind = if kind == MediaKind::Video { Kind::Video } else { Kind::Audio };
        let mut api = driver.rtc.direct_api();
        let random = *api.new_ssrc();
        let stream = api.stream_tx_by_mid(mid, None)?;
        stream.set_rtx_cache(RTX_PACKETS, RTX_AGE_MAX, None);
        Some(Self {
            mid,
            pt,
            // In the lower half, so that the rollover counter starts at 0 and an early loss does not wrap.
            next_sequence: u64::from(random & 0x3fff),
            clock: RtpClock::new(kind, *stream.ssrc(), random),
        })
    }
}
