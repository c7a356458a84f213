//! Playlists of what is kept: `EVENT` while a recording is written, `VOD` when it is whole, or of a clip of it.

use crate::{Index, Rendition, SegmentLine};
use std::fmt::{self, Write};
use unisono_base::{MediaTime, Span};
use unisono_proto_hls::Date;

/// Seven: everything used here, `EXT-X-MAP` without `EXT-X-I-FRAMES-ONLY` the newest of it.
const VERSION: u32 = 7;

/// What a playlist is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// First T; `None` is the recording's own.
    pub from: Option<MediaTime>,
    /// T behind the last.
    pub to: Option<MediaTime>,
}

/// Whether more may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It is still being written.
    Grows,
    /// It is whole, or a clip.
    Whole,
}

/// The multivariant playlist, which leads to `video.m3u8` and `audio.m3u8` with `query` (empty, or with its question mark).
/// `None` while nothing is kept.
pub fn multivariant(index: &Index, query: &str) -> Option<String> {
    let has = |rendition| index.segments(rendition).iter().any(SegmentLine::is_kept);
    let (video, audio) = (has(Rendition::Video), has(Rendition::Audio));
    if !video && !audio {
        return None;
    }
    let mut out = String::from("#EXTM3U\n");
    // Writing to a String cannot fail.
    let _ = write_multivariant(&mut out, index, (video, audio), query);
    Some(out)
}

fn write_multivariant(
    out: &mut String,
    index: &Index,
    (video, audio): (bool, bool),
    query: &str,
) -> fmt::Result {
    writeln!(out, "#EXT-X-VERSION:{VERSION}")?;
    let has_group = video && audio;
    if has_group {
        writeln!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio\",DEFAULT=YES,AUTOSELECT=YES,URI=\"audio.m3u8{query}\""
        )?;
    }
    let rates = Rendition::ALL.map(|rendition| Rate::of(index.segments(rendition)));
    let (peak, average) = rates.iter().fold((0, 0), |sum, rate| (sum.0 + rate.peak, sum.1 + rate.average));
    write!(out, "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}", peak.max(1), average.max(1))?;
    let header = |rendition| index.headers().iter().rev().find(move |header| header.rendition == rendition);
    let named = Rendition::ALL.into_iter().filter_map(header).filter(|header| !header.codecs.is_empty());
    let codecs: Vec<_> = named.map(|header| header.codecs.as_str()).collect();
    if !codecs.is_empty() {
        write!(out, ",CODECS=\"{}\"", codecs.join(","))?;
    }
    if let Some((width, height)) = header(Rendition::Video).and_then(|header| header.size) {
        write!(out, ",RESOLUTION={width}x{height}")?;
    }
    if has_group {
        write!(out, ",AUDIO=\"audio\"")?;
    }
    writeln!(out, "\n{}.m3u8{query}", if video { "video" } else { "audio" })
}

/// A media playlist; `None` while nothing of the rendition is kept in that span. Whole segments: a clip begins with the one
/// that holds its first T.
pub fn media(index: &Index, rendition: Rendition, growth: Growth, span: Within) -> Option<String> {
    let segments = index.between(rendition, span.from, span.to);
    if !segments.iter().any(SegmentLine::is_kept) {
        return None;
    }
    let mut out = String::with_capacity(300 + 130 * segments.len());
    // Writing to a String cannot fail.
    let _ = write_media(&mut out, segments, growth);
    Some(out)
}

fn write_media(out: &mut String, segments: &[SegmentLine], growth: Growth) -> fmt::Result {
    let longest = segments.iter().map(|segment| segment.duration.as_micros()).max().unwrap_or(0);
    // Of a playlist that grows it may not change: an epoch's target is 4 s or 10 s.
    let rounded = (longest + 500_000) / 1_000_000;
    let target = match growth {
        Growth::Whole => rounded.max(1),
        Growth::Grows => [4, 10].into_iter().find(|target| rounded <= *target).unwrap_or(rounded),
    };
    let kind = match growth {
        Growth::Whole => "VOD",
        Growth::Grows => "EVENT",
    };
    writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}")?;
    writeln!(out, "#EXT-X-PLAYLIST-TYPE:{kind}\n#EXT-X-MEDIA-SEQUENCE:0")?;
    let is_independent = |s: &SegmentLine| s.independent || s.rendition == Rendition::Audio;
    if segments.iter().all(is_independent) {
        writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    }
    let mut before: Option<&SegmentLine> = None;
    let mut map = None;
    for segment in segments {
        // A number that is missing was never packaged; what comes after it does not go on from what was before.
        let is_break = before
            .is_some_and(|before| before.breaks != segment.breaks || before.segment + 1 != segment.segment);
        if is_break {
            writeln!(out, "#EXT-X-DISCONTINUITY")?;
        }
        if segment.is_kept() && map != Some(segment.header_name()) {
            map = Some(segment.header_name());
            writeln!(out, "#EXT-X-MAP:URI=\"{}\"", segment.header_name())?;
        }
        writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", Date(segment.t))?;
        if !segment.is_kept() {
            writeln!(out, "#EXT-X-GAP")?;
        }
        writeln!(out, "#EXTINF:{},\n{}", Seconds(segment.duration), segment.name())?;
        before = Some(segment);
    }
    match growth {
        Growth::Whole => writeln!(out, "#EXT-X-ENDLIST"),
        Growth::Grows => Ok(()),
    }
}

