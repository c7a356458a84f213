//! Rational resampling to 48 kHz by a polyphase windowed-sinc filter.

/// What the output always is.
pub(crate) const OUTPUT_RATE: u32 = 48_000;
/// Zero crossings of the sinc on each side, at the lower of the two rates.
const CROSSINGS: usize = 24;
/// Kaiser window shape: about 90 dB of stop band.
const KAISER_BETA: f64 = 9.0;
/// The pass band ends at this part of the lower Nyquist frequency: 20.3 kHz at 44.1 kHz.
const PASS_BAND: f64 = 0.92;
/// Filter coefficients at most; every rate in AAC's table stays below 100,000.
const COEFFICIENTS_MAX: usize = 400_000;

/// A rate whose ratio to 48 kHz needs too large a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sampling rate {0} Hz has no small ratio to 48000 Hz; set the encoder to 44100 or 48000 Hz")]
pub struct RateError(pub u32);

/// Resamples interleaved audio. Output sample `n` lies exactly at input position `n * input_rate / 48000`: the
/// filter is symmetric and waits for the samples it needs instead of shifting time.
#[derive(Debug)]
pub struct Resampler {
    /// Output/input rate in lowest terms.
    up: usize,
    down: usize,
    channels: usize,
    /// Input samples on each side of the position.
    half: usize,
    /// `up` phases of `2 * half` coefficients. Empty for 48 kHz, which passes through.
    phases: Vec<f32>,
    /// Input not yet fully used, interleaved.
    input: Vec<f32>,
    /// Position of the next output sample, in `1/up` input samples after the first of `input`.
    position: usize,
}

impl Resampler {
    /// From `input_rate` to 48 kHz.
    pub fn new(input_rate: u32, channels: u8) -> Result<Self, RateError> {
        if input_rate == 0 {
            return Err(RateError(0));
        }
        let common = gcd(input_rate, OUTPUT_RATE);
        let (up, down) = ((OUTPUT_RATE / common) as usize, (input_rate / common) as usize);
        // Below 1 when the output is the narrower side.
        let scale = (f64::from(OUTPUT_RATE) / f64::from(input_rate)).min(1.0);
        let half = (CROSSINGS as f64 / scale).ceil() as usize;
        if up * 2 * half > COEFFICIENTS_MAX {
            return Err(RateError(input_rate));
        }
        let phases = if up == down { Vec::new() } else { filter(up, half, scale * PASS_BAND) };
        let mut resampler = Self {
            up,
            down,
            channels: usize::from(channels.max(1)),
            half,
            phases,
            input: Vec::new(),
            position: 0,
        };
        resampler.reset();
        Ok(resampler)
    }

    /// Forgets all input; the next output sample lies at the next input sample.
    pub fn reset(&mut self) {
        self.input.clear();
        self.position = 0;
        if !self.phases.is_empty() {
            // Silence before the first sample, for the left half of the filter.
            self.input.resize((self.half - 1) * self.channels, 0.0);
            self.position = (self.half - 1) * self.up;
        }
    }

    /// Takes interleaved input and appends what can be computed to `output`, interleaved.
    pub fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        if self.phases.is_empty() {
            output.extend_from_slice(input);
            return;
        }
        self.input.extend_from_slice(input);
        let frames = self.input.len() / self.channels;
        let taps = 2 * self.half;
        loop {
            let center = self.position / self.up;
            if center + self.half >= frames {
                break;
            }
            let first = center + 1 - self.half;
            let phase = self.position % self.up;
            let coefficients = &self.phases[phase * taps..(phase + 1) * taps];
            let window = &self.input[first * self.channels..(first + taps) * self.channels];
            for channel in 0..self.channels {
                let samples = window[channel..].iter().step_by(self.channels);
                output.push(samples.zip(coefficients).map(|(s, c)| s * c).sum());
            }
            self.position += self.down;
        }
        // Keep what the left half of the next filter needs.
        let used = (self.position / self.up + 1).saturating_sub(self.half).min(frames);
        self.input.drain(..used * self.channels);
        self.position -= used * self.up;
    }
}

