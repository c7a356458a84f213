//! A recording's lines in memory.

use crate::{HeaderLine, Line, Rendition, SegmentLine, Summary};
use unisono_base::MediaTime;
use unisono_proto_hls::{FileName, Item};

/// See the module. Segments stand in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    headers: Vec<HeaderLine>,
    video: Vec<SegmentLine>,
    audio: Vec<SegmentLine>,
    summary: Summary,
    /// Lines that could not be read.
    damaged: u64,
}

impl Index {
    /// Takes what can be read of a file of lines. The last line may be torn: the program died while it wrote it, and its file
    /// counts for nothing. Other lines that cannot be read are counted.
    pub fn read(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end);
            rest = &behind[1..];
            self.read_line(line);
        }
    }

    /// The line, if it can be read and follows.
    pub(crate) fn read_line(&mut self, text: &[u8]) -> Option<Line> {
        let Ok(line) = serde_json::from_slice::<Line>(text) else {
            self.damaged += 1;
            return None;
        };
        let damaged = self.damaged;
        self.push(line.clone());
        (self.damaged == damaged).then_some(line)
    }

    /// Takes one line. A segment that does not follow is passed over: one number has one place.
    pub fn push(&mut self, line: Line) {
        match line {
            Line::Header(header) => {
                if self.header(&header.name()).is_none() {
                    self.headers.push(header);
                }
            }
            Line::Segment(segment) => self.push_segment(segment),
        }
    }

    fn push_segment(&mut self, segment: SegmentLine) {
        let list = match segment.rendition {
            Rendition::Video => &mut self.video,
            Rendition::Audio => &mut self.audio,
        };
        if list.last().is_some_and(|last| last.segment >= segment.segment) {
            self.damaged += 1;
            return;
        }
        let summary = &mut self.summary;
        if segment.is_kept() {
            summary.segments += 1;
            summary.bytes += segment.bytes;
            summary.from = Some(summary.from.map_or(segment.t, |from| from.min(segment.t)));
            summary.to = summary.to.max(Some(segment.end()));
        } else {
            summary.lost += u64::from(segment.gap == Some(crate::Gap::Lost));
        }
        list.push(segment);
    }

    /// The segments of a rendition.
    pub fn segments(&self, rendition: Rendition) -> &[SegmentLine] {
        match rendition {
            Rendition::Video => &self.video,
            Rendition::Audio => &self.audio,
        }
    }

    /// All headers, in the order they came.
    pub fn headers(&self) -> &[HeaderLine] {
        &self.headers
    }

    /// What is in it.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Lines that could not be read.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The header of this name.
    pub fn header(&self, name: &FileName) -> Option<&HeaderLine> {
        self.headers.iter().rev().find(|header| header.name() == *name)
    }

    /// Whether a file of this name is kept, and its length.
    pub fn bytes_of(&self, name: &FileName) -> Option<u64> {
        match name.item {
            Item::Header(_) => self.header(name).map(|header| header.bytes),
            Item::Segment(number) => {
                let list = Rendition::ALL.into_iter().find(|r| r.kind() == name.kind)?;
                let list = self.segments(list);
                let at = list.binary_search_by_key(&number, |segment| segment.segment).ok()?;
                let line = list.get(at).filter(|line| line.is_kept() && line.name() == *name)?;
                Some(line.bytes)
            }
            Item::Part(..) => None,
        }
    }

    /// The segments of a rendition that have something between two points; `None` is the recording's own end.
    pub fn between(
        &self,
        rendition: Rendition,
        from: Option<MediaTime>,
        to: Option<MediaTime>,
    ) -> &[SegmentLine] {
        let all = self.segments(rendition);
        let start = from.map_or(0, |from| all.partition_point(|segment| segment.end() <= from));
        let end = to.map_or(all.len(), |to| all.partition_point(|segment| segment.t < to));
        all.get(start..end).unwrap_or_default()
    }

    /// Marks the last segment of a rendition as lost: its file is not what its line says.
    pub(crate) fn lose_last(&mut self, rendition: Rendition) {
        let list = match rendition {
            Rendition::Video => &mut self.video,
            Rendition::Audio => &mut self.audio,
        };
        list.pop();
        let lines = std::mem::take(&mut self.video).into_iter().chain(std::mem::take(&mut self.audio));
        let damaged = self.damaged + 1;
        let headers = std::mem::take(&mut self.headers);
        *self = Self { headers, ..Self::default() };
        lines.for_each(|line| self.push(Line::Segment(line)));
        self.damaged = damaged;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Gap;
    use proptest::prelude::*;
    use unisono_base::Span;
    use unisono_timeline::audit::Digest;

    /// T of the first segment.
    pub(crate) const START: i64 = 1_795_237_200_000_000;

    /// A segment of two seconds, `n` after the first.
    pub(crate) fn segment(rendition: Rendition, n: u64) -> SegmentLine {
        SegmentLine {
            rendition,
            epoch: 1_795_237_200,
            segment: 1_795_237_200 + n,
            t: MediaTime::from_micros(START + 2_000_000 * n as i64),
            duration: Span::from_secs(2),
            breaks: 0,
            header: 0,
            independent: true,
            bytes: 1_000 + n,
            sha256: Some(Digest::of(&[&n.to_be_bytes()])),
            gap: None,
        }
    }

    pub(crate) fn lines(count: u64) -> Vec<Line> {
        let header = |rendition| {
            let sha256 = Digest::of(&[b"init"]);
            let (codecs, size) = ("avc1.42c01e".to_owned(), None);
            Line::Header(HeaderLine {
                rendition,
                epoch: 1_795_237_200,
                n: 0,
                codecs,
                size,
                bytes: 700,
                sha256,
            })
        };
        let mut lines: Vec<_> = Rendition::ALL.into_iter().map(header).collect();
        for n in 0..count {
            lines.extend(Rendition::ALL.into_iter().map(|r| Line::Segment(segment(r, n))));
        }
        lines
    }

    fn text(count: u64) -> String {
        lines(count).iter().map(Line::to_text).collect()
    }

    #[test]
    fn a_span_is_found_by_t() {
        let mut index = Index::default();
        index.read(text(10).as_bytes());
        let at = |s: i64| Some(MediaTime::from_micros(START + s * 1_000_000));
        let numbers = |from, to| {
            let found = index.between(Rendition::Video, from, to);
            found.iter().map(|s| s.segment - 1_795_237_200).collect::<Vec<_>>()
        };
        assert_eq!(numbers(at(3), at(6)), [1, 2]);
        assert_eq!(numbers(at(4), at(4)), [] as [u64; 0]);
        assert_eq!(numbers(None, at(1)), [0]);
        assert_eq!(numbers(at(19), None), [9]);
        assert_eq!(numbers(at(30), at(20)), [] as [u64; 0]);
        assert_eq!(index.summary().to, at(20));
        assert_eq!((index.summary().segments, index.damaged()), (20, 0));
    }

    #[test]
    fn a_file_that_is_not_what_its_line_says_is_counted_out() {
        let mut index = Index::default();
        index.read(text(3).as_bytes());
        index.lose_last(Rendition::Audio);
        assert_eq!((index.segments(Rendition::Audio).len(), index.summary().segments), (2, 5));
        let lost =
            SegmentLine { gap: Some(Gap::Lost), bytes: 0, sha256: None, ..segment(Rendition::Audio, 3) };
        index.push(Line::Segment(lost));
        assert_eq!(index.summary().lost, 1);
    }

    proptest! {
        #[test]
        fn an_index_cut_off_anywhere_has_every_whole_line(count in 0u64..6, cut in 0usize..6_000) {
            let text = text(count);
            let cut = cut.min(text.len());
            let mut index = Index::default();
            index.read(&text.as_bytes()[..cut]);
            let whole = text.as_bytes()[..cut].iter().filter(|byte| **byte == b'\n').count();
            let found = index.headers().len() + index.segments(Rendition::Video).len()
                + index.segments(Rendition::Audio).len();
            prop_assert_eq!((found, index.damaged()), (whole, 0));
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut index = Index::default();
            index.read(&bytes);
            prop_assert_eq!(index.summary(), Summary::default());
        }
    }
}
