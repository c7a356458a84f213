//! One sender of a viewer: its place in RTP, and how RTP time follows T (decisions 16).

use crate::{
    Mapping,
    rtc::{Driver, Section},
};
use std::time::{Duration, Instant};
use str0m::{
    format::{Codec, PayloadParams},
    media::{MediaKind, Mid, Pt},
};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame, Kind};

/// A mapping is repeated this often, so that a client that lost one is right again soon (timeline spec 3).
const MAPPING_EVERY: Duration = Duration::from_secs(2);
/// The last mapping told may be off by this much before it is told anew.
const MAPPING_ERROR_MAX: Span = Span::from_millis(1);
/// T may run ahead of the sample count by this much before RTP time jumps to it: one packet.
const AUDIO_DRIFT_MAX: Span = Span::from_millis(20);
/// Packets kept for retransmission: a NACK that comes later than this is answered by the next keyframe.
const RTX_PACKETS: usize = 128;
const RTX_AGE_MAX: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) mid: Mid,
    pub(super) pt: Pt,
    pub(super) next_sequence: u64,
    ssrc: u32,
    rate: u32,
    /// Random start of RTP time (RFC 3550 §5.1).
    offset: u32,
    /// RTP time, T and length of the last frame.
    last: Option<Sent>,
    /// What a client computes with.
    told: Option<(Mapping, Instant)>,
}

#[derive(Clone, Copy)]
struct Sent {
    rtp: u32,
    t: MediaTime,
    duration: Span,
    epoch: Epoch,
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
        let (kind, rate) =
            if kind == MediaKind::Video { (Kind::Video, 90_000) } else { (Kind::Audio, 48_000) };
        let mut api = driver.rtc.direct_api();
        let random = *api.new_ssrc();
        let stream = api.stream_tx_by_mid(mid, None)?;
        stream.set_rtx_cache(RTX_PACKETS, RTX_AGE_MAX, None);
        Some(Self {
            kind,
            mid,
            pt,
            ssrc: *stream.ssrc(),
            rate,
            offset: random,
            // In the lower half, so that the rollover counter starts at 0 and an early loss does not wrap.
            next_sequence: u64::from(random & 0x3fff),
            last: None,
            told: None,
        })
    }

    /// RTP time of the next frame. Video: T on a 90 kHz clock. Audio: counts samples, and jumps forward to T only
    /// where the source left out more than a packet, since a single tick of irregularity makes a decoder conceal.
    pub(super) fn stamp(&mut self, epoch: Epoch, frame: &Frame) -> u32 {
        let from_t = (frame.t.to_ticks(self.rate) as u32).wrapping_add(self.offset);
        let rtp = match self.last.filter(|_| self.kind == Kind::Audio) {
            Some(last) => {
                let samples = last.duration.as_micros() * i64::from(self.rate) / 1_000_000;
                let counted = last.rtp.wrapping_add(samples as u32);
                // Forwards only: a timestamp that was sent must not come again. Where T falls behind the count, the
                // mapping is told anew instead.
                let ahead = i64::from(from_t.wrapping_sub(counted) as i32) * 1_000_000 / i64::from(self.rate);
                if ahead > AUDIO_DRIFT_MAX.as_micros() { from_t } else { counted }
            }
            None => from_t,
        };
        self.last = Some(Sent { rtp, t: frame.t, duration: frame.duration, epoch });
        rtp
    }

    /// The mapping in force, based on the newest frame.
    pub(super) fn mapping(&self) -> Option<Mapping> {
        let Sent { rtp, t, epoch, .. } = self.last?;
        Some(Mapping { kind: self.kind, ssrc: self.ssrc, rtp0: rtp, t0: t, rate: self.rate, epoch })
    }

    /// The mapping, when the client should hear it now: at first, every 2 s, at a new epoch, when off by over 1 ms.
    pub(super) fn due(&self, now: Instant) -> Option<Mapping> {
        let current = self.mapping()?;
        let Some((told, at)) = self.told else { return Some(current) };
        let is_old = now.saturating_duration_since(at) >= MAPPING_EVERY;
        let is_wrong =
            told.epoch != current.epoch || (told.t_of(current.rtp0) - current.t0).abs() > MAPPING_ERROR_MAX;
        (is_old || is_wrong).then_some(current)
    }

    /// The client has been told.
    pub(super) fn set_told(&mut self, mapping: Mapping, now: Instant) {
        self.told = Some((mapping, now));
    }
}
