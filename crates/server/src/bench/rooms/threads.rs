//! Clients on several threads: one thread would be the slowest part of what is measured.

use anyhow::Context;
use std::thread::JoinHandle;
use tokio::{sync::oneshot, task::LocalSet};

/// Runs `work` on a thread with a runtime of its own.
pub(super) fn on_thread<T, F>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<(JoinHandle<()>, oneshot::Receiver<anyhow::Result<T>>)>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (tell, told) = oneshot::channel();
    let run = move || {
        // Timers are looked at in every turn: senders that always have work would keep them waiting for seconds.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build();
        let result =
            runtime.context("no runtime").and_then(|runtime| LocalSet::new().block_on(&runtime, work()));
        let _ = tell.send(result);
    };
    Ok((std::thread::Builder::new().name(name.to_owned()).spawn(run)?, told))
}

/// One share of `all` for each of the machine's processors.
pub(super) fn shares<T>(mut all: Vec<T>) -> Vec<Vec<T>> {
    let count = super::cpus().clamp(1, all.len().max(1));
    let mut shares = Vec::with_capacity(count);
    for left in (1..=count).rev() {
        shares.push(all.split_off(all.len() - all.len() / left));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_lose_nothing() {
        let shares = shares((0..101).collect::<Vec<_>>());
        let mut all: Vec<_> = shares.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<_>>());
        assert!(shares.iter().all(|share| share.len().abs_diff(101 / shares.len()) <= 1));
    }
}
