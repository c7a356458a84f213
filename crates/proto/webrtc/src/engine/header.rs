//! RTP headers (RFC 3550 §5.1) with one-byte header extensions (RFC 8285 §4.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |            0xBEDE             |     words of extensions       |
//! |  ID   | len-1 | value ...                      zero padding   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! All packets of a frame have one header, but for marker, sequence numbers and so on, made once per viewer and frame: a
//! [`Template`]. Its length is the same for all of them, which segmentation offload needs (decisions 19).

use std::num::NonZeroU8;
use unisono_base::{MediaTime, Span};

/// Bytes before the extensions.
const FIXED: usize = 12;
/// Longest header: fixed part, extension header, mid of 16, number, capture time with offset, playout delay.
pub const HEADER_MAX: usize = FIXED + 4 + 44;
/// Longest mid that a one-byte extension carries.
const MID_MAX: usize = 16;

/// Number of a header extension in the answer, 1 to 14 (RFC 8285 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionId(NonZeroU8);

impl ExtensionId {
    /// `None` for numbers that the one-byte form has no room for.
    pub fn new(id: u8) -> Option<Self> {
        NonZeroU8::new(id).filter(|id| id.get() <= 14).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// The extensions a media section was answered with; `None` for those that were not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143 §14).
    pub mid: Option<ExtensionId>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_cc: Option<ExtensionId>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`.
    pub abs_capture_time: Option<ExtensionId>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`.
    pub playout_delay: Option<ExtensionId>,
}

/// How long the receiver's jitter buffer should hold pictures, in steps of 10 ms up to 40.95 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// At least.
    pub min: Span,
    /// At most.
    pub max: Span,
}

/// How much the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every extension negotiated: a frame in every half second, keyframes, retransmissions.
    Full,
    /// Only the transport-wide number: receivers keep the mid, and interpolate capture times.
    Lean,
}

/// The extensions of one sender: what is the same for all its frames.
#[derive(Clone, Copy, Debug)]
pub struct Extensions {
    ids: ExtensionIds,
    mid: [u8; MID_MAX],
    mid_len: u8,
    playout_delay: [u8; 3],
}

/// The header of a frame's packets, but for what differs between them.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    bytes: [u8; HEADER_MAX],
    length: u8,
    /// Where the transport-wide number goes; zero where it is not sent.
    number_at: u8,
}

/// What is the same in all packets of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// RTP time.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Extensions {
    /// A mid longer than 16 bytes is left out, and so is a playout delay of `None`.
    pub fn new(ids: ExtensionIds, mid: &str, playout_delay: Option<PlayoutDelay>) -> Self {
        let mut extensions = Self { ids, mid: [0; MID_MAX], mid_len: 0, playout_delay: [0; 3] };
        match extensions.mid.get_mut(..mid.len()).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => {
                bytes.copy_from_slice(mid.as_bytes());
                extensions.mid_len = mid.len() as u8;
            }
            None => extensions.ids.mid = None,
        }
        match playout_delay {
            // Two numbers of 12 bits.
            Some(PlayoutDelay { min, max }) => {
                let steps = |span: Span| (span.as_micros() / 10_000).clamp(0, 0xfff) as u32;
                let [_, bytes @ ..] = (steps(min) << 12 | steps(max)).to_be_bytes();
                extensions.playout_delay = bytes;
            }
            None => extensions.ids.playout_delay = None,
        }
        extensions
    }

    /// True where packets carry a transport-wide number, for feedback on each of them.
    pub const fn has_transport_cc(&self) -> bool {
        self.ids.transport_cc.is_some()
    }

    /// The header of a frame captured at `capture`.
    pub fn template(&self, stream: Stream, detail: Detail, capture: MediaTime) -> Template {
        let mut template = Template::new(stream);
        let is_full = detail == Detail::Full;
        if let Some(id) = self.ids.transport_cc {
            template.number_at = template.length + 4 + 1;
            template.push(id, &[0; 2]);
        }
        if let Some(id) = self.ids.mid.filter(|_| is_full) {
            template.push(id, &self.mid[..usize::from(self.mid_len)]);
        }
        if let Some(id) = self.ids.abs_capture_time.filter(|_| is_full) {
            // NTP time, and the distance of our clock from the one it was read on: none.
            let mut value = [0; 16];
            value[..8].copy_from_slice(&capture.to_ntp().to_be_bytes());
            template.push(id, &value);
        }
        if let Some(id) = self.ids.playout_delay.filter(|_| is_full) {
            template.push(id, &self.playout_delay);
        }
        template.close()
    }
}

impl Template {
    fn new(Stream { payload_type, timestamp, ssrc }: Stream) -> Self {
        let mut bytes = [0; HEADER_MAX];
        bytes[0] = 2 << 6;
        bytes[1] = payload_type & 0x7f;
        bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
        Self { bytes, length: FIXED as u8, number_at: 0 }
    }

    /// Values have 1 to 16 bytes, and all of them together fit.
    fn push(&mut self, id: ExtensionId, value: &[u8]) {
        let at = usize::from(self.length) + 4;
        self.bytes[at] = id.get() << 4 | (value.len() - 1) as u8;
        self.bytes[at + 1..=at + value.len()].copy_from_slice(value);
        self.length += 1 + value.len() as u8;
    }

