//! Turns at making clips. A clip of a day reads every segment of it, for minutes; one of seconds waits for none of those.

use crate::{ClipError, Index, Rendition};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use unisono_base::MediaTime;

/// Segments of a clip that is made at once with others of its kind: five minutes of picture and sound.
const SHORT_SEGMENTS_MAX: usize = 300;
/// Clips that are made at once. The tables of one of a day have some 40 MB.
const SHORT_MAX: usize = 4;
const LONG_MAX: usize = 2;
/// How long a request waits for its turn.
const WITHIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns {
    short: Semaphore,
    long: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { short: Semaphore::new(SHORT_MAX), long: Semaphore::new(LONG_MAX) }
    }
}

impl Turns {
    /// A turn at a clip of that span, held while it is made.
    pub(crate) async fn take(
        &self,
        index: &Index,
        (from, to): (Option<MediaTime>, Option<MediaTime>),
    ) -> Result<SemaphorePermit<'_>, ClipError> {
        let segments: usize = Rendition::ALL.into_iter().map(|one| index.between(one, from, to).len()).sum();
        let turns = if segments <= SHORT_SEGMENTS_MAX { &self.short } else { &self.long };
        match tokio::time::timeout(WITHIN, turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(ClipError::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::{START, lines};

    #[tokio::test]
    async fn a_short_clip_does_not_wait_for_long_ones() {
        let mut index = Index::default();
        lines(1_000).into_iter().for_each(|line| index.push(line));
        let (turns, all) = (Turns::default(), (None, None));
        let mut long = Vec::new();
        for _ in 0..LONG_MAX {
            long.push(turns.take(&index, all).await.expect("a turn"));
        }
        assert!(turns.long.try_acquire().is_err(), "no more of a day");
        let short = (None, Some(MediaTime::from_micros(START + 20_000_000)));
        assert!(turns.take(&index, short).await.is_ok());
    }
}
