//! AAC as ffmpeg encodes it, through the transcoder, back to samples by libopus: pitch, level and position.

use bytes::Bytes;
use proptest::prelude::*;
use std::process::Command;
use unisono_audio::AacToOpus;
use unisono_base::{MediaTime, Span};
use unisono_media::AacConfig;

const START: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);
/// 1 kHz at -12 dBFS between 0.5 s and 0.6 s, and again between 1.5 s and 1.6 s.
const BEEPS: &str = "0.25*sin(2*PI*1000*t)*between(mod(t\\,1)\\,0.5\\,0.6)";

/// AAC-LC access units of two seconds of `source` with their T; ffmpeg's encoder primes with one access unit.
fn aac(source: &str, rate: u32, channels: u8) -> (AacConfig, Vec<(MediaTime, Bytes)>) {
    // One expression per channel: ffmpeg's own upmix would take 3 dB off.
    let source = vec![source; usize::from(channels)].join("|");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &format!("aevalsrc={source}:d=2:s={rate}")])
        .args(["-c:a", "aac", "-b:a", "160k", "-f", "adts", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stream = Bytes::from(output.stdout);
    let index = (stream[2] >> 2) & 0x0f;
    let asc = [2 << 3 | index >> 1, index << 7 | channels << 3];
    let config = AacConfig::parse(Bytes::copy_from_slice(&asc)).expect("AAC-LC");
    assert_eq!(config.sample_rate, rate);
    let mut units = Vec::new();
    let mut rest = stream;
    while rest.len() > 7 {
        let length = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
        let sample = (units.len() as i64 - 1) * 1_024;
        let t = START + Span::from_micros(sample * 1_000_000 / i64::from(rate));
        units.push((t, rest.slice(7..length)));
        rest = rest.slice(length..);
    }
    (config, units)
}

/// Decodes packets onto one 48 kHz mono line that begins at [`START`].
fn listen(packets: &[(MediaTime, Bytes)], channels: u8) -> Vec<f32> {
    let layout = if channels == 1 { opus::Channels::Mono } else { opus::Channels::Stereo };
    let mut decoder = opus::Decoder::new(48_000, layout).expect("decoder");
    let mut line = vec![0f32; 48_000 * 3];
    for (t, packet) in packets {
        let mut pcm = vec![0f32; 960 * usize::from(channels)];
        assert_eq!(decoder.decode_float(packet, &mut pcm, false).expect("our own packet"), 960);
        let at = (*t - START).as_micros() * 48 / 1_000;
        for (n, frame) in pcm.chunks(usize::from(channels)).enumerate() {
            if let Ok(place) = usize::try_from(at + n as i64)
                && let Some(sample) = line.get_mut(place)
            {
                *sample = frame[0];
            }
        }
    }
    line
}

/// First and last sample of each stretch where the envelope over 1 ms exceeds half the expected amplitude.
fn beeps(line: &[f32]) -> Vec<(usize, usize)> {
    let loud: Vec<usize> = (0..line.len() - 48)
        .filter(|&n| line[n..n + 48].iter().fold(0f32, |peak, s| peak.max(s.abs())) > 0.125)
        .collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for n in loud {
        match found.last_mut() {
            Some((_, end)) if n - *end < 480 => *end = n,
            _ => found.push((n, n)),
        }
    }
    found
}

fn beeps_keep_their_place(rate: u32, channels: u8) {
    let (config, units) = aac(BEEPS, rate, channels);
    let mut transcoder = AacToOpus::new(&config).expect("supported");
    let packets: Vec<_> = units.iter().flat_map(|(t, unit)| transcoder.push(*t, unit)).collect();
    assert!(packets.len() >= 98, "{} packets of 20 ms in 2 s", packets.len());
    for pair in packets.windows(2) {
        let step = (pair[1].0 - pair[0].0).as_micros();
        assert!((19_999..=20_001).contains(&step), "{step} us between packets");
    }
    let line = listen(&packets, channels);
    let found = beeps(&line);
    assert_eq!(found.len(), 2, "{found:?}");
    for (second, (begin, end)) in found.into_iter().enumerate() {
        let expected = second * 48_000 + 24_000;
        // The window of 1 ms looks ahead; the end of the beep is where it leaves.
        let off_ms = (begin as f64 + 24.0 - expected as f64) / 48.0;
        assert!(off_ms.abs() < 5.0, "beep {second} begins {off_ms:.2} ms off");
        let off_ms = (end as f64 + 24.0 - (expected as f64 + 4_800.0)) / 48.0;
        assert!(off_ms.abs() < 5.0, "beep {second} ends {off_ms:.2} ms off");

        let middle = &line[expected + 960..expected + 3_840];
        let rms = (middle.iter().map(|s| f64::from(s * s)).sum::<f64>() / middle.len() as f64).sqrt();
        let level_db = 20.0 * (rms * 2f64.sqrt() / 0.25).log10();
        assert!(level_db.abs() < 1.0, "level {level_db:.2} dB off");
        let crossings = middle.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
        assert!((59..=61).contains(&crossings), "{crossings} periods of 1 kHz in 60 ms");
    }
    assert_eq!(transcoder.stats().damaged, 0);
    assert_eq!(transcoder.stats().jumps, 0);
}

#[test]
fn stereo_at_44100_keeps_place_pitch_and_level() {
    beeps_keep_their_place(44_100, 2);
}

#[test]
fn stereo_at_48000_keeps_place_pitch_and_level() {
    beeps_keep_their_place(48_000, 2);
}

#[test]
fn mono_at_22050_keeps_place_pitch_and_level() {
    beeps_keep_their_place(22_050, 1);
}

#[test]
fn a_jump_of_t_is_followed_at_once() {
    let (config, units) = aac(BEEPS, 48_000, 2);
    let mut transcoder = AacToOpus::new(&config).expect("supported");
    let mut packets = Vec::new();
    for (i, (t, unit)) in units.iter().enumerate() {
        let shift = if i < 20 { Span::ZERO } else { Span::from_secs(7) };
        packets.extend(transcoder.push(*t + shift, unit));
    }
    assert_eq!(transcoder.stats().jumps, 1);
    let after: Vec<_> = packets.iter().filter(|(t, _)| *t > START + Span::from_secs(6)).collect();
    let expected = units[20].0 + Span::from_secs(7) - Span::from_micros(2_500);
    assert_eq!(after[0].0, expected, "the first packet holds the first sample after the jump");
}

#[test]
fn a_damaged_access_unit_is_silence_and_time_goes_on() {
    let (config, mut units) = aac(BEEPS, 44_100, 2);
    units[10].1 = Bytes::from_static(&[0xff; 64]);
    units[11].1 = Bytes::new();
    units[12].1 = Bytes::from(vec![0x21; 10_000]);
    let mut transcoder = AacToOpus::new(&config).expect("supported");
    let packets: Vec<_> = units.iter().flat_map(|(t, unit)| transcoder.push(*t, unit)).collect();
    let stats = transcoder.stats();
    assert_eq!(stats.damaged, 3, "{stats:?}");
    assert_eq!(stats.jumps, 0);
    assert_eq!(beeps(&listen(&packets, 2)).len(), 2, "the beeps around it are heard");
}

proptest! {
    #[test]
    fn garbage_never_panics(units in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..8)) {
        let config = AacConfig::parse(Bytes::from_static(&[0x12, 0x10])).expect("valid");
        let mut transcoder = AacToOpus::new(&config).expect("supported");
        for (i, unit) in units.into_iter().enumerate() {
            let _ = transcoder.push(START + Span::from_millis(i as i64 * 23), &Bytes::from(unit)).count();
        }
    }
}
