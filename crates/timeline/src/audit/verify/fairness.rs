//! Whether latency decided anything (fairness spec 13): entries and wins by decile of latency, from the log alone.

use super::results::Winners;
use serde::Serialize;
use uuid::Uuid;

/// Deciles.
const PARTS: usize = 10;

/// An entry of a window, by how far behind its sender was: `received - rtt/2 - t_seen`, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) n: u64,
    pub(super) value: i64,
    pub(super) latency: i64,
    pub(super) is_late: bool,
}

/// The report of a room.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fairness {
    /// Over all windows that somebody can win.
    pub room: Deciles,
    /// Each window.
    pub windows: Vec<WindowFairness>,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowFairness {
    /// Its id.
    pub window: Uuid,
    /// Entries that came too late.
    pub late: u64,
    /// Entries whose claim was out of its bounds.
    pub clamped: u64,
    /// Entries in time, by latency.
    pub deciles: Deciles,
}

/// Entries in time in ten parts of equal size, the fastest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Deciles {
    /// The highest latency of each part, in microseconds.
    pub latency_us: Vec<i64>,
    /// Entries of each part.
    pub entries: Vec<u64>,
    /// Those among them that won.
    pub wins: Vec<u64>,
    /// Chi-square of the wins against equal chances for each entry, nine degrees of freedom: over 21.7 comes by
    /// chance once in a hundred rooms. `None` with fewer than 50 wins (five in each part), when it says nothing.
    pub chi_square: Option<f64>,
}

impl Fairness {
    pub(super) fn of<'a>(
        windows: impl Iterator<Item = (Uuid, &'a [Sample], u64, u64, Option<Winners>)>,
    ) -> Self {
        let mut all = Vec::new();
        let mut told = Vec::new();
        for (window, samples, late, clamped, winners) in windows {
            let won = |sample: &Sample| match winners {
                Some(Winners::Value(value)) => sample.value == value,
                Some(Winners::Entry(n)) => sample.n == n,
                None => false,
            };
            let in_time = samples.iter().filter(|sample| !sample.is_late);
            let counted: Vec<_> = in_time.map(|sample| (sample.latency, won(sample))).collect();
            if winners.is_some() {
                all.extend_from_slice(&counted);
            }
            told.push(WindowFairness { window, late, clamped, deciles: Deciles::of(counted) });
        }
        Self { room: Deciles::of(all), windows: told }
    }
}

impl Deciles {
    fn of(mut samples: Vec<(i64, bool)>) -> Self {
        samples.sort_unstable_by_key(|(latency, _)| *latency);
        let mut deciles = Self::default();
        for part in 0..PARTS {
            let part = &samples[samples.len() * part / PARTS..samples.len() * (part + 1) / PARTS];
            deciles.latency_us.push(part.last().map_or(0, |(latency, _)| *latency));
            deciles.entries.push(part.len() as u64);
            deciles.wins.push(part.iter().filter(|(_, won)| *won).count() as u64);
        }
        deciles.chi_square = deciles.chi_square();
        deciles
    }

    fn chi_square(&self) -> Option<f64> {
        let wins: u64 = self.wins.iter().sum();
        let entries: u64 = self.entries.iter().sum();
        if wins < 5 * PARTS as u64 {
            return None;
        }
        let parts = self.entries.iter().zip(&self.wins);
        Some(parts.fold(0.0, |sum, (count, won)| {
            let due = wins as f64 * *count as f64 / entries as f64;
            sum + (*won as f64 - due).powi(2) / due
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_wins_are_flat_and_wins_of_the_fast_are_not() {
        let even = Deciles::of((0..1_000).map(|i| (i, i % 5 == 0)).collect());
        assert_eq!((even.entries[0], even.wins[9], even.chi_square), (100, 20, Some(0.0)));
        let unfair = Deciles::of((0..1_000).map(|i| (i, i < 200)).collect());
        assert!(unfair.chi_square.expect("200 wins") > 21.7);
        assert_eq!(Deciles::of(vec![(5, true); 10]).chi_square, None, "too few to tell");
    }
}
