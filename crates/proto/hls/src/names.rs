//! File names under `/{app}/{name}/hls/`. They hold the epoch, so they never repeat and can be cached for ever.

use std::fmt;
use unisono_base::Epoch;
use unisono_media::Kind;

/// A file of one rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileName {
    /// Run of the timeline.
    pub epoch: Epoch,
    /// Which rendition.
    pub kind: Kind,
    /// Which file of it.
    pub item: Item,
}

/// The kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// `init-{n}.mp4`; `n` is the discontinuity sequence number it came with.
    Header(u32),
    /// `{segment}.m4s`
    Segment(u64),
    /// `{segment}.{part}.m4s`
    Part(u64, u32),
}

impl FileName {
    /// From the three path segments `{epoch}/{video|audio}/{file}`; `None` for anything this server never names.
    pub fn parse(epoch: &str, kind: &str, file: &str) -> Option<Self> {
        let epoch = Epoch(number(epoch)?);
        let kind = match kind {
            "video" => Kind::Video,
            "audio" => Kind::Audio,
            _ => return None,
        };
        let item = if let Some(rest) = file.strip_suffix(".mp4") {
            Item::Header(number(rest.strip_prefix("init-")?)?)
        } else {
            let stem = file.strip_suffix(".m4s")?;
            match stem.split_once('.') {
                Some((segment, part)) => Item::Part(number(segment)?, number(part)?),
                None => Item::Segment(number(stem)?),
            }
        };
        Some(Self { epoch, kind, item })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.epoch, self.kind.as_str())?;
        match self.item {
            Item::Header(n) => write!(f, "init-{n}.mp4"),
            Item::Segment(segment) => write!(f, "{segment}.m4s"),
            Item::Part(segment, part) => write!(f, "{segment}.{part}.m4s"),
        }
    }
}

/// A plain decimal number: no sign, no leading zero, so that one file has one name.
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_written() {
        for text in ["17/video/init-3.mp4", "17/audio/12.m4s", "4294967295/video/18446744073709551615.0.m4s"]
        {
            let mut parts = text.split('/');
            let mut next = || parts.next().expect("three");
            let name = FileName::parse(next(), next(), next()).expect(text);
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn one_file_has_one_name() {
        for (epoch, kind, file) in [
            ("017", "video", "1.m4s"),
            ("17", "data", "1.m4s"),
            ("17", "video", "+1.m4s"),
            ("17", "video", "1.02.m4s"),
            ("17", "video", ".m4s"),
            ("17", "video", "init-.mp4"),
            ("17", "video", "1.m3u8"),
            ("4294967296", "video", "1.m4s"),
        ] {
            assert_eq!(FileName::parse(epoch, kind, file), None, "{epoch}/{kind}/{file}");
        }
    }
}
