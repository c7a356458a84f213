//! What Enhanced RTMP v2 writes before the data of a tag, the same for picture and sound (Veovera, "Enhanced RTMP v2",
//! ExAudioTagHeader and ExVideoTagHeader).
//!
//! ```text
//! x(4) packet type(4)
//! { while it is ModEx:  size - 1 (8) [255: size - 1 (16)]  data  kind(4) packet type(4) }
//! { if it is Multitrack: multitrack type(4) packet type(4) }
//! FourCC(32)  { ManyTracksManyCodecs: one before each track instead }
//! { Multitrack: track id(8) [but for OneTrack: length(24)] data, ... }
//! ```

use super::FlvError;
use bytes::Bytes;
use unisono_base::Span;

/// Packet types that picture and sound share.
pub(super) mod packet_type {
    pub(crate) const SEQUENCE_START: u8 = 0;
    pub(crate) const CODED_FRAMES: u8 = 1;
    pub(super) const MOD_EX: u8 = 7;
}

/// `ModEx` kind: nanoseconds to add to the timestamp.
const TIMESTAMP_OFFSET_NANO: u8 = 0;
/// `AvMultitrackType`.
const ONE_TRACK: u8 = 0;
const MANY_TRACKS: u8 = 1;
const MANY_TRACKS_MANY_CODECS: u8 = 2;
/// The track a receiver of one track takes.
const DEFAULT_TRACK: u8 = 0;

/// One packet of the default track.
pub(super) struct Packet {
    pub(super) packet_type: u8,
    pub(super) four_cc: [u8; 4],
    /// To add to the message's timestamp; below a millisecond.
    pub(super) offset: Span,
    pub(super) data: Bytes,
}

/// What stands behind a tag's first four bits.
pub(super) enum Tag {
    Packet(Packet),
    /// Multitrack, without the default track; the first id it has.
    OtherTrack(u8),
}

/// Reads a tag body; `multitrack` is the packet type that says so.
pub(super) fn read(tag: &Bytes, multitrack: u8) -> Result<Tag, FlvError> {
    read_from(&mut Reader { tag, at: 0 }, multitrack).ok_or(FlvError::Short(tag.len()))
}

fn read_from(reader: &mut Reader<'_>, multitrack: u8) -> Option<Tag> {
    let mut packet_type = reader.byte()? & 0x0f;
    let mut offset = Span::ZERO;
    while packet_type == packet_type::MOD_EX {
        let data = reader.mod_ex()?;
        let kinds = reader.byte()?;
        packet_type = kinds & 0x0f;
        // Longer fields of this kind may come to mean more; what we know stands first.
        if kinds >> 4 == TIMESTAMP_OFFSET_NANO
            && let Some(&[a, b, c]) = data.first_chunk()
        {
            offset = Span::from_micros(i64::from(u32::from_be_bytes([0, a, b, c])) / 1_000);
        }
    }
    if packet_type == multitrack {
        return reader.multitrack(offset);
    }
    let four_cc = reader.four_cc()?;
    Some(Tag::Packet(Packet { packet_type, four_cc, offset, data: reader.rest() }))
}

struct Reader<'a> {
    tag: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.tag.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn four_cc(&mut self) -> Option<[u8; 4]> {
        self.array()
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.tag.len())?;
        let taken = part(self.tag, self.at, end);
        self.at = end;
        Some(taken)
    }

    fn rest(&mut self) -> Bytes {
        let rest = part(self.tag, self.at, self.tag.len());
        self.at = self.tag.len();
        rest
    }

    fn mod_ex(&mut self) -> Option<Bytes> {
        let size = match self.byte()? {
            u8::MAX => usize::from(u16::from_be_bytes(self.array()?)),
            size => usize::from(size),
        };
        self.take(size + 1)
    }

    /// The default track, wherever among the tracks it stands.
    fn multitrack(&mut self, offset: Span) -> Option<Tag> {
        let head = self.byte()?;
        let (layout, packet_type) = (head >> 4, head & 0x0f);
        let shared = match layout {
            ONE_TRACK | MANY_TRACKS => self.four_cc()?,
            _ => [0; 4],
        };
        let mut first = None;
        loop {
            let four_cc = if layout == MANY_TRACKS_MANY_CODECS { self.four_cc()? } else { shared };
            let id = self.byte()?;
            let data = match layout {
                ONE_TRACK => self.rest(),
                _ => {
                    let [a, b, c] = self.array()?;
                    self.take(u32::from_be_bytes([0, a, b, c]) as usize)?
                }
            };
            if id == DEFAULT_TRACK {
                return Some(Tag::Packet(Packet { packet_type, four_cc, offset, data }));
            }
            let first = *first.get_or_insert(id);
            if self.at == self.tag.len() {
                return Some(Tag::OtherTrack(first));
            }
        }
    }
}

