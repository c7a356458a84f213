//! One MP4 file of a recording or of a span of it, made while it is sent. Nothing is encoded again.
//!
//! The picture begins with the frame that is on display at `from`: decoding begins at the keyframe at or before it, and an edit
//! list hides what comes before. It ends with the last frame below `to`. Sound is cut at the same two points of T, to the
//! sample, by an edit list as well. What is missing in between makes the frame before it stand longer.
//!
//! Two readings of the segments: the first collects times and sizes, since the tables stand in front; the second sends the
//! media. One segment is in memory at a time, beside the tables.

use crate::{Index, Rendition, SegmentLine, Shelf, StorageError};
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::{collections::VecDeque, ops::Range, sync::Arc};
use unisono_base::MediaTime;
use unisono_mux::mp4::{self, Edit, Sample, Segment, Track};

/// The media timeline of an epoch counts from this long before it (docs/decisions/0002).
const TIMELINE_MARGIN_S: i64 = 86_400;
/// Sound that is decoded before it is heard, so that the decoder has settled (RFC 7845 §4.6 wants 80 ms for Opus).
const PREROLL_MS: i64 = 100;

/// What a clip really shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// T of its first picture, or sound where there is none.
    pub from: MediaTime,
    /// T where it ends.
    pub to: MediaTime,
}

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// Nothing is kept of that span.
    #[error("nothing is kept between these two points")]
    Nothing,
    /// One file cannot hold it, or what is kept is damaged.
    #[error(transparent)]
    Mp4(#[from] mp4::Error),
    /// Too many others are made before it.
    #[error("as many clips as can be are made just now; try again")]
    Busy,
    /// It cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A file that is ready to be sent, as often as need be.
#[derive(Clone)]
pub struct Clip {
    shelf: Arc<dyn Shelf>,
    folder: String,
    head: Bytes,
    pieces: Arc<[Piece]>,
    media_bytes: u64,
    cut: Cut,
}

/// Samples of one segment.
#[derive(Clone, Debug)]
struct Piece {
    path: String,
    samples: Range<usize>,
    bytes: u64,
}

/// How far a sending has come.
struct Sending {
    clip: Clip,
    range: Range<u64>,
    /// Where in the file what comes next stands.
    at: u64,
    /// The piece that comes next; `None`: the head does.
    next: Option<usize>,
    ready: VecDeque<Bytes>,
}

impl Sending {
    async fn next(&mut self) -> Option<Result<Bytes, StorageError>> {
        loop {
            if self.at >= self.range.end {
                return None;
            }
            if let Some(chunk) = self.ready.pop_front() {
                if let Some(wanted) = self.wanted(chunk) {
                    return Some(Ok(wanted));
                }
                continue;
            }
            let Some(number) = self.next else {
                self.next = Some(0);
                self.ready.push_back(self.clip.head.clone());
                continue;
            };
            let piece = self.clip.pieces.get(number)?.clone();
            self.next = Some(number + 1);
            if self.at + piece.bytes <= self.range.start {
                self.at += piece.bytes;
                continue;
            }
            match self.clip.read(&piece).await {
                Ok(chunks) => self.ready = chunks,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// What of the chunk that comes next lies in the range.
    fn wanted(&mut self, chunk: Bytes) -> Option<Bytes> {
        let (begins, ends) = (self.at, self.at + chunk.len() as u64);
        self.at = ends;
        let from = self.range.start.clamp(begins, ends) - begins;
        let to = self.range.end.clamp(begins, ends) - begins;
        (from < to).then(|| chunk.slice(from as usize..to as usize))
    }
}

impl Clip {
    /// Reads what lies between the two points; `None` is the recording's own end.
    pub async fn plan(
        shelf: Arc<dyn Shelf>,
        folder: String,
        index: &Index,
        (from, to): (Option<MediaTime>, Option<MediaTime>),
    ) -> Result<Self, ClipError> {
        let mut plan = Plan { shelf, folder, index, from, to, media_bytes: 0, pieces: Vec::new() };
        let start = plan.start().await?;
        let mut tracks: [Option<Open>; 2] = [None, None];
        for line in plan.order(&start) {
            let slot = &mut tracks[usize::from(line.rendition == Rendition::Audio)];
            plan.segment(line, &start, slot).await?;
        }
        plan.finish(start, tracks)
    }

    /// What it shows.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.head.len() as u64 + self.media_bytes
    }

    /// Memory that sending it holds: the tables, and a segment.
    pub fn held_bytes(&self) -> u64 {
        self.head.len() as u64 + self.pieces.iter().map(|piece| piece.bytes).max().unwrap_or(0)
    }

    /// The bytes of the file in `range`.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, StorageError>> + Send {
        let sending = Sending { clip: self, range, at: 0, next: None, ready: VecDeque::new() };
        stream::unfold(sending, |mut sending| async move {
            let sent = sending.next().await?;
            if sent.is_err() {
                // What follows would stand at the wrong place.
                sending.range.end = 0;
            }
            Some((sent, sending))
        })
    }

    async fn read(&self, piece: &Piece) -> Result<VecDeque<Bytes>, StorageError> {
        let file = self.shelf.get(&format!("{}/{}", self.folder, piece.path), None).await?;
        let changed =
            |reason: &str| StorageError::Failed { place: piece.path.clone(), reason: reason.to_owned() };
        let segment = Segment::read(&file, 0).map_err(|error| changed(&error.to_string()))?;
        let places = segment.places.get(piece.samples.clone());
        let places = places.ok_or_else(|| changed("it is shorter than it was"))?;
        let mut chunks: Vec<Range<usize>> = Vec::new();
        for place in places {
            match chunks.last_mut() {
                Some(chunk) if chunk.end == place.start => chunk.end = place.end,
                _ => chunks.push(place.clone()),
            }
        }
        Ok(chunks.into_iter().map(|chunk| file.slice(chunk)).collect())
    }
}

/// The first reading.
struct Plan<'a> {
    shelf: Arc<dyn Shelf>,
    folder: String,
    index: &'a Index,
    from: Option<MediaTime>,
    to: Option<MediaTime>,
    media_bytes: u64,
    pieces: Vec<Piece>,
}

/// Where the picture begins.
struct Start {
    /// T of the first picture or sound.
    t: MediaTime,
    /// Number of the segment that decoding begins in, and which of its samples; picture only.
    video: Option<(u64, usize)>,
}

/// A track that has begun.
struct Open {
    track: Track,
    /// Its header's name.
    header: unisono_proto_hls::FileName,
    /// Ticks behind the last sample that is shown.
    end: i64,
}

impl<'a> Plan<'a> {
    /// With a picture the frame on display at `from` is the first; without one the sound begins at `from`.
    async fn start(&self) -> Result<Start, ClipError> {
        let kept = |rendition| {
            let mut lines = self.index.between(rendition, self.from, self.to).iter();
            lines.find(|line| line.is_kept())
        };
        let Some(first) = kept(Rendition::Video) else {
            let first = kept(Rendition::Audio).ok_or(ClipError::Nothing)?;
            return Ok(Start { t: self.from.map_or(first.t, |from| from.max(first.t)), video: None });
        };
        let rate = Track::new(&self.header(first).await?)?.timescale();
        let wanted = self.from.map(|from| from.to_ticks(rate));
        let all = self.index.segments(Rendition::Video);
        let at = all.partition_point(|line| line.segment < first.segment);
        // A segment that was cut without a keyframe, or whose first frame comes later, needs those before it.
        let mut behind: Option<i64> = None;
        for line in all[..=at].iter().rev().take_while(|line| line.is_kept()) {
            let segment = self.read(line, rate).await?;
            let shown = behind.or_else(|| first_shown(&segment.samples, wanted));
            let can_decode = |shown: i64| decoded_from(&segment.samples, shown, behind.is_some());
            if let Some((shown, sample)) = shown.and_then(|shown| Some((shown, can_decode(shown)?))) {
                return Ok(Start { t: t_of(shown, rate), video: Some((line.segment, sample)) });
            }
            behind = shown.or(behind);
        }
        // Nothing before it was kept: from its first keyframe on.
        let segment = self.read(first, rate).await?;
        let sample = segment.samples.iter().position(|sample| sample.is_sync).ok_or(ClipError::Nothing)?;
        Ok(Start { t: t_of(segment.samples[sample].shown(), rate), video: Some((first.segment, sample)) })
    }

    /// The segments in the order of the file: by number, picture first.
    fn order(&self, start: &Start) -> Vec<&'a SegmentLine> {
        let all = self.index.segments(Rendition::Video);
        let begin = start.video.map_or(all.len(), |(number, _)| all.partition_point(|s| s.segment < number));
        let end = self.to.map_or(all.len(), |to| all.partition_point(|s| s.t < to));
        let video = all.get(begin..end).unwrap_or_default();
        let preroll = unisono_base::Span::from_millis(PREROLL_MS);
        let audio = self.index.between(Rendition::Audio, Some(start.t - preroll), self.to);
        let mut lines: Vec<_> = video.iter().chain(audio).filter(|line| line.is_kept()).collect();
        lines.sort_by_key(|line| (line.segment, line.rendition));
        lines
    }

    async fn segment(
        &mut self,
        line: &SegmentLine,
        start: &Start,
        slot: &mut Option<Open>,
    ) -> Result<(), ClipError> {
        let header = line.header_name();
        if slot.as_ref().is_none_or(|open| open.header != header) {
            let bytes = self.header(line).await?;
            match slot {
                Some(open) => {
                    open.track.describe(&bytes)?;
                    open.header = header;
                }
                None => *slot = Some(Open { track: Track::new(&bytes)?, header, end: i64::MIN }),
            }
        }
        let Some(open) = slot else { return Ok(()) };
        let rate = open.track.timescale();
        let segment = self.read(line, rate).await?;
        let samples = self.chosen(line, start, &segment.samples, rate);
        let Some(chosen) = segment.samples.get(samples.clone()).filter(|chosen| !chosen.is_empty()) else {
            return Ok(());
        };
        open.track.push(self.media_bytes, chosen)?;
        let ends = chosen.iter().map(|sample| sample.shown() + i64::from(sample.duration));
        open.end = open.end.max(ends.max().unwrap_or(i64::MIN));
        let bytes = chosen.iter().map(|sample| u64::from(sample.size)).sum::<u64>();
        self.media_bytes += bytes;
        self.pieces.push(Piece { path: line.name().to_string(), samples, bytes });
        Ok(())
    }

    /// Which samples of a segment belong to the clip.
    fn chosen(&self, line: &SegmentLine, start: &Start, samples: &[Sample], rate: u32) -> Range<usize> {
        let to = self.to.map_or(i64::MAX, |to| to.to_ticks(rate));
        // In decode order what is shown below the end may need what is shown above it.
        let end = samples.iter().rposition(|sample| sample.shown() < to).map_or(0, |last| last + 1);
        let begin = match line.rendition {
            Rendition::Video => match start.video {
                Some((number, sample)) if number == line.segment => sample,
                _ => 0,
            },
            Rendition::Audio => {
                let from = start.t.to_ticks(rate) - PREROLL_MS * i64::from(rate) / 1_000;
                samples.partition_point(|sample| sample.decode + i64::from(sample.duration) <= from)
            }
        };
        begin..end.max(begin)
    }

    fn finish(self, start: Start, tracks: [Option<Open>; 2]) -> Result<Clip, ClipError> {
        let open: Vec<_> = tracks.iter().flatten().filter(|open| !open.track.is_empty()).collect();
        let ends = open.iter().map(|open| t_of(open.end, open.track.timescale()));
        let last = ends.max().ok_or(ClipError::Nothing)?;
        let cut = Cut { from: start.t, to: self.to.map_or(last, |to| to.min(last)) };
        let edits: Vec<_> = open
            .iter()
            .map(|open| {
                let rate = open.track.timescale();
                let to = cut.to.to_ticks(rate).min(open.end);
                (&open.track, Edit { from: cut.from.to_ticks(rate), to })
            })
            .collect();
        let head = mp4::head(&edits, self.media_bytes)?;
        let Self { shelf, folder, pieces, media_bytes, .. } = self;
        Ok(Clip { shelf, folder, head, pieces: pieces.into(), media_bytes, cut })
    }

    async fn header(&self, line: &SegmentLine) -> Result<Bytes, StorageError> {
        self.shelf.get(&format!("{}/{}", self.folder, line.header_name()), None).await
    }

    async fn read(&self, line: &SegmentLine, rate: u32) -> Result<Segment, ClipError> {
        let file = self.shelf.get(&format!("{}/{}", self.folder, line.name()), None).await?;
        let origin = (i64::from(line.epoch) - TIMELINE_MARGIN_S) * i64::from(rate);
        Ok(Segment::read(&file, origin)?)
    }
}

