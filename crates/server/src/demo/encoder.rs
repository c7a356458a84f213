//! H.264 for the test picture: OpenH264, constrained baseline, one slice, no reordering.

use super::picture::Picture;
use bytes::Bytes;
use openh264::{
    OpenH264API, Timestamp,
    encoder::{
        BitRate, Complexity, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, Profile, RateControlMode,
    },
};
use unisono_media::h264::{self, AccessUnit};

/// What to encode with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) fps: u32,
    pub(crate) bitrate_bps: u32,
    /// Frames from one keyframe to the next.
    pub(crate) gop: u32,
}

/// Encodes pictures into access units in stored form.
pub(crate) struct H264 {
    encoder: Encoder,
    fps: u32,
}

impl H264 {
    pub(crate) fn new(settings: Settings) -> Result<Self, openh264::Error> {
        let config = EncoderConfig::new()
            .profile(Profile::Baseline)
            .bitrate(BitRate::from_bps(settings.bitrate_bps))
            .max_frame_rate(FrameRate::from_hz(settings.fps as f32))
            // Holds the rate without leaving frames out; the other modes want to, and complain when they may not.
            .rate_control_mode(RateControlMode::Bufferbased)
            .intra_frame_period(IntraFramePeriod::from_num_frames(settings.gop))
            .complexity(Complexity::Low)
            .num_threads(1)
            .skip_frames(false)
            .scene_change_detect(false);
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { encoder, fps: settings.fps })
    }

    /// The next frame is a keyframe.
    pub(crate) fn force_keyframe(&mut self) {
        self.encoder.force_intra_frame();
    }

    /// Encodes frame number `frame`.
    pub(crate) fn encode(&mut self, picture: &Picture, frame: u64) -> Result<AccessUnit, openh264::Error> {
        let at = Timestamp::from_millis(frame * 1_000 / u64::from(self.fps));
        let stream = Bytes::from(self.encoder.encode_at(picture, at)?.to_vec());
        let units: Vec<_> = h264::annex_b(&stream).map(|unit| stream.slice_ref(unit)).collect();
        Ok(h264::store(units.iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::{Moment, Size};
    use super::*;
    use unisono_media::AvcConfig;

    #[test]
    fn it_starts_with_a_keyframe_and_makes_one_when_asked() {
        let size: Size = "320x180".parse().expect("valid");
        let mut picture = Picture::new(size);
        let mut h264 = H264::new(Settings { fps: 30, bitrate_bps: 300_000, gop: 60 }).expect("encoder");
        let mut keys = Vec::new();
        for frame in 0..10u32 {
            let moment = Moment { frame: frame.into(), fps: 30, unix_ms: 0, counter: frame, flash: false };
            picture.draw(&moment);
            if frame == 7 {
                h264.force_keyframe();
            }
            let unit = h264.encode(&picture, frame.into()).expect("encodes");
            assert!(!unit.payload.is_empty());
            if unit.key {
                let config = AvcConfig::new(unit.sps.expect("in band"), unit.pps).expect("parses");
                assert_eq!((config.sps.width, config.sps.height, config.sps.profile_idc), (320, 180, 66));
                assert!(!config.sps.reorders());
                keys.push(frame);
            }
        }
        assert_eq!(keys, [0, 7]);
    }
}
