//! What libopus' complexity costs and gains for what a node makes of AAC: `cargo run --release -p unisono-audio --example opus-complexity`.
//!
//! Three signals, stereo at 96 kbit/s: a chord with vibrato and noise, clicks every 90 ms (transients), and syllables (voiced sweeps with pauses).
//! Quality is the noise-to-mask ratio's poor relation: in each 20 ms, in 21 bands of the Bark scale, the error's power against the
//! signal's; the mean in dB over bands, frames and signals. Lower is better, and only differences within one run say something.

use opus::{Application, Bitrate, Channels, Decoder, Encoder};
use std::{f32::consts::TAU, time::Instant};

const RATE: usize = 48_000;
const PACKET: usize = 960;
const SECONDS: usize = 20;
/// Edges of the bands, Hz.
const BARK: [f32; 22] = [
    100., 200., 300., 400., 510., 630., 770., 920., 1080., 1270., 1480., 1720., 2000., 2320., 2700., 3150.,
    3700., 4400., 5300., 6400., 7700., 12_000.,
];

fn main() -> Result<(), opus::Error> {
    let signals = [chord(), clicks(), syllables()];
    println!("complexity  us per packet  error dB by signal, and mean");
    for complexity in 0..=10 {
        let (mut micros, mut errors) = (0.0, Vec::new());
        for signal in &signals {
            let (took, error) = run(signal, complexity)?;
            micros += took;
            errors.push(error);
        }
        let mean = errors.iter().sum::<f32>() / errors.len() as f32;
        println!("{complexity:>10}  {:>13.0}  {errors:.1?} {mean:.2}", micros / signals.len() as f64);
    }
    Ok(())
}

/// Microseconds for the median packet, and the error in dB.
fn run(signal: &[f32], complexity: i32) -> Result<(f64, f32), opus::Error> {
    let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::LowDelay)?;
    encoder.set_bitrate(Bitrate::Bits(96_000))?;
    encoder.set_complexity(complexity)?;
    let delay = encoder.get_lookahead()? as usize;
    let mut decoder = Decoder::new(48_000, Channels::Stereo)?;
    let (mut packet, mut pcm) = ([0; 1_275], [0.0; 2 * PACKET]);
    let (mut heard, mut took) = (Vec::with_capacity(signal.len()), Vec::new());
    for input in signal.chunks_exact(2 * PACKET) {
        let begun = Instant::now();
        let length = encoder.encode_float(input, &mut packet)?;
        took.push(begun.elapsed());
        decoder.decode_float(&packet[..length], &mut pcm, false)?;
        heard.extend_from_slice(&pcm);
    }
    // The median: what else the machine does is not the encoder's.
    took.sort_unstable();
    Ok((took[took.len() / 2].as_secs_f64() * 1e6, error_db(signal, &heard[2 * delay..])))
}

fn error_db(signal: &[f32], heard: &[f32]) -> f32 {
    let (mut sum, mut count) = (0.0, 0);
    for (input, output) in
        signal.chunks_exact(2 * PACKET).zip(heard.chunks_exact(2 * PACKET)).skip(10).step_by(7)
    {
        let left = |pcm: &[f32]| pcm.iter().step_by(2).copied().collect::<Vec<_>>();
        let (input, output) = (left(input), left(output));
        let error: Vec<f32> = input.iter().zip(&output).map(|(a, b)| a - b).collect();
        let (signal, error) = (bands(&input), bands(&error));
        for (signal, error) in signal.iter().zip(error).filter(|(signal, _)| **signal > 1e-7) {
            sum += 10.0 * (error.max(1e-12) / signal).log10();
            count += 1;
        }
    }
    sum / count.max(1) as f32
}

/// Power by band, by a plain windowed DFT at every 50 Hz.
fn bands(pcm: &[f32]) -> [f32; 21] {
    let mut power = [0.0; 21];
    let length = pcm.len() as f32;
    for k in 2..240 {
        let hz = k as f32 * 50.0;
        let Some(band) = (0..21).find(|&band| (BARK[band]..BARK[band + 1]).contains(&hz)) else { continue };
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in pcm.iter().enumerate() {
            let n = n as f32;
            let windowed = sample * (0.5 - 0.5 * (TAU * n / length).cos());
            let (sin, cos) = (TAU * hz * n / RATE as f32).sin_cos();
            re += windowed * cos;
            im += windowed * sin;
        }
        power[band] += (re * re + im * im) / (length * length);
    }
    power
}

fn stereo(sample: impl Fn(f32, &mut dyn FnMut() -> f32) -> (f32, f32)) -> Vec<f32> {
    let mut state = 0x2545_f491u32;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    let samples = (0..SECONDS * RATE).map(|n| sample(n as f32 / RATE as f32, &mut noise));
    samples.flat_map(|(left, right)| [left, right]).collect()
}

fn chord() -> Vec<f32> {
    stereo(|t, noise| {
        let vibrato = 0.002 * (TAU * 5.0 * t).sin();
        let tone = |hz: f32| (TAU * hz * (t + vibrato)).sin();
        let sum: f32 = [220.0, 277.2, 329.6, 660.0, 1318.0, 2637.0].iter().map(|hz| tone(*hz)).sum();
        let hiss = 0.02 * noise();
        (0.1 * sum + hiss, 0.08 * sum + 0.05 * tone(440.0) - hiss)
    })
}

fn clicks() -> Vec<f32> {
    stereo(|t, noise| {
        let since = t % 0.09;
        let click = noise() * (-since * 220.0).exp();
        (0.8 * click, 0.5 * click)
    })
}

fn syllables() -> Vec<f32> {
    stereo(|t, noise| {
        let phase = t % 0.4;
        if phase > 0.3 {
            return (0.001 * noise(), 0.001 * noise());
        }
        let hz = 110.0 + 60.0 * (TAU * 0.7 * t).sin();
        let voice: f32 = (1..30).map(|h| (TAU * hz * h as f32 * t).sin() / h as f32).sum();
        let envelope = (TAU * phase / 0.6).sin();
        let sample = 0.2 * envelope * voice + 0.05 * envelope * noise();
        (sample, 0.9 * sample)
    })
}
