//! Real encoders with the settings that people forget, and what is said about them.

use crate::support::{Door, OBS_LIKE, Watched, ZEROLATENCY, complaint, ffmpeg};
use unisono_hub::{Finding, Severity};

async fn found(watched: &Watched, code: &str) -> Finding {
    let look = |stream: &unisono_hub::Stream| {
        stream.diagnosis(None).into_iter().find(|finding| finding.code.as_str() == code)
    };
    watched.until(code, look).await
}

#[tokio::test]
async fn b_frames_and_rare_keyframes_are_found_with_what_to_set() {
    let door = Door::open().await;
    let settings = [OBS_LIKE, &["-sc_threshold", "0"]].concat();
    let _encoder = ffmpeg(&door.url(&door.key), &settings, true);
    let watched = door.stream().await;
    let b_frames = found(&watched, "b_frames").await;
    assert_eq!(b_frames.severity, Severity::Error);
    assert!(b_frames.words.contains("-bf 0") && b_frames.words.contains("OBS"), "{}", b_frames.words);
    let interval = found(&watched, "keyframe_interval").await;
    assert!(interval.words.contains("8 s apart"), "{}", interval.words);
    let codes: Vec<_> = watched.stream.diagnosis(None).iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["b_frames", "keyframe_interval"], "the worst first, and nothing else");
    door.close().await;
}

#[tokio::test]
async fn no_sound_and_a_stranger_at_the_door_are_found_and_go_with_the_publisher() {
    let door = Door::open().await;
    let _encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, false);
    let watched = door.stream().await;
    let wrong = format!("pk_{}_{}", "0".repeat(8), "0".repeat(32));
    complaint(ffmpeg(&door.url(&wrong), ZEROLATENCY, false)).await;
    let refused = found(&watched, "key_refused").await;
    assert!(refused.words.contains("key 00000000") && !refused.words.contains(&wrong), "{}", refused.words);
    let silent = found(&watched, "no_audio").await;
    assert_eq!(silent.severity, Severity::Info);
    assert!(silent.since > refused.since, "five seconds of picture come first");
    door.close().await;
    watched.lost().await;
    let codes: Vec<_> = watched.stream.diagnosis(None).iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["key_refused"], "what was about the media is over");
}
