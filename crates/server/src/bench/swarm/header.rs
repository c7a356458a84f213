//! The clear part of an RTP packet: all that a counted viewer reads of most of them.

/// Numbers of the header extensions that the answer agreed on; `None` where it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExtensionIds {
    pub(super) capture_time: Option<u8>,
    pub(super) transport_sequence: Option<u8>,
}

/// An RTP header (RFC 3550 §5.1) with the extensions (RFC 8285) that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) time: u32,
    pub(super) ssrc: u32,
    /// Bytes before the payload, extensions included.
    pub(super) length: usize,
    pub(super) transport_sequence: Option<u16>,
    /// abs-capture-time in microseconds since the Unix epoch.
    pub(super) captured_us: Option<u64>,
}

/// Seconds from 1900, the epoch of NTP, to 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// True for RTCP among what shares a port with RTP (RFC 5761 §4).
pub(super) fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

impl Header {
    /// Reads the header; `None` where it is cut off or no RTP.
    pub(super) fn parse(bytes: &[u8], ids: ExtensionIds) -> Option<Self> {
        let [flags, kind, s0, s1, t0, t1, t2, t3, ssrc @ ..] = bytes.first_chunk::<12>()?;
        if flags >> 6 != 2 {
            return None;
        }
        let mut header = Self {
            payload_type: kind & 0x7f,
            marker: kind & 0x80 != 0,
            sequence: u16::from_be_bytes([*s0, *s1]),
            time: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            ssrc: u32::from_be_bytes(*ssrc),
            length: 12 + 4 * usize::from(flags & 0x0f),
            transport_sequence: None,
            captured_us: None,
        };
        if flags & 0x10 != 0 {
            let [p0, p1, n0, n1] = bytes.get(header.length..)?.first_chunk::<4>()?;
            let (profile, words) = (u16::from_be_bytes([*p0, *p1]), u16::from_be_bytes([*n0, *n1]));
            let start = header.length + 4;
            header.length = start + 4 * usize::from(words);
            header.read_extensions(profile, bytes.get(start..header.length)?, ids);
        }
        (bytes.len() > header.length).then_some(header)
    }

    fn read_extensions(&mut self, profile: u16, mut rest: &[u8], ids: ExtensionIds) {
        let long = match profile {
            0xbede => false,
            _ if profile & 0xfff0 == 0x1000 => true,
            _ => return,
        };
        while let [head, after @ ..] = rest {
            if *head == 0 {
                rest = after;
                continue;
            }
            let (id, length, after) = match (long, after) {
                (true, [length, after @ ..]) => (*head, usize::from(*length), after),
                (true, []) => return,
                // 15 is reserved: whoever meets it reads no further.
                (false, _) if head >> 4 == 15 => return,
                (false, after) => (head >> 4, usize::from(head & 0x0f) + 1, after),
            };
            let Some((value, after)) = after.split_at_checked(length) else { return };
            self.read_extension(id, value, ids);
            rest = after;
        }
    }

    fn read_extension(&mut self, id: u8, value: &[u8], ids: ExtensionIds) {
        if ids.transport_sequence == Some(id) {
            self.transport_sequence = value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        } else if ids.capture_time == Some(id) {
            self.captured_us = value.first_chunk().map(|bytes| unix_micros(u64::from_be_bytes(*bytes)));
        }
    }
}

/// Microseconds since the Unix epoch, to the nearest, of an NTP time in 32.32 fixed point.
fn unix_micros(ntp: u64) -> u64 {
    let micros = (u128::from(ntp) * 1_000_000 + (1 << 31)) >> 32;
    (micros as u64).saturating_sub(NTP_OFFSET * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: ExtensionIds = ExtensionIds { capture_time: Some(5), transport_sequence: Some(3) };

    fn packet(profile: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x90, 0x80 | 108, 0xff, 0xfe, 0, 0, 1, 0, 0, 0, 0, 9];
        bytes.extend_from_slice(&profile);
        bytes.extend_from_slice(&[0, (extensions.len() / 4) as u8]);
        bytes.extend_from_slice(extensions);
        bytes.extend_from_slice(b"sealed");
        bytes
    }

    #[test]
    fn extensions_are_found_in_both_forms_and_behind_padding() {
        let ntp = ((1_700_000_000 + NTP_OFFSET) << 32) | (1 << 31);
        let time = ntp.to_be_bytes();
        let mut short = vec![0x10, b'0', 0, 0x31, 0x12, 0x34, 0x57];
        short.extend_from_slice(&time);
        short.push(0);
        let mut long = vec![3, 2, 0x12, 0x34, 5, 8];
        long.extend_from_slice(&time);
        long.extend_from_slice(&[0, 0]);
        for bytes in [packet([0xbe, 0xde], &short), packet([0x10, 0], &long)] {
            let header = Header::parse(&bytes, IDS).expect("valid");
            assert_eq!((header.payload_type, header.marker, header.sequence), (108, true, 0xfffe));
            assert_eq!(header.transport_sequence, Some(0x1234));
            assert_eq!(header.captured_us, Some(1_700_000_000_500_000));
            assert_eq!(&bytes[header.length..], b"sealed");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_rtp_is_nothing() {
        let bytes = packet([0xbe, 0xde], &[0x31, 0x12, 0x34, 0]);
        for length in 0..=20 {
            assert_eq!(Header::parse(&bytes[..length], IDS), None, "{length} bytes");
        }
        assert_eq!(Header::parse(&[0x40; 40], IDS), None);
        assert!(is_rtcp(&[0x80, 200]) && !is_rtcp(&bytes));
    }
}
