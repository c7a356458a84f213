//! The counted viewers of a run: a task each, which joins, stays, and leaves or is replaced.

use super::{args::WatchArgs, joins::Joins};
use crate::bench::swarm::{Group, Swarm};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use reqwest::Client;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// See the module. Everything but the sockets lives on one thread.
pub(super) struct Crowd {
    shared: Rc<Shared>,
    over: watch::Sender<bool>,
    viewers: JoinSet<()>,
    members: u64,
}

struct Shared {
    swarm: Rc<Swarm>,
    client: Client,
    endpoint: String,
    joins: RefCell<Joins>,
    /// Viewers whose first join is not over.
    under_way: Cell<u64>,
    left: Cell<u64>,
}

/// How a crowd behaves once it plays.
#[derive(Clone, Debug)]
pub(super) enum Behaviour {
    Stays,
    /// Stays so many seconds, leaves (this share without a word), and is replaced.
    Changes {
        stay: std::ops::RangeInclusive<u64>,
        vanish: f64,
        seed: u64,
    },
}

impl Behaviour {
    pub(super) fn of(args: &WatchArgs) -> Self {
        match &args.churn {
            Some(stay) => Self::Changes { stay: stay.0.clone(), vanish: args.vanish, seed: args.seed },
            None => Self::Stays,
        }
    }
}

impl Crowd {
    pub(super) fn new(swarm: Rc<Swarm>, client: Client, endpoint: String) -> Self {
        let shared = Shared {
            swarm,
            client,
            endpoint,
            joins: RefCell::new(Joins::new()),
            under_way: Cell::new(0),
            left: Cell::new(0),
        };
        let over = watch::Sender::new(false);
        Self { shared: Rc::new(shared), over, viewers: JoinSet::new(), members: 0 }
    }

    /// `count` more viewers, `step` apart; returns once each plays or has failed.
    pub(super) async fn gather(&mut self, count: u32, step: Duration, group: Group, behaviour: &Behaviour) {
        for _ in 0..count {
            self.members += 1;
            self.shared.under_way.set(self.shared.under_way.get() + 1);
            let (shared, over, behaviour) = (self.shared.clone(), self.over.subscribe(), behaviour.clone());
            self.viewers.spawn_local(live(shared, group, behaviour, self.members, over));
            if !step.is_zero() {
                sleep(step).await;
            }
        }
        while self.shared.under_way.get() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// How the joins since the last call went.
    pub(super) fn take_joins(&self) -> Joins {
        self.shared.joins.replace(Joins::new())
    }

    /// Viewers that left by themselves.
    pub(super) fn left(&self) -> u64 {
        self.shared.left.get()
    }

    /// Everybody leaves; those who take longer than `patience` do so without a word.
    pub(super) async fn disperse(mut self, patience: Duration) {
        self.over.send_replace(true);
        let all = async { while self.viewers.join_next().await.is_some() {} };
        // Whoever is left is told nothing more; the server finds out.
        let _ = timeout(patience, all).await;
    }
}

/// A seat in the crowd: one viewer, or one after the other.
async fn live(
    shared: Rc<Shared>,
    group: Group,
    behaviour: Behaviour,
    number: u64,
    over: watch::Receiver<bool>,
) {
    let mut is_first = true;
    let seed = if let Behaviour::Changes { seed, .. } = behaviour { seed } else { 0 };
    let mut draws = SmallRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
    while !*over.borrow() {
        // Boxed: the requests are large, and the task lives on long after them.
        let joined = Box::pin(shared.swarm.join(&shared.client, &shared.endpoint, group)).await;
        let (member, joined) = match joined {
            Ok((member, joined)) => (Some(member), Ok(joined)),
            Err(error) => (None, Err(error)),
        };
        shared.joins.borrow_mut().count(&joined);
        if std::mem::take(&mut is_first) {
            shared.under_way.set(shared.under_way.get() - 1);
        }
        let mut until = over.clone();
        let (stay, vanish) = match &behaviour {
            Behaviour::Stays if member.is_none() => return,
            Behaviour::Stays => (None, 0.0),
            Behaviour::Changes { stay, vanish, .. } => {
                let stay = draws.random_range(stay.start() * 1_000..=stay.end() * 1_000);
                (Some(Duration::from_millis(stay)), *vanish)
            }
        };
        let ending = until.wait_for(|over| *over);
        let is_over = match stay {
            Some(stay) => timeout(stay, ending).await.is_ok(),
            None => {
                // An owner that is gone ends it as well.
                let _ = ending.await;
                true
            }
        };
        let Some(member) = member else { continue };
        if !is_over {
            shared.left.set(shared.left.get() + 1);
        }
        if !is_over && draws.random_bool(vanish) {
            shared.swarm.vanish(&member);
        } else {
            Box::pin(shared.swarm.leave(&shared.client, member)).await;
        }
    }
}
