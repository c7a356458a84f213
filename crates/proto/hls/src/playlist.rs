//! A media playlist at one moment, immutable: its text, whole or as a delta, and the files it stands for.

use crate::{
    date::Date,
    names::{FileName, Item},
    request::Position,
    segment::{PART_TARGET, Segment},
    track::Header,
};
use bytes::Bytes;
use std::{
    fmt::{self, Write},
    sync::{Arc, OnceLock},
};
use unisono_base::{Epoch, Span};
use unisono_media::Kind;

/// `EXT-X-VERSION`: 10 is what `EXT-X-SKIP` with date ranges asks for, and we announce both.
const VERSION: u32 = 10;
/// Parts are listed until this many target durations from the edge (RFC 8216bis §4.4.4.9), and a player that does
/// not know parts stays this far behind it.
const HOLD_BACK_TARGETS: i64 = 3;
/// A delta update leaves out what is further than this from the edge (§4.4.3.8).
const SKIP_TARGETS: i64 = 6;

/// Where the other rendition stands, for RENDITION-REPORT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) uri: &'static str,
    pub(crate) msn: u64,
    pub(crate) part: Option<u32>,
}

/// What a player finds under a file name.
#[derive(Debug)]
pub enum File {
    /// The chunks that make up the file, in order.
    Bytes(Vec<Bytes>),
    /// The part that is announced as the next: hold the request until a later playlist decides.
    Expected,
    /// Never was, is gone, or was announced and came to nothing.
    Unknown,
}

/// See the module.
pub struct Playlist {
    kind: Kind,
    target_s: u32,
    listed: Vec<Arc<Segment>>,
    unlisted: Vec<Arc<Segment>>,
    open: Option<Arc<Segment>>,
    headers: Vec<Header>,
    report: Option<Report>,
    is_ended: bool,
    full: OnceLock<Bytes>,
    delta: OnceLock<Bytes>,
}

impl Playlist {
    pub(crate) fn new(
        kind: Kind,
        target_s: u32,
        (listed, unlisted): (Vec<Arc<Segment>>, Vec<Arc<Segment>>),
        open: Option<Arc<Segment>>,
        headers: Vec<Header>,
        report: Option<Report>,
        is_ended: bool,
    ) -> Self {
        let (full, delta) = (OnceLock::new(), OnceLock::new());
        Self { kind, target_s, listed, unlisted, open, headers, report, is_ended, full, delta }
    }

    /// `EXT-X-TARGETDURATION`, in seconds.
    pub fn target_s(&self) -> u32 {
        self.target_s
    }

