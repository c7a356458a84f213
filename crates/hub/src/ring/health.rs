//! How a track has been doing over the seconds that its ring holds. Asked by the API, never on a frame's way.

use super::Ring;
use unisono_base::{MediaTime, Span};

/// Figures of a track over its newest seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrackHealth {
    /// Frames per second of media time.
    pub fps: Option<f64>,
    /// Payload bits per second of media time.
    pub bitrate_bps: Option<u64>,
    /// Media time between the two newest group starts; for video that is the keyframe interval.
    pub group_interval: Option<Span>,
    /// When the last frame had arrived.
    pub last_arrived: Option<MediaTime>,
}

impl Ring {
    /// The figures over `window` behind the newest frame, or over what the ring holds.
    pub fn health(&self, window: Span) -> TrackHealth {
        let inner = self.inner.read();
        let Some(newest) = inner.frames.back() else { return TrackHealth::default() };
        let recent = inner.frames.iter().rev().take_while(|frame| newest.dts - frame.dts <= window);
        let (mut frames, mut bytes, mut oldest) = (0u64, 0u64, newest.dts);
        for frame in recent {
            (frames, bytes, oldest) = (frames + 1, bytes + frame.payload.len() as u64, frame.dts);
        }
        let seconds = (newest.dts - oldest).as_secs_f64();
        // Between n frames lie n - 1 steps.
        let per_second = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
        let steps = frames.saturating_sub(1);
        let starts = |back: usize| {
            let group = inner.groups.iter().rev().nth(back)?;
            let index = group.start.checked_sub(inner.first)?;
            inner.frames.get(index as usize).map(|frame| frame.t)
        };
        TrackHealth {
            fps: per_second(steps),
            bitrate_bps: per_second(bytes * 8 * steps / frames.max(1)).map(|bps| bps as u64),
            group_interval: starts(0).zip(starts(1)).map(|(newer, older)| newer - older),
            last_arrived: Some(newest.arrived),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GroupHeader, RingLimits};
    use bytes::Bytes;
    use std::sync::Arc;
    use unisono_base::Epoch;
    use unisono_media::{CodecConfig, Frame, Kind, OpusConfig};

    #[test]
    fn figures_are_those_of_the_newest_seconds() {
        let limits = RingLimits { span: Span::from_secs(12), bytes_max: 1 << 20 };
        let ring = Ring::new(Kind::Video, limits);
        assert_eq!(ring.health(Span::from_secs(5)), TrackHealth::default());
        for i in 0..250i64 {
            let t = MediaTime::from_micros(i * 40_000);
            let header = (i % 50 == 0).then(|| GroupHeader {
                epoch: Epoch(1),
                group: i as u64 / 50,
                segment: 0,
                config: Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })),
            });
            ring.append(Frame::new(t, t, Bytes::from_static(&[0; 1_000])), header, false);
        }
        let health = ring.health(Span::from_secs(5));
        assert_eq!(health.fps, Some(25.0));
        assert_eq!(health.bitrate_bps, Some(200_000));
        assert_eq!(health.group_interval, Some(Span::from_secs(2)));
        assert_eq!(health.last_arrived, Some(MediaTime::from_micros(249 * 40_000)));
    }
}
