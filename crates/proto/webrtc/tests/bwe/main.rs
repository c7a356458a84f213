//! The estimator on simulated paths, in virtual time, with a source that sends what the estimate allows. Each path has a
//! trace beside this file, a line for each half second; `UNISONO_UPDATE_TRACES=1` writes them anew.

mod overload;
mod receiver;
mod world;

use std::{fmt::Write, path::Path};
use world::{Hop, World};

/// A line of a trace.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Seconds.
    at: f64,
    /// All rates in kbit/s.
    hop: u64,
    estimate: u64,
    sent: u64,
    /// Milliseconds, true and as the estimator sees it.
    queue: u64,
    seen: u64,
    /// Per cent, as the estimator sees it.
    loss: f32,
}

fn run(hop: Hop, seconds: u32) -> Vec<Sample> {
    let mut world = World::new(hop);
    (1..=2 * seconds).map(|half| world.half_second(f64::from(half) / 2.0)).collect()
}

/// Compares with the trace of this name, exactly.
fn golden(name: &str, samples: &[Sample]) {
    let mut text =
        "seconds  hop_kbps  estimate_kbps  sent_kbps  queue_ms  seen_ms  loss_percent\n".to_owned();
    for Sample { at, hop, estimate, sent, queue, seen, loss } in samples {
        writeln!(text, "{at:7.1} {hop:9} {estimate:14} {sent:10} {queue:9} {seen:8} {loss:13.1}")
            .expect("a string takes everything");
    }
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where"))
        .join("tests/bwe")
        .join(name);
    if std::env::var_os("UNISONO_UPDATE_TRACES").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let kept = std::fs::read_to_string(&path).expect("a trace");
    assert!(kept == text, "{name} has changed:\n{text}");
}

/// Mean of the estimates in a span of seconds.
fn mean(samples: &[Sample], from: f64, to: f64) -> u64 {
    let within: Vec<_> = samples.iter().filter(|s| s.at > from && s.at <= to).map(|s| s.estimate).collect();
    within.iter().sum::<u64>() / within.len() as u64
}

fn first(samples: &[Sample], from: f64, is_met: impl Fn(&Sample) -> bool) -> f64 {
    samples
        .iter()
        .find(|sample| sample.at > from && is_met(sample))
        .map_or(f64::MAX, |sample| sample.at - from)
}

#[test]
fn a_drop_from_3_to_1_mbit_is_followed_and_the_way_back_up() {
    let steps = vec![(0.0, 3e6), (20.0, 1e6), (50.0, 3e6)];
    let hop =
        Hop { steps, delay_ms: 25, jitter_ms: 2, loss: 0.005, wanted: 5_000_000, seed: 1, clock: 1_000 };
    let samples = run(hop, 100);
    golden("drop.txt", &samples);
    assert!(mean(&samples, 12.0, 20.0) > 2_100, "the path is used before: {}", mean(&samples, 12.0, 20.0));
    let down = first(&samples, 20.0, |sample| sample.estimate <= 1_000);
    assert!(down <= 2.5, "{down} s to follow");
    assert!((600..=1_050).contains(&mean(&samples, 24.0, 50.0)), "{}", mean(&samples, 24.0, 50.0));
    let long = samples.iter().filter(|sample| sample.at > 24.0 && sample.queue > 250).count();
    assert!(long <= 6, "{long} half seconds with a long queue");
    let up = first(&samples, 50.0, |sample| sample.estimate >= 2_200);
    assert!(up <= 20.0, "{up} s to recover");
    assert!(mean(&samples, 75.0, 100.0) > 2_100, "{}", mean(&samples, 75.0, 100.0));
}

#[test]
fn a_poor_path_is_used_and_not_flooded() {
    let hop = Hop {
        steps: vec![(0.0, 8e5)],
        delay_ms: 80,
        jitter_ms: 8,
        loss: 0.01,
        wanted: 5_000_000,
        seed: 2,
        clock: 1_000,
    };
    let samples = run(hop, 60);
    golden("poor.txt", &samples);
    assert!((450..=850).contains(&mean(&samples, 20.0, 60.0)), "{}", mean(&samples, 20.0, 60.0));
}

#[test]
fn losses_of_the_air_do_not_stall_a_good_path() {
    let hop = Hop {
        steps: vec![(0.0, 8e6)],
        delay_ms: 50,
        jitter_ms: 5,
        loss: 0.04,
        wanted: 5_000_000,
        seed: 3,
        clock: 1_000,
    };
    let samples = run(hop, 60);
    golden("air.txt", &samples);
    assert!(mean(&samples, 30.0, 60.0) > 4_000, "{}", mean(&samples, 30.0, 60.0));
}

#[test]
fn whatever_happens_sound_has_its_share() {
    let steps = vec![(0.0, 3e6), (10.0, 3e4), (30.0, 3e6)];
    let hop =
        Hop { steps, delay_ms: 200, jitter_ms: 50, loss: 0.2, wanted: 5_000_000, seed: 4, clock: 1_000 };
    let samples = run(hop, 60);
    assert!(samples.iter().all(|sample| sample.estimate >= 100), "{samples:?}");
    assert!(mean(&samples, 50.0, 60.0) >= mean(&samples, 20.0, 30.0), "it does not sink for ever");
}

/// The receiver's clock of 24 bits goes round after six days, transport-wide numbers after minutes.
#[test]
fn numbers_and_clocks_go_round_unnoticed() {
    // 2^23 steps of 64 ms are 536,870.912 s.
    let clock = 536_870 - 60;
    let hop = Hop {
        steps: vec![(0.0, 8e6)],
        delay_ms: 20,
        jitter_ms: 0,
        loss: 0.0,
        wanted: 5_000_000,
        seed: 5,
        clock,
    };
    let samples = run(hop, 300);
    let packets: u64 = samples.iter().map(|sample| sample.sent * 500 / 8 / 1_200).sum();
    assert!(packets > 2 * 65_536, "{packets}");
    let lowest = samples.iter().filter(|sample| sample.at > 30.0).map(|sample| sample.estimate).min();
    assert!(lowest >= Some(4_000), "{lowest:?}");
}
