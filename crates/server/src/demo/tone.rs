//! The test tone: a soft 1 kHz beep in the first 100 ms of each second, in Opus packets of 20 ms.

use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Encoder};
use unisono_base::Span;

/// Samples per second.
const RATE: u64 = 48_000;
/// Samples per packet: 20 ms.
const PACKET: usize = 960;
/// Samples of beep at the start of each second.
const BEEP: u64 = RATE / 10;
/// Samples of fade at both ends of the beep, against clicks.
const FADE: u64 = 144;
const AMPLITUDE: f32 = 0.25;
const BITRATE_BPS: i32 = 48_000;
/// A 20 ms packet at any bitrate Opus allows is smaller.
const PACKET_BYTES_MAX: usize = 1_500;

/// Encodes the tone packet by packet.
pub(crate) struct Tone {
    encoder: Encoder,
    /// What the encoder delays its input by; taken off the PTS, so that beep and flash meet.
    lookahead: Span,
    next: u64,
}

impl Tone {
    pub(crate) fn new() -> Result<Self, opus::Error> {
        let mut encoder = Encoder::new(RATE as u32, Channels::Stereo, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE_BPS))?;
        let lookahead = Span::from_micros(i64::from(encoder.get_lookahead()?) * 1_000_000 / RATE as i64);
        Ok(Self { encoder, lookahead, next: 0 })
    }

    /// Channels encoded.
    pub(crate) const CHANNELS: u8 = 2;
    /// Duration of every packet.
    pub(crate) const DURATION: Span = Span::from_millis(20);

    /// When the next packet's sound is complete, counted from the start.
    pub(crate) fn due(&self) -> Span {
        Span::from_millis(20 * (self.next as i64 + 1))
    }

    /// Leaves packets out, so that the next one is the first that is complete after `elapsed`.
    pub(crate) fn skip_to(&mut self, elapsed: Span) {
        self.next = self.next.max((elapsed.as_micros() / 20_000).max(0) as u64);
    }

    /// The next packet and the PTS of its first sample.
    pub(crate) fn packet(&mut self) -> Result<(Span, Bytes), opus::Error> {
        let first = self.next * PACKET as u64;
        let samples: Vec<f32> = (first..first + PACKET as u64).flat_map(|n| [sample(n); 2]).collect();
        let packet = self.encoder.encode_vec_float(&samples, PACKET_BYTES_MAX)?;
        let pts = Span::from_millis(20 * self.next as i64) - self.lookahead;
        self.next += 1;
        Ok((pts, packet.into()))
    }
}

fn sample(n: u64) -> f32 {
    let within = n % RATE;
    if within >= BEEP {
        return 0.0;
    }
    let fade = within.min(BEEP - 1 - within).min(FADE) as f32 / FADE as f32;
    let phase = (within % 48) as f32 / 48.0 * std::f32::consts::TAU;
    AMPLITUDE * fade * phase.sin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_media::opus_packet_duration;

    #[test]
    fn packets_are_20_ms_and_follow_each_other() {
        let mut tone = Tone::new().expect("libopus");
        let (first, packet) = tone.packet().expect("encodes");
        assert_eq!(opus_packet_duration(&packet), Some(Tone::DURATION));
        let (second, _) = tone.packet().expect("encodes");
        assert_eq!(second - first, Tone::DURATION);
    }

    #[test]
    fn it_beeps_in_the_first_tenth_of_each_second_only() {
        let loud = |n: u64| (n..n + 48).any(|n| sample(n).abs() > 0.2);
        assert!(loud(2_400) && loud(RATE + 2_400));
        assert!(!loud(BEEP) && !loud(RATE / 2));
    }
}