    /// Nothing more will come.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whole segments, oldest first.
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.listed
    }

    /// How far it has come, to decide on blocking requests.
    pub fn position(&self) -> Position {
        let last = self.listed.last();
        Position {
            complete: last.map_or(0, |s| s.cut.segment),
            complete_parts: last.map_or(0, |s| s.parts.len() as u32),
            open_parts: self.open.as_ref().map_or(0, |s| s.parts.len() as u32),
            is_ended: self.is_ended,
        }
    }

    /// The text; written once for everybody who asks.
    pub fn full(&self) -> Bytes {
        self.full.get_or_init(|| self.write(0)).clone()
    }

    /// The delta update (§6.2.5.1); the full text while there is nothing to leave out.
    pub fn delta(&self) -> Bytes {
        match self.skippable() {
            0 => self.full(),
            skipped => self.delta.get_or_init(|| self.write(skipped)).clone(),
        }
    }

    /// Looks a file up. Segments that have just left the playlist are still found.
    pub fn file(&self, name: &FileName) -> File {
        let segment = |number| {
            let all = self.listed.iter().chain(&self.unlisted);
            all.rev().find(|s| s.cut.segment == number && s.cut.epoch == name.epoch)
        };
        match name.item {
            Item::Header(n) => {
                let header = self.headers.iter().find(|h| h.epoch == name.epoch && h.n == n);
                header.map_or(File::Unknown, |h| File::Bytes(vec![h.bytes.clone()]))
            }
            Item::Segment(number) => match segment(number).filter(|s| !s.is_gap()) {
                Some(segment) => File::Bytes(segment.parts.iter().map(|p| p.bytes.clone()).collect()),
                None => File::Unknown,
            },
            Item::Part(number, part) => {
                let open =
                    self.open.as_ref().filter(|s| s.cut.segment == number && s.cut.epoch == name.epoch);
                match segment(number).or(open).and_then(|s| s.parts.get(part as usize)) {
                    Some(part) => File::Bytes(vec![part.bytes.clone()]),
                    None if self.next_part() == Some(*name) => File::Expected,
                    None => File::Unknown,
                }
            }
        }
    }

    /// The part that PRELOAD-HINT announces.
    pub fn next_part(&self) -> Option<FileName> {
        let open = self.open.as_ref().filter(|_| !self.is_ended)?;
        Some(open.part_name(self.kind, open.parts.len()))
    }

    fn target(&self) -> Span {
        Span::from_secs(self.target_s.into())
    }

    /// Media time behind the end of each listed segment.
    fn distances(&self) -> Vec<Span> {
        let open = self.open.as_ref().map_or(Span::ZERO, |s| s.duration);
        let mut behind: Vec<_> = self
            .listed
            .iter()
            .rev()
            .scan(open, |behind, segment| {
                let this = *behind;
                *behind = *behind + segment.duration;
                Some(this)
            })
            .collect();
        behind.reverse();
        behind
    }

    /// How many of the oldest segments a delta update leaves out.
    fn skippable(&self) -> usize {
        let boundary = times(self.target(), SKIP_TARGETS);
        self.distances().iter().take_while(|behind| **behind > boundary).count()
    }

    fn write(&self, skipped: usize) -> Bytes {
        let mut text = String::with_capacity(512 + 400 * self.listed.len());
        // Writing to a String cannot fail.
        let _ = self.write_to(&mut text, skipped);
        text.into()
    }

    fn write_to(&self, out: &mut String, skipped: usize) -> fmt::Result {
        self.write_head(out)?;
        if skipped > 0 {
            writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        let parts_within = times(self.target(), HOLD_BACK_TARGETS);
        let mut previous =
            skipped.checked_sub(1).and_then(|i| self.listed.get(i)).map(|s| s.cut.discontinuities);
        // A delta's first segment states its header again.
        let mut header = None;
        for (segment, behind) in self.listed.iter().zip(self.distances()).skip(skipped) {
            self.write_tags(out, segment, &mut previous, &mut header)?;
            if behind < parts_within {
                self.write_parts(out, segment)?;
            }
            if segment.is_gap() {
                writeln!(out, "#EXT-X-GAP")?;
            }
            writeln!(out, "#EXTINF:{},\n{}", Seconds(segment.duration), segment.name(self.kind))?;
        }
        if let Some(open) = self.open.as_ref().filter(|s| !s.parts.is_empty()) {
            self.write_tags(out, open, &mut previous, &mut header)?;
            self.write_parts(out, open)?;
        }
        self.write_foot(out)
    }

    fn write_head(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{}", self.target_s)?;
        writeln!(
            out,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.1},HOLD-BACK={:.1},CAN-SKIP-UNTIL={:.1},\
             CAN-SKIP-DATERANGES=YES",
            times(PART_TARGET, HOLD_BACK_TARGETS).as_secs_f64(),
            times(self.target(), HOLD_BACK_TARGETS).as_secs_f64(),
            times(self.target(), SKIP_TARGETS).as_secs_f64(),
        )?;
        writeln!(out, "#EXT-X-PART-INF:PART-TARGET={:.1}", PART_TARGET.as_secs_f64())?;
        if let Some(first) = self.listed.first() {
            writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", first.cut.segment)?;
            writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", first.cut.discontinuities)?;
        }
        let is_cut_without_key = |s: &Arc<Segment>| !s.cut.independent && self.kind == Kind::Video;
        if !self.listed.iter().chain(&self.open).any(is_cut_without_key) {
            writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        Ok(())
    }

    /// What stands before a segment: a break, another header, its date.
    fn write_tags(
        &self,
        out: &mut String,
        segment: &Segment,
        previous: &mut Option<u32>,
        header: &mut Option<(Epoch, u32)>,
    ) -> fmt::Result {
        let breaks = segment.cut.discontinuities;
        if previous.replace(breaks).is_some_and(|before| before != breaks) {
            writeln!(out, "#EXT-X-DISCONTINUITY")?;
        }
        let own = (segment.cut.epoch, segment.header);
        if !segment.is_gap() && *header != Some(own) {
            *header = Some(own);
            writeln!(out, "#EXT-X-MAP:URI=\"{}\"", segment.header_name(self.kind))?;
        }
        writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", Date(segment.t))
    }

    fn write_parts(&self, out: &mut String, segment: &Segment) -> fmt::Result {
        for (i, part) in segment.parts.iter().enumerate() {
            let duration = Seconds(part.duration);
            write!(out, "#EXT-X-PART:DURATION={duration},URI=\"{}\"", segment.part_name(self.kind, i))?;
            out.push_str(if part.independent { ",INDEPENDENT=YES\n" } else { "\n" });
        }
        Ok(())
    }

    fn write_foot(&self, out: &mut String) -> fmt::Result {
        if let Some(hint) = self.next_part() {
            writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\"")?;
        }
        if let Some(Report { uri, msn, part }) = self.report {
            write!(out, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn}")?;
            if let Some(part) = part {
                write!(out, ",LAST-PART={part}")?;
            }
            out.push('\n');
        }
        if self.is_ended {
            writeln!(out, "#EXT-X-ENDLIST")?;
        }
        Ok(())
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

fn times(span: Span, factor: i64) -> Span {
    Span::from_micros(span.as_micros().saturating_mul(factor))
}
