//! The chain AAC -> 48 kHz -> Opus, and T through it.

use crate::{
    decode::{DecodeError, Decoder},
    encode::{Effort, EncodeError, Encoder, PACKET_SAMPLES},
    resample::{OUTPUT_RATE, RateError, Resampler},
};
use bytes::Bytes;
use std::collections::VecDeque;
use unisono_base::{MediaTime, Span};
use unisono_media::{AacConfig, OpusConfig};

/// An access unit whose T lies farther than this from where its predecessor ended does not follow it: samples are
/// missing, or the timeline broke. Within it T wanders with the slew of the fit and the rounding of the container.
const JUMP: Span = Span::from_millis(10);

/// Why a transcoder cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The AAC decoder refused.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The sampling rate cannot be converted.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// The Opus encoder refused.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What happened since the transcoder was made; only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Access units taken.
    pub access_units: u64,
    /// Of those, damaged ones, heard as silence.
    pub damaged: u64,
    /// Times T jumped and the chain started over.
    pub jumps: u64,
}

/// Turns AAC-LC access units into 20 ms Opus packets (96 kbit/s stereo, 64 kbit/s mono) with their T.
///
/// The T of a packet is the T of the first sound a decoder plays from it, to the sample: the resampler does not
/// shift time, and the encoder's look-ahead is taken off. Added delay: up to 20 ms of packet, the resampler's half
/// filter (0.5 ms at 44.1 kHz) and the look-ahead (2.5 ms).
pub struct AacToOpus {
    decoder: Decoder,
    resampler: Resampler,
    encoder: Encoder,
    channels: usize,
    input_rate: u32,
    frame_samples: u64,
    pcm: Vec<f32>,
    /// Resampled, not yet encoded.
    pending: Vec<f32>,
    /// Input samples taken since the last jump, per channel.
    taken: u64,
    /// Output samples encoded since the last jump, per channel.
    encoded: u64,
    /// (input sample, its T) at the start of each recent access unit; those behind the encoder are dropped.
    anchors: VecDeque<(u64, MediaTime)>,
    stats: Stats,
}

impl AacToOpus {
    /// A transcoder for one configuration.
    pub fn new(config: &AacConfig) -> Result<Self, Error> {
        Ok(Self {
            decoder: Decoder::new(config)?,
            resampler: Resampler::new(config.sample_rate, config.channels)?,
            encoder: Encoder::new(config.channels)?,
            channels: usize::from(config.channels),
            input_rate: config.sample_rate,
            frame_samples: u64::from(config.frame_samples()),
            pcm: Vec::new(),
            pending: Vec::new(),
            taken: 0,
            encoded: 0,
            anchors: VecDeque::new(),
            stats: Stats::default(),
        })
    }

    /// What comes out.
    pub fn config(&self) -> OpusConfig {
        OpusConfig { channels: self.channels as u8, pre_skip: 0 }
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How much work the packets from here on are worth; [`Effort::Best`] at first.
    pub fn set_effort(&mut self, effort: Effort) {
        self.encoder.set_effort(effort);
    }

    /// Takes the access unit of media time `t` and returns the packets that are whole now: none, one, or a few.
    pub fn push(
        &mut self,
        t: MediaTime,
        access_unit: &Bytes,
    ) -> impl Iterator<Item = (MediaTime, Bytes)> + use<> {
        self.stats.access_units += 1;
        if self.next_t().is_some_and(|expected| (t - expected).abs() > JUMP) {
            self.start_over();
        }
        if self.decoder.decode(access_unit, &mut self.pcm).is_err() {
            self.stats.damaged += 1;
        }
        self.anchors.push_back((self.taken, t));
        self.taken += self.frame_samples;
        self.resampler.push(&self.pcm, &mut self.pending);
        self.drain()
    }

    fn drain(&mut self) -> std::vec::IntoIter<(MediaTime, Bytes)> {
        let mut packets = Vec::new();
        let size = PACKET_SAMPLES * self.channels;
        let whole = self.pending.len() / size * size;
        for pcm in self.pending[..whole].chunks_exact(size) {
            // Input position of the packet's first sample, in 1/48000 input samples: exact.
            let position = u128::from(self.encoded) * u128::from(self.input_rate);
            let sample = (position / u128::from(OUTPUT_RATE)) as u64;
            while self.anchors.get(1).is_some_and(|(start, _)| *start <= sample) {
                self.anchors.pop_front();
            }
            let Some((start, t)) = self.anchors.front().copied() else { break };
            let since = position - u128::from(start) * u128::from(OUTPUT_RATE);
            let since_us = since * 1_000_000 / (u128::from(OUTPUT_RATE) * u128::from(self.input_rate));
            let lookahead_us = self.encoder.lookahead() as i64 * 1_000_000 / i64::from(OUTPUT_RATE);
            let t = t + Span::from_micros(since_us as i64 - lookahead_us);
            // Refused only for a reason that refuses every packet; the viewer then hears nothing and video goes on.
            if let Ok(packet) = self.encoder.encode(pcm) {
                packets.push((t, packet));
            }
            self.encoded += PACKET_SAMPLES as u64;
        }
        self.pending.drain(..whole);
        packets.into_iter()
    }

    /// Where the next access unit begins if nothing is missing.
    fn next_t(&self) -> Option<MediaTime> {
        let (start, t) = self.anchors.back()?;
        let micros = (self.taken - start) * 1_000_000 / u64::from(self.input_rate);
        Some(*t + Span::from_micros(micros as i64))
    }

    /// Drops what is in the chain; the encoder goes on, since a decoder at the other end does too.
    fn start_over(&mut self) {
        self.stats.jumps += 1;
        self.decoder.reset();
        self.resampler.reset();
        self.pending.clear();
        self.anchors.clear();
        self.taken = 0;
        self.encoded = 0;
    }
}