    /// Pads the extensions to whole words and writes their header, if there are any.
    fn close(mut self) -> Self {
        let words = (usize::from(self.length) - FIXED).div_ceil(4);
        if words > 0 {
            self.bytes[0] |= 1 << 4;
            self.bytes[FIXED..FIXED + 4].copy_from_slice(&[0xbe, 0xde, 0, words as u8]);
            self.length = (FIXED + 4 + 4 * words) as u8;
        }
        self
    }

    /// Bytes of the header.
    pub const fn header_len(&self) -> usize {
        self.length as usize
    }

    /// Writes the header of one packet to the start of `packet`, which has room for it. `number` is the transport-wide
    /// one and not written where it was not negotiated.
    pub fn write(&self, packet: &mut [u8], marker: bool, sequence: u16, number: u16) {
        let header = &mut packet[..self.header_len()];
        header.copy_from_slice(&self.bytes[..self.header_len()]);
        header[1] |= u8::from(marker) << 7;
        header[2..4].copy_from_slice(&sequence.to_be_bytes());
        let at = usize::from(self.number_at);
        if at != 0 {
            header[at..at + 2].copy_from_slice(&number.to_be_bytes());
        }
    }
}

/// Bytes of the header at the start of an RTP packet from outside; `None` where it is none.
pub fn length(packet: &[u8]) -> Option<usize> {
    let fixed = packet.first_chunk::<FIXED>()?;
    let sources = usize::from(fixed[0] & 0x0f);
    let mut length = FIXED + 4 * sources;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    if fixed[0] & 1 << 4 != 0 {
        let [_, _, high, low] = *packet.get(length..)?.first_chunk::<4>()?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    (length <= packet.len()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream = Stream { payload_type: 108, timestamp: 0x0102_0304, ssrc: 0xcafe_babe };

    fn ids() -> ExtensionIds {
        let [mid, transport_cc, abs_capture_time, playout_delay] = [4, 3, 9, 14].map(ExtensionId::new);
        ExtensionIds { mid, transport_cc, abs_capture_time, playout_delay }
    }

    fn written(template: &Template, marker: bool, sequence: u16, number: u16) -> Vec<u8> {
        let mut packet = vec![0xff; template.header_len() + 5];
        template.write(&mut packet, marker, sequence, number);
        assert_eq!(packet[template.header_len()..], [0xff; 5], "the payload is left alone");
        assert_eq!(length(&packet), Some(template.header_len()));
        packet.truncate(template.header_len());
        packet
    }

    #[test]
    fn a_full_header_says_everything() {
        let delay = PlayoutDelay { min: Span::from_millis(10), max: Span::from_millis(40_950) };
        let extensions = Extensions::new(ids(), "0", Some(delay));
        let template = extensions.template(STREAM, Detail::Full, MediaTime::from_micros(1_000_000));
        let expected = [
            &[0x90, 0xec, 0xab, 0xcd, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe][..],
            &[0xbe, 0xde, 0, 7, 0x31, 0x12, 0x34, 0x40, b'0'],
            // 2,208,988,801 seconds after 1900; no distance between the clocks.
            &[0x9f, 0x83, 0xaa, 0x7e, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0xe2, 0x00, 0x1f, 0xff, 0, 0],
        ];
        assert_eq!(written(&template, true, 0xabcd, 0x1234), expected.concat());
    }

    #[test]
    fn a_lean_header_has_the_number_alone() {
        let template = Extensions::new(ids(), "0", None).template(STREAM, Detail::Lean, MediaTime::default());
        let expected =
            [0x90, 0x6c, 0, 1, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe, 0xbe, 0xde, 0, 1, 0x31, 0xff, 0xff, 0];
        assert_eq!(written(&template, false, 1, 0xffff), expected);
    }

    #[test]
    fn without_extensions_there_is_no_block() {
        let none = Extensions::new(ExtensionIds::default(), "0", None);
        let template = none.template(STREAM, Detail::Full, MediaTime::default());
        assert_eq!(written(&template, false, 7, 9), [0x80, 0x6c, 0, 7, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe]);
    }

    #[test]
    fn the_longest_header_fits_and_a_longer_mid_is_left_out() {
        let delay = PlayoutDelay { min: Span::ZERO, max: Span::from_secs(100) };
        let longest = Extensions::new(ids(), "0123456789abcdef", Some(delay));
        let template = longest.template(STREAM, Detail::Full, MediaTime::from_micros(i64::MAX));
        assert_eq!(template.header_len(), HEADER_MAX);
        let too_long = Extensions::new(ids(), "0123456789abcdef0", Some(delay));
        let template = too_long.template(STREAM, Detail::Full, MediaTime::default());
        assert_eq!(template.header_len(), HEADER_MAX - 20);
    }

    #[test]
    fn only_numbers_of_the_one_byte_form_are_ids() {
        assert_eq!(
            [0, 1, 14, 15].map(|id| ExtensionId::new(id).map(ExtensionId::get)),
            [None, Some(1), Some(14), None]
        );
    }

    #[test]
    fn what_is_no_rtp_has_no_header() {
        let short_extension = [0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1];
        let too_many_sources = [0x8f; 40];
        let cases: [&[u8]; 5] = [&[], &[0x80; 11], &[0x40; 12], &short_extension, &too_many_sources];
        assert!(cases.iter().all(|packet| length(packet).is_none()));
    }
}
