//! Thousands of WHEP viewers in one process at small cost.
//!
//! A counted viewer has its own socket, completes ICE and DTLS, keeps its consent, sends real receiver reports, NACKs and
//! transport-wide feedback, and reads the clear headers of what it gets: gaps, whole frames, and their time from abs-capture-time. It
//! decrypts RTCP and resent packets only, since the number of those is in their payload. No session object of a WebRTC library lives behind it: once the
//! handshake is done, what is left of it are the keys. Threads of their own ([`reactor`]) hold the sockets; the HTTP of
//! joining and leaving is the caller's.

mod counted;
mod counts;
mod dtls;
mod feedback;
mod header;
mod ice;
mod loss;
mod offer;
mod origins;
mod reactor;
mod rtcp;
mod shape;
mod socket;
mod srtp;
mod track;

pub(super) use counted::Joined;
pub(super) use counts::{Counts, Group};
pub(super) use origins::Origins;
pub(super) use shape::{Burst, Shape};
pub(crate) use socket::Gro;

use super::signal::{self, Session};
use anyhow::Context;
use counted::Ticket;
use dtls::Identity;
use ice::Credentials;
use loss::Loss;
use mio::Waker;
use offer::Answer;
use reactor::{Command, Reactor};
use reqwest::Client;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How a swarm is set up.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) threads: usize,
    pub(super) gro: Gro,
    /// Share of received datagrams that are dropped on purpose.
    pub(super) loss: f64,
    pub(super) seed: u64,
    /// Where the full viewers say when each frame was sent; without it latency counts from the server's T.
    pub(super) origins: Option<Arc<Origins>>,
}

/// See the module. Dropping it ends all viewers without a word.
pub(super) struct Swarm {
    identity: Identity,
    setup: Setup,
    threads: Vec<Thread>,
    next_number: AtomicU64,
}

struct Thread {
    /// `None` once it has been told to end.
    commands: Option<mpsc::Sender<Command>>,
    waker: Waker,
    running: Option<JoinHandle<()>>,
}

/// A viewer that plays.
pub(super) struct Member {
    number: u64,
    session: Session,
}

impl Swarm {
    pub(super) fn start(setup: Setup) -> anyhow::Result<Self> {
        let identity = Identity::generate()?;
        let spawn = |n: usize| {
            let (commands, asked) = mpsc::channel();
            let (reactor, waker) = Reactor::new(asked, identity.clone(), setup.origins.clone(), setup.gro)?;
            let thread = std::thread::Builder::new().name(format!("viewers-{n}"));
            let running = Some(thread.spawn(move || reactor.run())?);
            anyhow::Ok(Thread { commands: Some(commands), waker, running })
        };
        let threads = (0..setup.threads.max(1)).map(spawn).collect::<anyhow::Result<_>>()?;
        Ok(Self { identity, setup, threads, next_number: AtomicU64::new(0) })
    }

    /// One more viewer of `endpoint`; returns once it has a whole frame, or with the reason why not.
    pub(super) async fn join(
        &self,
        client: &Client,
        endpoint: &str,
        group: Group,
    ) -> anyhow::Result<(Member, Joined)> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let local = Credentials::random();
        let offer = offer::offer(&local, &self.identity);
        let posted = Instant::now();
        let session = signal::offer(client, endpoint, None, &offer).await?;
        let joined = self.play(number, group, posted, local, &session.answer).await;
        match joined {
            Ok(joined) => Ok((Member { number, session }, joined)),
            Err(error) => {
                session.delete(client).await;
                Err(error)
            }
        }
    }

    async fn play(
        &self,
        number: u64,
        group: Group,
        posted: Instant,
        local: Credentials,
        answer: &str,
    ) -> anyhow::Result<Joined> {
        let answer = Answer::parse(answer)?;
        let (tell, told) = oneshot::channel();
        let loss = Loss::new(self.setup.loss, self.setup.seed, number);
        let ticket = Ticket { number, group, posted, local, answer, loss, tell };
        self.thread_of(number).ask(Command::Watch(Box::new(ticket)));
        told.await.context("the viewers' thread ended")?
    }

    /// Ends a viewer, with a DELETE.
    pub(super) async fn leave(&self, client: &Client, member: Member) {
        self.vanish(&member);
        member.session.delete(client).await;
    }

    /// Ends a viewer as a closed lid does: the server has to find out.
    pub(super) fn vanish(&self, member: &Member) {
        self.thread_of(member.number).ask(Command::Leave(member.number));
    }

    /// Opens the window in which is counted.
    pub(super) fn begin(&self) {
        self.threads.iter().for_each(|thread| thread.ask(Command::Measure(true)));
    }

    /// Closes it.
    pub(super) fn pause(&self) {
        self.threads.iter().for_each(|thread| thread.ask(Command::Measure(false)));
    }

    /// What was counted since the last time: those who play, those who join, and the packets of one viewer. Wait two seconds
    /// after [`Self::pause`], so that the last frames' origins are known.
    pub(super) async fn collect(&self) -> anyhow::Result<([Counts; 2], Shape)> {
        let (mut all, mut shape) = ([Counts::new(), Counts::new()], Shape::default());
        for thread in &self.threads {
            let (tell, told) = oneshot::channel();
            thread.ask(Command::Collect(tell));
            let (counts, recorded) = told.await.context("the viewers' thread ended")?;
            all.iter_mut().zip(&counts).for_each(|(all, counts)| all.merge(counts));
            if recorded.bursts.len() > shape.bursts.len() {
                shape = recorded;
            }
        }
        Ok((all, shape))
    }

    /// `count` sockets that only read, on the same threads and with the same settings as viewers.
    pub(super) async fn receivers(&self, count: usize, at: IpAddr) -> anyhow::Result<Vec<SocketAddr>> {
        let mut addresses = Vec::with_capacity(count);
        for (n, thread) in self.threads.iter().enumerate() {
            let share = (count + n) / self.threads.len();
            let (tell, told) = oneshot::channel();
            thread.ask(Command::Receive { count: share, at, tell });
            addresses.extend(told.await.context("the viewers' thread ended")??);
        }
        Ok(addresses)
    }

    /// Closes the receivers; how many bytes they read.
    pub(super) async fn end_receivers(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for thread in &self.threads {
            let (tell, told) = oneshot::channel();
            thread.ask(Command::EndReceivers(tell));
            bytes += told.await.context("the viewers' thread ended")?;
        }
        Ok(bytes)
    }

    fn thread_of(&self, number: u64) -> &Thread {
        &self.threads[(number % self.threads.len() as u64) as usize]
    }
}

impl Thread {
    /// A thread that ended says so where its answer is awaited.
    fn ask(&self, command: Command) {
        if let Some(commands) = &self.commands
            && commands.send(command).is_ok()
        {
            let _ = self.waker.wake();
        }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            thread.commands = None;
            let _ = thread.waker.wake();
        }
        for thread in &mut self.threads {
            let _ = thread.running.take().map(JoinHandle::join);
        }
    }
}

/// After [`Swarm::pause`] the last frames' origins are known.
pub(super) const ORIGINS_SETTLE: Duration = Duration::from_secs(2);
