//! Reads a media playlist as a player does, and merges delta updates.

use std::collections::BTreeMap;

/// A segment as it stands in a playlist, with what applies to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Segment {
    pub(crate) discontinuity: bool,
    /// In force, whether stated here or before.
    pub(crate) map: String,
    pub(crate) date: String,
    /// Attributes of each part.
    pub(crate) parts: Vec<String>,
    pub(crate) gap: bool,
    /// Empty while the segment is open.
    pub(crate) duration: String,
    pub(crate) uri: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Playlist {
    /// Tags that stand once, by name.
    pub(crate) head: BTreeMap<String, String>,
    pub(crate) skipped: usize,
    /// By media sequence number.
    pub(crate) segments: BTreeMap<u64, Segment>,
}

impl Playlist {
    pub(crate) fn parse(text: &str) -> Self {
        let mut playlist = Self::default();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#EXTM3U"));
        let mut next = Segment::default();
        let mut map = String::new();
        let mut msn = 0;
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-SKIP" => {
                    playlist.skipped =
                        value.trim_start_matches("SKIPPED-SEGMENTS=").parse().expect("a number");
                    msn += playlist.skipped as u64;
                }
                "#EXT-X-MEDIA-SEQUENCE" => {
                    msn = value.parse().expect("a number");
                    playlist.head.insert(tag.into(), value.into());
                }
                "#EXT-X-DISCONTINUITY" => next.discontinuity = true,
                "#EXT-X-MAP" => map = value.into(),
                "#EXT-X-PROGRAM-DATE-TIME" => next.date = value.into(),
                "#EXT-X-PART" => next.parts.push(value.into()),
                "#EXT-X-GAP" => next.gap = true,
                "#EXTINF" => next.duration = value.trim_end_matches(',').into(),
                _ if tag.starts_with('#') => {
                    assert!(playlist.head.insert(tag.into(), value.into()).is_none(), "{tag} twice");
                }
                _ => {
                    let segment = Segment { uri: line.into(), map: map.clone(), ..std::mem::take(&mut next) };
                    playlist.segments.insert(msn, segment);
                    msn += 1;
                }
            }
        }
        if !next.parts.is_empty() {
            playlist.segments.insert(msn, Segment { map, ..next });
        }
        playlist
    }

    pub(crate) fn number(&self, tag: &str) -> u64 {
        self.head[tag].parse().expect("a number")
    }

    /// Applies a delta update to this, the playlist before it (RFC 8216bis §6.2.5.1).
    pub(crate) fn merge(&self, delta: &Self) -> Self {
        let first = delta.number("#EXT-X-MEDIA-SEQUENCE");
        let mut merged = delta.clone();
        for msn in first..first + delta.skipped as u64 {
            let mut segment = self.segments[&msn].clone();
            if msn == first {
                // Its break, if any, has moved into EXT-X-DISCONTINUITY-SEQUENCE.
                segment.discontinuity = false;
            }
            // Parts this old are no longer listed.
            segment.parts.clear();
            merged.segments.insert(msn, segment);
        }
        merged.skipped = 0;
        merged
    }
}

/// Value of `key` in an attribute list, quotes taken off.
pub(crate) fn attribute<'a>(list: &'a str, key: &str) -> Option<&'a str> {
    let own = format!("{key}=");
    let at = list.match_indices(&own).find(|(i, _)| *i == 0 || list.as_bytes()[i - 1] == b',')?.0;
    let rest = &list[at + own.len()..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(',').next(),
    }
}

pub(crate) fn seconds(text: &str) -> f64 {
    text.parse().expect("a number")
}
