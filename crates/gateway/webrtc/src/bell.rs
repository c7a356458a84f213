//! The worker's doorbells: whoever rings says which target has something new, and wakes the worker once.

use crate::SessionId;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use unisono_base::Doorbell;
use unisono_net::Waker;

/// What a worker looks at when rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The viewers of one stream on this worker.
    Audience(u64),
    /// One session: a publisher's keyframe wanted, or replaced; anybody sent away.
    Session(SessionId),
}

/// All doorbells of one worker. A target is listed at most once, so the list is bounded by the targets.
#[derive(Debug)]
pub(crate) struct Bells {
    rung: Mutex<Vec<(Target, Arc<AtomicBool>)>>,
    waker: Waker,
}

impl Bells {
    /// Those of the worker that `waker` wakes.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { rung: Mutex::default(), waker }
    }

    /// Rings once for a target that has no bell here.
    pub(crate) fn ring(&self, target: Target) {
        self.rung.lock().push((target, Arc::default()));
        self.waker.wake();
    }

    pub(crate) fn bell(self: &Arc<Self>, target: Target) -> Arc<Bell> {
        Arc::new(Bell { target, rung: Arc::default(), bells: self.clone() })
    }

    /// Moves the targets that rang into `targets`, replacing what it held. From here on they can ring again.
    pub(crate) fn take(&self, targets: &mut Vec<Target>) {
        targets.clear();
        for (target, flag) in self.rung.lock().drain(..) {
            flag.store(false, Ordering::Release);
            targets.push(target);
        }
    }
}

/// One target's doorbell. Ringing twice before the worker looks is ringing once: no lock, no wake-up.
#[derive(Debug)]
pub(crate) struct Bell {
    target: Target,
    rung: Arc<AtomicBool>,
    bells: Arc<Bells>,
}

impl Doorbell for Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.bells.rung.lock().push((self.target, self.rung.clone()));
            self.bells.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_net::Poller;

    #[test]
    fn ringing_often_is_one_entry() {
        let bells = Arc::new(Bells::new(Poller::new().expect("descriptors").waker()));
        let (one, two) = (bells.bell(Target::Audience(1)), bells.bell(Target::Audience(2)));
        one.ring();
        one.ring();
        two.ring();
        let mut targets = Vec::new();
        bells.take(&mut targets);
        assert_eq!(targets, [Target::Audience(1), Target::Audience(2)]);
        bells.take(&mut targets);
        assert!(targets.is_empty());
        one.ring();
        bells.take(&mut targets);
        assert_eq!(targets, [Target::Audience(1)], "it can ring again");
    }
}
