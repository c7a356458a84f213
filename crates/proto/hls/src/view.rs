//! Everything a player can ask for at one moment, immutable, shared by all requests.

use crate::{
    names::FileName,
    playlist::{File, Playlist},
    segment::Segment,
};
use std::{
    fmt::{self, Write},
    sync::Arc,
};
use unisono_media::{CodecConfig, Kind, VideoRange};

/// For whoever looks into the playlist to see why it stays black (decisions 20). ffmpeg and GStreamer do play it.
const VP8_NOTE: &str = "# The picture is VP8: browsers cannot play it by HLS. Watch by WebRTC.";

/// See the module.
pub struct View {
    /// Picture, once there is a whole segment of it.
    pub video: Option<Playlist>,
    /// Sound, once there is a whole segment of it.
    pub audio: Option<Playlist>,
    pub(crate) video_config: Option<Arc<CodecConfig>>,
    pub(crate) audio_config: Option<Arc<CodecConfig>>,
}

impl View {
    /// The playlist of a rendition.
    pub fn playlist(&self, kind: Kind) -> Option<&Playlist> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
            Kind::Data => None,
        }
    }

    /// The newest configuration of a rendition.
    pub fn config(&self, kind: Kind) -> Option<&CodecConfig> {
        match kind {
            Kind::Video => self.video_config.as_deref(),
            Kind::Audio => self.audio_config.as_deref(),
            Kind::Data => None,
        }
    }

    /// A file of either rendition.
    pub fn file(&self, name: &FileName) -> File {
        self.playlist(name.kind).map_or(File::Unknown, |playlist| playlist.file(name))
    }

    /// The multivariant playlist. Bandwidths are measured over the listed segments.
    pub fn multivariant(&self) -> String {
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:10\n");
        // Writing to a String cannot fail.
        let _ = self.write_multivariant(&mut out);
        out
    }

    fn write_multivariant(&self, out: &mut String) -> fmt::Result {
        let segments = |p: &Option<Playlist>| p.as_ref().map_or_else(Vec::new, |p| p.segments().to_vec());
        let (video, audio) = (segments(&self.video), segments(&self.audio));
        let rates = [Rate::of(&video), Rate::of(&audio)];
        let peak: u64 = rates.iter().map(|r| r.peak).sum();
        let average: u64 = rates.iter().map(|r| r.average).sum();
        let present = [(&self.video, &self.video_config), (&self.audio, &self.audio_config)];
        let codecs: Vec<_> = present
            .iter()
            .filter(|(p, _)| p.is_some())
            .filter_map(|(_, c)| Some(c.as_ref()?.rfc6381()))
            .collect();
        if let (Some(_), Some(CodecConfig::Vp8(_))) = (&self.video, self.video_config.as_deref()) {
            writeln!(out, "{VP8_NOTE}")?;
        }
        let has_group = self.video.is_some() && self.audio.is_some();
        if has_group {
            write!(
                out,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio\",DEFAULT=YES,AUTOSELECT=YES,"
            )?;
            let channels = self.audio_config.as_deref().map_or(2, channels);
            writeln!(out, "CHANNELS=\"{channels}\",STABLE-RENDITION-ID=\"audio\",URI=\"hls/audio.m3u8\"")?;
        }
        write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}\"",
            codecs.join(",")
        )?;
        let picture = self.video_config.as_deref().and_then(CodecConfig::picture);
        if let Some(picture) = picture.filter(|_| self.video.is_some()) {
            write!(out, ",RESOLUTION={}x{}", picture.width, picture.height)?;
            if let Some(rate) = picture.millifps.or_else(|| measured_millifps(&video)) {
                write!(out, ",FRAME-RATE={}.{:03}", rate / 1_000, rate % 1_000)?;
            }
            // Left out, it means SDR (RFC 8216bis §4.4.6.2).
            if picture.range != VideoRange::Sdr {
                write!(out, ",VIDEO-RANGE={}", picture.range.as_str())?;
            }
        }
        if has_group {
            write!(out, ",AUDIO=\"audio\"")?;
        }
        let media = if self.video.is_some() { "video" } else { "audio" };
        writeln!(out, ",STABLE-VARIANT-ID=\"source\"\nhls/{media}.m3u8")
    }
}

/// Bits per second of a rendition.
#[derive(Default)]
struct Rate {
    /// Of its busiest segment.
    peak: u64,
    average: u64,
}

impl Rate {
    fn of(segments: &[Arc<Segment>]) -> Self {
        // A fraction of a second says nothing about a rate; a forced cut can make such a segment.
        let long = || segments.iter().filter(|s| s.duration.as_micros() >= 500_000);
        let rate = |bytes: u64, micros: u64| bytes * 8_000_000 / micros.max(1);
        let of = |s: &Arc<Segment>| (s.len() as u64, s.duration.as_micros().max(0) as u64);
        let peak = long().map(of).map(|(bytes, micros)| rate(bytes, micros)).max().unwrap_or(0);
        let (bytes, micros) = long().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Self { peak, average: rate(bytes, micros) }
    }
}

fn measured_millifps(segments: &[Arc<Segment>]) -> Option<u32> {
    let frames: u64 = segments.iter().map(|s| u64::from(s.frames)).sum();
    let micros: i64 = segments.iter().filter(|s| !s.is_gap()).map(|s| s.duration.as_micros()).sum();
    u32::try_from((frames * 1_000_000_000).checked_div(u64::try_from(micros).ok()?)?)
        .ok()
        .filter(|rate| *rate > 0)
}

fn channels(config: &CodecConfig) -> u8 {
    match config {
        CodecConfig::Aac(aac) => aac.channels,
        CodecConfig::Opus(opus) => opus.channels,
        _ => 2,
    }
}
