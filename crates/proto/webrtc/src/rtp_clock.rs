//! How RTP time of one sender follows T (decisions 16), and what its viewer is told about it.

use crate::Mapping;
use std::time::{Duration, Instant};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind};

/// A mapping is repeated this often, so that a client that lost one is right again soon (timeline spec 3).
const MAPPING_EVERY: Duration = Duration::from_secs(2);
/// The last mapping told may be off by this much before it is told anew.
const MAPPING_ERROR_MAX: Span = Span::from_millis(1);
/// T may run ahead of the sample count by this much before RTP time jumps to it: one packet.
const AUDIO_DRIFT_MAX: Span = Span::from_millis(20);

/// See the module.
#[derive(Debug)]
pub(crate) struct RtpClock {
    kind: Kind,
    ssrc: u32,
    rate: u32,
    /// Random start of RTP time (RFC 3550 §5.1).
    offset: u32,
    /// RTP time, T and length of the last frame.
    last: Option<Sent>,
    /// What a client computes with.
    told: Option<Told>,
}

/// Of the mapping that was told, what may change: every viewer has two of these.
#[derive(Clone, Copy, Debug)]
struct Told {
    rtp0: u32,
    t0: MediaTime,
    epoch: Epoch,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    rtp: u32,
    t: MediaTime,
    duration: Span,
    epoch: Epoch,
}

impl RtpClock {
    /// RTP time of `kind` under `ssrc`; `offset` is random.
    pub(crate) fn new(kind: Kind, ssrc: u32, offset: u32) -> Self {
        let rate = if kind == Kind::Audio { 48_000 } else { 90_000 };
        Self { kind, ssrc, rate, offset, last: None, told: None }
    }

    /// Of which kind.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Under which SSRC.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// RTP time of the next frame. Video: T on a 90 kHz clock. Audio: counts samples, and jumps forward to T only
    /// where the source left out more than a packet, since a single tick of irregularity makes a decoder conceal.
    pub(crate) fn stamp(&mut self, epoch: Epoch, frame: &Frame) -> u32 {
        let from_t = self.ticks(frame.t);
        let rtp = match self.last.filter(|_| self.kind == Kind::Audio) {
            Some(last) => {
                let samples = last.duration.as_micros() * i64::from(self.rate) / 1_000_000;
                let counted = last.rtp.wrapping_add(samples as u32);
                // Forwards only: a timestamp that was sent must not come again. Where T falls behind the count, the
                // mapping is told anew instead.
                let ahead = i64::from(from_t.wrapping_sub(counted) as i32) * 1_000_000 / i64::from(self.rate);
                if ahead > AUDIO_DRIFT_MAX.as_micros() { from_t } else { counted }
            }
            None => from_t,
        };
        self.last = Some(Sent { rtp, t: frame.t, duration: frame.duration, epoch });
        rtp
    }

    /// RTP time when the timeline clock reads `clock`, by the mapping in force; `None` before the first frame.
    pub(crate) fn at(&self, clock: MediaTime) -> Option<u32> {
        let Sent { rtp, t, .. } = self.last?;
        let since = self.ticks(clock).wrapping_sub(self.ticks(t));
        Some(rtp.wrapping_add(since))
    }

    /// Epoch of the newest frame.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.last.map(|last| last.epoch)
    }

    /// The mapping in force, based on the newest frame.
    pub(crate) fn mapping(&self) -> Option<Mapping> {
        let Sent { rtp, t, epoch, .. } = self.last?;
        Some(self.mapping_of(rtp, t, epoch))
    }

    /// The mapping, when the client should hear it now: at first, every 2 s, at a new epoch, when off by over 1 ms.
    pub(crate) fn due(&self, now: Instant) -> Option<Mapping> {
        let current = self.mapping()?;
        let Some(Told { rtp0, t0, epoch, at }) = self.told else { return Some(current) };
        let told = self.mapping_of(rtp0, t0, epoch);
        let is_old = now.saturating_duration_since(at) >= MAPPING_EVERY;
        let is_wrong =
            told.epoch != current.epoch || (told.t_of(current.rtp0) - current.t0).abs() > MAPPING_ERROR_MAX;
        (is_old || is_wrong).then_some(current)
    }

    /// The client has been told.
    pub(crate) fn set_told(&mut self, mapping: Mapping, now: Instant) {
        let Mapping { rtp0, t0, epoch, .. } = mapping;
        self.told = Some(Told { rtp0, t0, epoch, at: now });
    }

    fn mapping_of(&self, rtp0: u32, t0: MediaTime, epoch: Epoch) -> Mapping {
        Mapping { kind: self.kind, ssrc: self.ssrc, rtp0, t0, rate: self.rate, epoch }
    }

    fn ticks(&self, t: MediaTime) -> u32 {
        (t.to_ticks(self.rate) as u32).wrapping_add(self.offset)
    }
}