/// The playlists of a recording that is whole, to lie beside it: any web server can serve the folder.
pub fn files(index: &Index) -> Vec<(&'static str, String)> {
    let of = |rendition| media(index, rendition, Growth::Whole, Within::default());
    let all = [
        ("index.m3u8", multivariant(index, "")),
        ("video.m3u8", of(Rendition::Video)),
        ("audio.m3u8", of(Rendition::Audio)),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// Bits per second of a rendition.
#[derive(Default)]
struct Rate {
    peak: u64,
    average: u64,
}

impl Rate {
    fn of(segments: &[SegmentLine]) -> Self {
        // A fraction of a second says nothing about a rate.
        let long = || segments.iter().filter(|s| s.is_kept() && s.duration.as_micros() >= 500_000);
        let rate = |bytes: u64, micros: u64| bytes.saturating_mul(8_000_000) / micros.max(1);
        let of = |s: &SegmentLine| (s.bytes, s.duration.as_micros().max(0) as u64);
        let peak = long().map(of).map(|(bytes, micros)| rate(bytes, micros)).max().unwrap_or(0);
        let (bytes, micros) = long().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Self { peak, average: rate(bytes, micros) }
    }
}

/// Seconds with all six decimals, so that sums stay exact.
struct Seconds(Span);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros().max(0);
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Gap, Line,
        index::tests::{lines, segment},
    };

    fn index(count: u64) -> Index {
        let mut index = Index::default();
        lines(count).into_iter().for_each(|line| index.push(line));
        index
    }

    #[test]
    fn a_whole_recording_is_vod_and_a_running_one_an_event() {
        let index = index(2);
        let of = |growth| media(&index, Rendition::Video, growth, Within::default()).expect("kept");
        let whole = of(Growth::Whole);
        assert!(
            whole.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && whole.ends_with("#EXT-X-ENDLIST\n"),
            "{whole}"
        );
        assert!(whole.contains("#EXT-X-TARGETDURATION:2\n"), "{whole}");
        assert_eq!(whole.matches("#EXT-X-MAP:").count(), 1);
        let growing = of(Growth::Grows);
        assert!(
            growing.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n") && !growing.contains("ENDLIST"),
            "{growing}"
        );
        assert!(growing.contains("#EXT-X-TARGETDURATION:4\n"), "it may not change while it grows: {growing}");
    }

    #[test]
    fn gaps_and_breaks_are_told() {
        let mut index = index(2);
        let gap =
            SegmentLine { gap: Some(Gap::Lost), bytes: 0, sha256: None, ..segment(Rendition::Video, 2) };
        index.push(Line::Segment(gap));
        index.push(Line::Segment(SegmentLine { breaks: 1, header: 1, ..segment(Rendition::Video, 3) }));
        index.push(Line::Segment(SegmentLine { breaks: 1, header: 1, ..segment(Rendition::Video, 7) }));
        let text = media(&index, Rendition::Video, Growth::Whole, Within::default()).expect("kept");
        assert_eq!(text.matches("#EXT-X-GAP\n").count(), 1, "{text}");
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 2, "a break, and a hole: {text}");
        assert_eq!(text.matches("#EXT-X-MAP:").count(), 2, "{text}");
    }

    #[test]
    fn a_playlist_of_nothing_is_none() {
        assert_eq!(multivariant(&Index::default(), ""), None);
        let late = Within { from: Some(MediaTime::from_micros(i64::MAX / 2)), to: None };
        assert_eq!(media(&index(2), Rendition::Video, Growth::Whole, late), None);
        let text = multivariant(&index(2), "?from=1").expect("kept");
        assert!(text.contains("video.m3u8?from=1") && text.contains("audio.m3u8?from=1"), "{text}");
    }
}
