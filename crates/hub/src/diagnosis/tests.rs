use super::*;
use std::sync::Arc;
use unisono_base::Epoch;
use unisono_media::{CodecConfig, OpusConfig, Vp8Config};

/// A publication whose frames come exactly when they should, unless a test says otherwise.
struct Play {
    diagnosis: Diagnosis,
    video: Arc<CodecConfig>,
    audio: Arc<CodecConfig>,
}

fn at(ms: i64) -> MediaTime {
    MediaTime::from_micros(1_800_000_000_000_000 + ms * 1_000)
}

impl Play {
    fn new() -> Self {
        let video = CodecConfig::Vp8(Vp8Config { profile: 0, width: 640, height: 360 });
        let audio = CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 });
        Self { diagnosis: Diagnosis::default(), video: Arc::new(video), audio: Arc::new(audio) }
    }

    fn video(&mut self, t_ms: i64, key: bool, arrived_ms: i64) {
        let config = self.video.clone();
        self.diagnosis.frame(Seen {
            config: &config,
            epoch: Epoch(1),
            t: at(t_ms),
            key,
            arrived: at(arrived_ms),
        });
    }

    fn audio(&mut self, t_ms: i64, arrived_ms: i64) {
        let config = self.audio.clone();
        let seen = Seen { config: &config, epoch: Epoch(1), t: at(t_ms), key: true, arrived: at(arrived_ms) };
        self.diagnosis.frame(seen);
    }

    /// Both tracks from `from_s` to `to_s`, ten frames a second, a keyframe every `interval_ms`.
    fn run(&mut self, from_s: i64, to_s: i64, interval_ms: i64) {
        for ms in (from_s * 1_000..to_s * 1_000).step_by(100) {
            self.video(ms, ms % interval_ms == 0, ms);
            self.audio(ms, ms);
        }
    }

    /// What is found, without the codec, which the fixture has in every test.
    fn codes(&mut self) -> Vec<&'static str> {
        let findings = self.diagnosis.findings(None);
        findings.iter().map(|f| f.code.as_str()).filter(|code| *code != "codec_hls").collect()
    }
}

#[test]
fn a_good_stream_has_no_findings() {
    let mut play = Play::new();
    play.run(0, 120, 2_000);
    assert!(play.codes().is_empty(), "{:?}", play.codes());
}

#[test]
fn b_frames_are_found_by_their_order_and_forgotten_when_they_stop() {
    let mut play = Play::new();
    play.run(0, 1, 2_000);
    play.video(1_100, false, 1_000);
    play.video(1_050, false, 1_050);
    assert_eq!(play.codes(), ["b_frames"]);
    play.run(2, 14, 2_000);
    assert!(play.codes().is_empty());
}

#[test]
fn a_new_epoch_is_no_reordering() {
    let mut play = Play::new();
    play.run(0, 1, 2_000);
    let config = play.video.clone();
    play.diagnosis.frame(Seen {
        config: &config,
        epoch: Epoch(2),
        t: at(500),
        key: true,
        arrived: at(1_000),
    });
    assert!(play.codes().is_empty());
}

#[test]
fn long_intervals_and_missing_keyframes_are_two_things() {
    let mut play = Play::new();
    play.run(0, 9, 8_000);
    assert_eq!(play.codes(), ["keyframe_interval"]);
    play.run(9, 15, 2_000);
    assert!(play.codes().is_empty(), "it ends when the interval is short again");
    let mut play = Play::new();
    play.run(0, 12, 60_000);
    assert_eq!(play.codes(), ["no_keyframe"]);
    play.video(12_000, true, 12_000);
    assert_eq!(play.codes(), ["keyframe_interval"]);
}

#[test]
fn a_track_that_never_came_is_told_from_one_that_stopped() {
    let mut play = Play::new();
    for ms in (0..6_000).step_by(100) {
        play.video(ms, ms % 2_000 == 0, ms);
    }
    let found = play.diagnosis.findings(None).pop().expect("no sound");
    assert_eq!((found.code, found.severity), (Code::NoAudio, Severity::Info));
    play.audio(6_000, 6_000);
    assert!(play.codes().is_empty());
    for ms in (6_000..17_000).step_by(20) {
        play.audio(ms, ms);
    }
    let findings = play.diagnosis.findings(None);
    let found = findings.iter().find(|f| f.code == Code::NoVideo).expect("it stopped");
    assert_eq!(found.severity, Severity::Warning);
}

#[test]
fn tracks_that_arrive_apart_for_three_seconds_are_found_and_forgiven() {
    let mut play = Play::new();
    for ms in (0..6_000).step_by(100) {
        play.video(ms, ms % 2_000 == 0, ms);
        play.audio(ms - 800, ms);
    }
    assert_eq!(play.codes(), ["audio_video_apart"]);
    let words = play.diagnosis.findings(None).remove(1).words;
    assert!(words.starts_with("The sound arrives"), "{words}");
    play.run(6, 15, 2_000);
    assert!(play.codes().is_empty());
}

#[test]
fn a_moment_is_shown_for_a_minute_after_the_last_time() {
    let mut diagnosis = Diagnosis::default();
    for s in [0, 50] {
        diagnosis.happened(Code::TimestampsBackwards, Severity::Warning, format!("{s}"), at(s * 1_000));
    }
    let found = diagnosis.findings(Some(at(109_000)));
    assert_eq!((found[0].words.as_str(), found[0].since), ("50", at(0)));
    assert!(diagnosis.findings(Some(at(110_000))).is_empty());
    assert_eq!(diagnosis.take_changes().len(), 2, "one beginning, one end");
}

#[test]
fn a_fault_that_flaps_is_logged_once_a_minute() {
    let mut diagnosis = Diagnosis::default();
    for s in 0..60 {
        diagnosis.judge(Code::NoAudio, s % 2 == 0, at(s * 1_000), || (Severity::Info, String::new()));
    }
    assert_eq!(diagnosis.take_changes().len(), 2, "the first beginning and its end");
    diagnosis.judge(Code::NoAudio, true, at(60_000), || (Severity::Info, String::new()));
    assert_eq!(diagnosis.take_changes().len(), 1);
}

#[test]
fn the_next_publisher_begins_without_findings_but_refused_keys_stay() {
    let mut diagnosis = Diagnosis::default();
    diagnosis.happened(Code::KeyRefused, Severity::Warning, "key k".to_owned(), at(0));
    diagnosis.happened(Code::Malformed, Severity::Warning, String::new(), at(0));
    diagnosis.begin_publication();
    let codes: Vec<_> = diagnosis.findings(None).into_iter().map(|f| f.code).collect();
    assert_eq!(codes, [Code::KeyRefused]);
}
