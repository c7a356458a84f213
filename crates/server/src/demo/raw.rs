//! `unisono testsource`: raw frames on standard output, in real time.

use super::picture::{Moment, Picture, Size};
use crate::cli::TestSource;
use anyhow::Context;
use std::{
    io::{self, ErrorKind, Write},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What the burnt-in counter shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CounterMode {
    /// Frames since the start; the flash is on in the first 100 ms of each second's worth of frames.
    #[default]
    Frame,
    /// Unix milliseconds at draw time, lower 24 bits; the flash follows the clock too.
    Clock,
}

impl CounterMode {
    /// The moment of frame `frame`, drawn at `unix_ms`.
    pub(crate) fn moment(self, frame: u64, fps: u32, unix_ms: i64) -> Moment {
        let (counter, within_second) = match self {
            Self::Frame => (frame as u32, frame % u64::from(fps) * 1_000 / u64::from(fps)),
            Self::Clock => (unix_ms as u32, unix_ms.rem_euclid(1_000) as u64),
        };
        Moment { frame, fps, unix_ms, counter, flash: within_second < 100 }
    }
}

/// Milliseconds since the Unix epoch by the system's clock.
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Runs the command: frames to standard output.
pub(crate) fn write_raw(source: &TestSource) -> anyhow::Result<()> {
    let duration = source.duration.map(Duration::try_from_secs_f64).transpose().context("--duration")?;
    let mut out = io::stdout().lock();
    write_to(&mut out, source.size, source.fps, source.counter_mode, duration).context("standard output")
}

/// Writes frames at their times until `duration` is over or the reader goes away. A reader that is slower than
/// real time slows the source; late frames are then drawn at once, none is left out.
fn write_to(
    out: &mut impl Write,
    size: Size,
    fps: u32,
    mode: CounterMode,
    duration: Option<Duration>,
) -> io::Result<()> {
    let start = Instant::now();
    let mut picture = Picture::new(size);
    for frame in 0u64.. {
        let due = Duration::from_micros(frame * 1_000_000 / u64::from(fps));
        if duration.is_some_and(|end| due >= end) {
            break;
        }
        if let Some(early) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(early);
        }
        picture.draw(&mode.moment(frame, fps, unix_ms()));
        match out.write_all(picture.as_bytes()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flash_is_on_for_three_frames_of_thirty() {
        let on: Vec<_> = (0..60).filter(|&n| CounterMode::Frame.moment(n, 30, 0).flash).collect();
        assert_eq!(on, [0, 1, 2, 30, 31, 32]);
        assert!(
            CounterMode::Clock.moment(7, 30, 1_099).flash && !CounterMode::Clock.moment(7, 30, 1_100).flash
        );
        assert_eq!(CounterMode::Clock.moment(7, 30, 1_100).counter, 1_100);
    }

    #[test]
    fn frames_are_whole() {
        let mut out = Vec::new();
        let size = "160x90".parse().expect("valid");
        let duration = Some(Duration::from_millis(50));
        write_to(&mut out, size, 100, CounterMode::Frame, duration).expect("a vector takes all");
        assert_eq!(out.len(), 5 * 160 * 90 * 3 / 2);
    }
}