/// When the frame is shown that is on display at `wanted`; the first one where nothing is wanted. `None`: it is in a segment
/// before.
fn first_shown(samples: &[Sample], wanted: Option<i64>) -> Option<i64> {
    let shown = || samples.iter().map(Sample::shown);
    match wanted {
        None => shown().min(),
        Some(wanted) => shown().filter(|shown| *shown <= wanted).max(),
    }
}

/// The sample that decoding must begin with to show what is shown at `shown`; in a segment `before` that one, its last keyframe.
fn decoded_from(samples: &[Sample], shown: i64, before: bool) -> Option<usize> {
    let target = if before {
        samples.len().checked_sub(1)?
    } else {
        samples.iter().position(|sample| sample.shown() == shown)?
    };
    samples.get(..=target)?.iter().rposition(|sample| sample.is_sync)
}

/// Rounded up to the microsecond, so that it lands on the same tick again.
fn t_of(ticks: i64, rate: u32) -> MediaTime {
    let micros = (i128::from(ticks) * 1_000_000 + i128::from(rate) - 1).div_euclid(i128::from(rate.max(1)));
    MediaTime::from_micros(micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(decode: i64, offset: i32, is_sync: bool) -> Sample {
        Sample { decode, duration: 3_000, offset, is_sync, size: 10 }
    }

    #[test]
    fn the_frame_on_display_is_found_and_its_keyframe() {
        // I P B P in decode order, shown as I B P P.
        let samples = [
            sample(0, 3_000, true),
            sample(3_000, 6_000, false),
            sample(6_000, 0, false),
            sample(9_000, 3_000, false),
        ];
        assert_eq!(first_shown(&samples, Some(7_000)), Some(6_000));
        assert_eq!(first_shown(&samples, Some(2_999)), None, "in the segment before");
        assert_eq!(first_shown(&samples, None), Some(3_000));
        assert_eq!(decoded_from(&samples, 6_000, false), Some(0));
    }

    proptest! {
        #[test]
        fn a_tick_is_found_again(ticks in 0i64..1 << 52, rate in prop::sample::select(vec![90_000u32, 48_000, 44_100])) {
            prop_assert_eq!(t_of(ticks, rate).to_ticks(rate), ticks);
        }
    }
}
