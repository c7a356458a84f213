//! The message that ties RTP time to T (timeline spec 3).

use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::Kind;

/// `T(rtp) = t0 + (rtp - rtp0 as signed 32 bit) / rate`, for packets from `rtp0` on until the next mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Video or audio.
    pub kind: Kind,
    /// RTP synchronisation source.
    pub ssrc: u32,
    /// RTP timestamp as on the wire.
    pub rtp0: u32,
    /// T of the frame with that timestamp.
    pub t0: MediaTime,
    /// Ticks per second.
    pub rate: u32,
    /// Run of the timeline.
    pub epoch: Epoch,
}

impl Mapping {
    /// T of a frame with RTP timestamp `rtp`, as a client computes it.
    pub fn t_of(&self, rtp: u32) -> MediaTime {
        let ticks = i64::from(rtp.wrapping_sub(self.rtp0) as i32);
        self.t0 + Span::from_micros((ticks * 1_000_000).div_euclid(i64::from(self.rate)))
    }

    /// The data channel's form: `{"type":"mapping","kind":..,"ssrc":..,"rtp0":..,"t0":..,"rate":..,"epoch":..}`,
    /// `t0` in microseconds.
    pub fn to_json(&self) -> String {
        let Self { kind, ssrc, rtp0, t0, rate, epoch } = self;
        let (kind, t0) = (kind.as_str(), t0.as_micros());
        format!(
            r#"{{"type":"mapping","kind":"{kind}","ssrc":{ssrc},"rtp0":{rtp0},"t0":{t0},"rate":{rate},"epoch":{epoch}}}"#
        )
    }
}