/// A view where it is most of the tag; else a copy, since a view keeps the whole tag for as long as it is kept itself.
fn part(tag: &Bytes, from: usize, to: usize) -> Bytes {
    let part = tag.slice(from..to);
    if part.len() < tag.len() / 2 { Bytes::copy_from_slice(&part) } else { part }
}

/// A code and the name people know it by.
pub(super) fn name(four_cc: [u8; 4]) -> String {
    let name = match &four_cc {
        b"vvc1" => "H.266",
        b"fLaC" => "FLAC",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b".mp3" => "MP3",
        _ => return format!("{:?}", String::from_utf8_lossy(&four_cc)),
    };
    format!("{name} ({})", String::from_utf8_lossy(&four_cc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_part_of_a_tag_does_not_keep_the_tag() {
        let tag = Bytes::from(vec![7; 1 << 20]);
        let is_view = |part: &Bytes| tag.as_ptr_range().contains(&part.as_ptr());
        assert!(!is_view(&part(&tag, 10, 20)));
        assert!(is_view(&part(&tag, 10, 1 << 20)));
    }
    use proptest::prelude::*;

    const MULTITRACK: u8 = 6;

    fn packet(tag: &'static [u8]) -> Packet {
        match read(&Bytes::from_static(tag), MULTITRACK) {
            Ok(Tag::Packet(packet)) => packet,
            Ok(Tag::OtherTrack(id)) => panic!("track {id}"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_plain_packet() {
        let packet = packet(b"\x91av01data");
        assert_eq!((packet.packet_type, &packet.four_cc, packet.offset), (1, b"av01", Span::ZERO));
        assert_eq!(&packet.data[..], b"data");
    }

    #[test]
    fn mod_ex_adds_less_than_a_millisecond_and_unknown_kinds_are_passed_over() {
        // 500000 ns; then one of an unknown kind with 256 bytes of data written the long way.
        let nano = packet(b"\x97\x02\x07\xa1\x20\x01av01data");
        assert_eq!((nano.packet_type, nano.offset), (1, Span::from_micros(500)));
        let mut tag = b"\x97\xff\x00\xff".to_vec();
        tag.extend_from_slice(&[9; 256]);
        tag.extend_from_slice(b"\x53hvc1x");
        let Ok(Tag::Packet(long)) = read(&tag.into(), MULTITRACK) else { panic!("a packet") };
        assert_eq!((long.packet_type, &long.four_cc, &long.data[..]), (3, b"hvc1", &b"x"[..]));
    }

    #[test]
    fn of_many_tracks_the_default_one_is_taken() {
        let one = packet(b"\x96\x01av01\x00data");
        assert_eq!((one.packet_type, &one.data[..]), (1, &b"data"[..]));
        let many = packet(b"\x96\x11av01\x02\x00\x00\x02xx\x00\x00\x00\x04data");
        assert_eq!((&many.four_cc, &many.data[..]), (b"av01", &b"data"[..]));
        let codecs = packet(b"\x96\x21hvc1\x01\x00\x00\x01xav01\x00\x00\x00\x04data");
        assert_eq!((&codecs.four_cc, &codecs.data[..]), (b"av01", &b"data"[..]));
    }

    #[test]
    fn other_tracks_alone_are_named() {
        let other = read(&Bytes::from_static(b"\x96\x01av01\x03data"), MULTITRACK);
        assert!(matches!(other, Ok(Tag::OtherTrack(3))));
    }

    #[test]
    fn what_ends_early_is_said() {
        for tag in [&b"\x91av0"[..], b"\x97\x05\x00", b"\x96\x11av01\x02\x00\x00\x09xx"] {
            assert!(matches!(
                read(&Bytes::copy_from_slice(tag), MULTITRACK),
                Err(FlvError::Short(n)) if n == tag.len()
            ));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(tag in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&tag.into(), MULTITRACK);
        }
    }
}
