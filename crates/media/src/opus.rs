//! Opus configuration and packet duration (RFC 6716 §3.1).

use unisono_base::Span;

/// Opus always decodes at 48 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusConfig {
    /// 1 or 2.
    pub channels: u8,
    /// Samples at 48 kHz that a decoder discards at the start (RFC 7845 §4.2); 0 for a live WebRTC source.
    pub pre_skip: u16,
}

impl OpusConfig {
    /// Samples per second that every decoder gives and all times count in (RFC 7845 §5.1).
    pub const SAMPLE_RATE: u32 = 48_000;
}

/// Duration of an Opus packet from its TOC byte and frame count; `None` for an empty, malformed or over-long
/// (> 120 ms) packet.
pub fn packet_duration(packet: &[u8]) -> Option<Span> {
    let toc = *packet.first()?;
    let frame_us: i64 = match toc >> 3 {
        config @ 0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config & 3)],
        config @ 12..=15 => [10_000, 20_000][usize::from(config & 1)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(packet.get(1)? & 0x3f),
    };
    let total = frame_us * frames;
    (total > 0 && total <= 120_000).then(|| Span::from_micros(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toc_byte_tells_the_duration() {
        assert_eq!(packet_duration(&[0x78]), Some(Span::from_millis(20)), "hybrid 20 ms");
        assert_eq!(packet_duration(&[0xfc]), Some(Span::from_millis(20)), "CELT FB 20 ms");
        assert_eq!(packet_duration(&[0xfd]), Some(Span::from_millis(40)), "two of them");
        assert_eq!(packet_duration(&[0xff, 0x03]), Some(Span::from_millis(60)), "three, by count");
        assert_eq!(packet_duration(&[0xff, 0x3f]), None, "63 frames are more than 120 ms");
        assert_eq!(packet_duration(&[]), None);
    }
}
