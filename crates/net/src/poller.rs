//! Where a worker sleeps: until its socket has something, somebody wakes it, or a time has come.
//!
//! Nothing of a worker waits for a runtime: its task would be woken through the runtime's own timers and wake-ups, each of
//! which costs a system call and an empty turn, and it could not leave a busy socket alone for a moment.

use crate::Socket;
use mio::{Events, Poll, Token};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

const WAKE: Token = Token(0);
const SOCKET: Token = Token(1);
/// Events of one sleep: there are two sources.
const EVENTS: usize = 4;

/// The worker runs, and looks again before it sleeps.
const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
/// Somebody has called since it looked last.
const CALLED: u8 = 2;

/// See the module. Belongs to one worker with one [`Socket`].
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    waker: Waker,
    /// The socket's datagrams end a sleep.
    is_listening: bool,
}

/// Wakes the worker of a [`Poller`], from any thread. While that runs, waking costs no system call.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Bell>);

#[derive(Debug)]
struct Bell {
    state: AtomicU8,
    system: mio::Waker,
}

/// What may end a sleep beside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// A datagram, or the time where there is one.
    Readable(Option<Instant>),
    /// The time, however many datagrams wait then.
    Time(Instant),
}

impl Poller {
    /// Fails where the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let system = mio::Waker::new(poll.registry(), WAKE)?;
        let waker = Waker(Arc::new(Bell { state: AtomicU8::new(AWAKE), system }));
        Ok(Self { poll, events: Events::with_capacity(EVENTS), waker, is_listening: false })
    }

    /// What wakes it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Sleeps, and returns at once where somebody has called since the last sleep. A worker that wants to sleep until its
    /// socket is readable must have [read](Socket::recv) all that was there.
    pub fn sleep(&mut self, socket: &mut Socket, until: Until) -> io::Result<()> {
        let state = &self.waker.0.state;
        if state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let slept = self.wait(socket, until);
            self.waker.0.state.swap(AWAKE, Ordering::AcqRel);
            return slept;
        }
        state.swap(AWAKE, Ordering::AcqRel);
        Ok(())
    }

    fn wait(&mut self, socket: &mut Socket, until: Until) -> io::Result<()> {
        let (listens, at) = match until {
            Until::Readable(at) => (true, at),
            Until::Time(at) => (false, Some(at)),
        };
        if listens != self.is_listening {
            // What came while nobody listened ends the sleep at once.
            if listens {
                socket.register(&self.poll, SOCKET)?
            } else {
                socket.deregister(&self.poll)?
            }
            self.is_listening = listens;
        }
        let timeout: Option<Duration> = at.map(|at| at.saturating_duration_since(now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}

impl Waker {
    /// Ends the worker's sleep, or the next one before it begins. What was written before is seen by the worker after.
    pub fn wake(&self) {
        if self.0.state.swap(CALLED, Ordering::AcqRel) == ASLEEP
            && let Err(error) = self.0.system.wake()
        {
            tracing::error!(%error, "a worker cannot be woken");
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecvBuffers, TrainBatch, bind_shared};
    use std::thread;

    /// Long enough that a test which depends on it is seen to hang.
    const LONG: Duration = Duration::from_secs(60);

    fn socket() -> Socket {
        let bound = bind_shared("127.0.0.1:0".parse().expect("address"), 1).expect("free");
        Socket::new(bound.into_iter().next().expect("one")).expect("a socket")
    }

    fn send(to: &Socket) {
        let (from, mut batch) = (socket(), TrainBatch::new());
        batch.push(&from, to.local_addr(), None, b"x");
        batch.flush(&from);
    }

    #[test]
    fn a_call_before_a_sleep_ends_it_once() {
        let (mut poller, mut socket) = (Poller::new().expect("descriptors"), socket());
        poller.waker().wake();
        poller.waker().wake();
        poller.sleep(&mut socket, Until::Time(now() + LONG)).expect("slept");
        let before = now();
        poller.sleep(&mut socket, Until::Time(before + Duration::from_millis(20))).expect("slept");
        assert!(now() >= before + Duration::from_millis(20), "both calls were one");
    }

    #[test]
    fn a_call_from_another_thread_ends_a_sleep() {
        let (mut poller, mut socket) = (Poller::new().expect("descriptors"), socket());
        for _ in 0..100 {
            let waker = poller.waker();
            let caller = thread::spawn(move || waker.wake());
            poller.sleep(&mut socket, Until::Readable(None)).expect("slept");
            caller.join().expect("called");
            // Called while it was awake: that is for the next sleep.
            poller.waker().wake();
            poller.sleep(&mut socket, Until::Readable(None)).expect("slept");
        }
    }

    #[test]
    fn datagrams_end_a_sleep_only_where_they_are_waited_for() {
        let (mut poller, mut socket) = (Poller::new().expect("descriptors"), socket());
        let mut buffers = RecvBuffers::new();
        for _ in 0..3 {
            let at = now() + Duration::from_millis(30);
            send(&socket);
            poller.sleep(&mut socket, Until::Time(at)).expect("slept");
            assert!(now() >= at);
            poller.sleep(&mut socket, Until::Readable(None)).expect("what came before counts");
            socket.recv(&mut buffers).expect("it is there");
            assert_eq!(buffers.datagrams().count(), 1);
            assert!(socket.recv(&mut buffers).is_err(), "there was one");
            send(&socket);
            poller.sleep(&mut socket, Until::Readable(Some(now() + LONG))).expect("slept");
            socket.recv(&mut buffers).expect("it is there");
        }
    }
}
