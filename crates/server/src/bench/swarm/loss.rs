//! A bad network before the viewer: received packets dropped on purpose, the same ones in each run of a seed.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// Independent loss of each packet.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    /// `None` where nothing is dropped, which is most often.
    draws: Option<(SmallRng, f64)>,
}

impl Loss {
    /// Drops `share` of the packets, 0 to 1. Each `viewer` of a `seed` has its own sequence.
    pub(super) fn new(share: f64, seed: u64, viewer: u64) -> Self {
        let own = seed ^ viewer.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { draws: (share > 0.0).then(|| (SmallRng::seed_from_u64(own), share.min(1.0))) }
    }

    /// The next packet is lost.
    pub(super) fn takes_next(&mut self) -> bool {
        self.draws.as_mut().is_some_and(|(draws, share)| draws.random_bool(*share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(share: f64, seed: u64, viewer: u64) -> Vec<bool> {
        let mut loss = Loss::new(share, seed, viewer);
        (0..10_000).map(|_| loss.takes_next()).collect()
    }

    #[test]
    fn a_seed_repeats_itself_and_viewers_differ() {
        assert_eq!(taken(0.05, 1, 7), taken(0.05, 1, 7));
        assert_ne!(taken(0.05, 1, 7), taken(0.05, 1, 8));
        assert_ne!(taken(0.05, 1, 7), taken(0.05, 2, 7));
    }

    #[test]
    fn as_many_are_taken_as_asked_for() {
        let count = |share| taken(share, 3, 0).into_iter().filter(|taken| *taken).count();
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((400..600).contains(&count(0.05)), "{}", count(0.05));
    }
}