/// `up` phases of a sinc with cutoff `cutoff` (1 = input Nyquist), Kaiser-windowed, each phase with unit gain.
fn filter(up: usize, half: usize, cutoff: f64) -> Vec<f32> {
    let mut phases = Vec::with_capacity(up * 2 * half);
    for phase in 0..up {
        let offset = phase as f64 / up as f64;
        let taps: Vec<f64> = (0..2 * half)
            .map(|tap| {
                let x = tap as f64 - (half as f64 - 1.0) - offset;
                sinc(x * cutoff) * kaiser(x / half as f64)
            })
            .collect();
        let gain: f64 = taps.iter().sum();
        phases.extend(taps.iter().map(|tap| (tap / gain) as f32));
    }
    phases
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Kaiser window on -1..=1.
fn kaiser(x: f64) -> f64 {
    if x.abs() > 1.0 {
        return 0.0;
    }
    bessel_i0(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel_i0(KAISER_BETA)
}

/// Modified Bessel function of order zero, by its series; converges quickly for the window's arguments.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..50 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn sine(rate: u32, hz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (TAU * hz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    /// Root mean square of the difference to the ideal output, in dB below the signal, away from the edges.
    fn error_db(rate: u32, hz: f64) -> f64 {
        let mut resampler = Resampler::new(rate, 1).expect("supported");
        let mut output = Vec::new();
        for block in sine(rate, hz, rate as usize / 4).chunks(1_024) {
            resampler.push(block, &mut output);
        }
        let ideal = sine(OUTPUT_RATE, hz, output.len());
        let middle = 500..output.len() - 500;
        let power: f64 = middle.clone().map(|n| f64::from(output[n] - ideal[n]).powi(2)).sum::<f64>()
            / middle.len() as f64;
        10.0 * (power / 0.5).log10()
    }

    #[test]
    fn sines_come_out_as_sines_at_the_same_time() {
        for (rate, hz) in [(44_100, 1_000.0), (44_100, 15_000.0), (22_050, 5_000.0), (96_000, 10_000.0)] {
            let error = error_db(rate, hz);
            assert!(error < -80.0, "{rate} Hz, {hz} Hz tone: {error:.1} dB");
        }
    }

    #[test]
    fn what_48_khz_cannot_hold_is_removed() {
        let mut resampler = Resampler::new(96_000, 1).expect("supported");
        let mut output = Vec::new();
        resampler.push(&sine(96_000, 30_000.0, 24_000), &mut output);
        let peak = output[500..output.len() - 500].iter().fold(0f32, |a, b| a.max(b.abs()));
        assert!(peak < 1e-3, "alias at {peak}");
    }

    #[test]
    fn block_borders_do_not_show_and_channels_stay_apart() {
        let mono = sine(44_100, 440.0, 8_192);
        let stereo: Vec<f32> = mono.iter().flat_map(|&s| [s, -0.5 * s]).collect();
        let mut whole = Vec::new();
        Resampler::new(44_100, 2).expect("supported").push(&stereo, &mut whole);
        let mut parts = Vec::new();
        let mut resampler = Resampler::new(44_100, 2).expect("supported");
        for block in stereo.chunks(2 * 37) {
            resampler.push(block, &mut parts);
        }
        assert_eq!(whole, parts);
        assert!(whole.chunks(2).all(|f| (f[0] * -0.5 - f[1]).abs() < 1e-6));
    }

    #[test]
    fn every_rate_of_aac_fits_and_odd_ones_are_refused_in_words() {
        for rate in
            [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000]
        {
            assert!(Resampler::new(rate, 2).is_ok(), "{rate}");
        }
        assert!(Resampler::new(7_350, 2).is_ok());
        assert_eq!(Resampler::new(44_101, 2).err(), Some(RateError(44_101)));
    }
}
