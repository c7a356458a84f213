//! A room whose sequencer is at another node, as this node's people have it. One way to that node carries all of it,
//! however many feeds there are here: its events and notices come once, commands go there and their answers come back.
//!
//! What waits for an answer when the way is lost is asked again on the next one, under the same `cmd_id`, so that it is
//! carried out once; who has waited for [`PATIENCE`] is told so in words. Feeds stay open meanwhile.

mod heard;
mod host;
mod wire;

pub use wire::Packet;

use crate::{
    RoomError, Standing,
    counts::Counts,
    lead,
    room::{Crowd, Shared, Subscribed, Work},
    told::{Batch, Told},
    writer::{Answer, World},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use unisono_base::RoomId;
use unisono_hub::Hub;
use unisono_store::BoxFuture;
use unisono_timeline::EventType;
use wire::{Ask, Down, Up, packet, spans};

/// So long somebody waits for an answer from the other node: as long as a link takes to be found dead and made again, and as much again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// What waits for an answer at once; beyond it nothing more is taken from the room's queue.
const ASKED_MAX: usize = 4_096;
/// Places that a way has left when no more is taken.
const PLACES_MIN: usize = 16;
/// How often reactions go to the other node.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// How often people are counted.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Until the first try of a new way, doubled with each that fails up to the last.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Places that a way must have towards the other node, so that all that waits can be asked again at once.
pub const WAY_PLACES: usize = 2 * ASKED_MAX;
/// Newcomers within this get the same snapshot, and what came since as events.
const STANDING_FOR: Duration = Duration::from_millis(200);
/// A way that is full is looked at again after this.
const CONGESTED_FOR: Duration = Duration::from_millis(20);

/// The other node, as a mirror reaches it. The room's own messages are [`Packet`]s, which it carries in order or not at all.
pub trait Upstream: Send + Sync + 'static {
    /// A way to the node that has `room`, for a mirror that `path` asks for, the oldest first. Waits for the link; errors,
    /// in words, where there is none within some seconds, or the nodes form a loop.
    fn attach<'a>(&'a self, room: &'a RoomId, path: &'a [u64]) -> BoxFuture<'a, Result<Way, String>>;
}

/// Both directions; either end is over when the other is.
#[derive(Debug)]
pub struct Way {
    /// To the other node.
    pub send: mpsc::Sender<Packet>,
    /// From it.
    pub receive: mpsc::Receiver<Packet>,
}

impl Way {
    /// Tells the mirror at the other end that it does not get the room, and why.
    pub async fn refuse(self, words: String) {
        let _ = self.send.send(packet(&Down::Refused { words }, Vec::new())).await;
    }
}

/// See the module.
pub(crate) struct Mirror {
    id: RoomId,
    hub: Arc<Hub>,
    shared: Arc<Shared>,
    upstream: Arc<dyn Upstream>,
    path: Vec<u64>,
    asked: BTreeMap<u64, Asked>,
    next_id: u64,
    counts: Counts,
    /// As told last on this way; `None` until the other node has opened the room on it.
    crowd: Option<Crowd>,
    status_at: Instant,
    /// The other node's own types.
    types: Option<Vec<EventType>>,
    /// The room as it stood when it was told last: a crowd that comes at once asks for it once.
    standing: Option<(Instant, Standing)>,
    /// What came was told to feeds from here on.
    has_begun: bool,
    failures: u32,
    retry_at: Instant,
    /// Why there is no way.
    words: Option<String>,
}

/// What waits for its answer.
struct Asked {
    ask: Arc<Ask>,
    /// It may have come to the other node before: what became of it is looked up there first.
    is_again: bool,
    deadline: Instant,
    reply: ReplyTo,
}

enum ReplyTo {
    Command(oneshot::Sender<Answer>),
    /// With the room as it stands, where that need not be told again.
    Enter(oneshot::Sender<Result<Subscribed, RoomError>>, Option<Standing>),
    Page(oneshot::Sender<Result<Option<Batch>, RoomError>>),
}

impl ReplyTo {
    fn fail(self, error: RoomError) {
        match self {
            Self::Command(reply) => drop(reply.send(Err(error))),
            Self::Enter(reply, _) => drop(reply.send(Err(error))),
            Self::Page(reply) => drop(reply.send(Err(error))),
        }
    }

    /// Nobody waits any more, and nothing is to be done for its own sake.
    fn is_void(&self) -> bool {
        match self {
            Self::Command(_) => false,
            Self::Enter(reply, _) => reply.is_closed(),
            Self::Page(reply) => reply.is_closed(),
        }
    }
}

/// What the task waits for.
enum Next {
    Work(Option<Work>),
    Packet(Option<Packet>),
    Attached(Result<Way, String>),
    Due,
}

type Attaching = std::pin::Pin<Box<dyn Future<Output = Result<Way, String>> + Send>>;

impl Mirror {
    pub(crate) fn new(
        world: &World,
        id: RoomId,
        shared: Arc<Shared>,
        (upstream, path): (Arc<dyn Upstream>, Vec<u64>),
    ) -> Self {
        let now = Instant::now();
        Self {
            id,
            hub: world.hub.clone(),
            shared,
            upstream,
            path,
            asked: BTreeMap::new(),
            next_id: 1,
            counts: Counts::default(),
            crowd: None,
            status_at: now,
            types: None,
            standing: None,
            has_begun: false,
            failures: 0,
            retry_at: now,
            words: None,
        }
    }

    /// Runs until every handle of the room is gone.
    pub(crate) async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        let (mut way, mut attaching) = (None::<Way>, None::<Attaching>);
        loop {
            if way.is_none() && attaching.is_none() && Instant::now() >= self.retry_at {
                attaching = Some(self.attach());
            }
            let is_congested = way.as_ref().is_some_and(|way| way.send.capacity() < PLACES_MIN);
            let takes_more = self.asked.len() < ASKED_MAX && !is_congested;
            let due = self.due(way.is_some() || attaching.is_some(), is_congested);
            let next = tokio::select! {
                taken = work.recv(), if takes_more => Next::Work(taken),
                packet = received(&mut way), if way.is_some() => Next::Packet(packet),
                attached = found(&mut attaching), if attaching.is_some() => Next::Attached(attached),
                () = tokio::time::sleep_until(due.into()) => Next::Due,
            };
            match next {
                Next::Work(None) => return,
                Next::Work(Some(taken)) => self.take(taken, way.as_ref()),
                Next::Attached(attached) => {
                    attaching = None;
                    way = self.begin(attached);
                }
                Next::Packet(packet) => {
                    let goes_on = packet.is_some_and(|packet| self.hear(&packet, way.as_ref()));
                    if !goes_on {
                        way = None;
                        self.pause();
                    }
                }
                Next::Due => {}
            }
            self.turn(way.as_ref());
        }
    }

    fn attach(&self) -> Attaching {
        let (upstream, id, path) = (self.upstream.clone(), self.id.clone(), self.path.clone());
        Box::pin(async move { upstream.attach(&id, &path).await })
    }

    /// Says where to go on; what waits is asked when the other node has answered that.
    fn begin(&mut self, attached: Result<Way, String>) -> Option<Way> {
        let way = match attached {
            Ok(way) => way,
            Err(words) => {
                self.words = Some(words);
                self.pause();
                return None;
            }
        };
        let from = self.has_begun.then(|| self.shared.told() + 1);
        say(&way, &Up::Attach { from }).then_some(way)
    }

    fn pause(&mut self) {
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(5)).min(PAUSE_MAX);
        self.failures += 1;
        self.retry_at = Instant::now() + pause;
        self.crowd = None;
    }

    fn due(&self, has_way: bool, is_congested: bool) -> Instant {
        let now = Instant::now();
        let retry = (!has_way).then_some(self.retry_at);
        let congested = is_congested.then(|| now + CONGESTED_FOR);
        let deadline = self.asked.values().next().map(|asked| asked.deadline);
        let all = [retry, congested, deadline, self.counts.due(), Some(self.status_at)];
        all.into_iter().flatten().min().unwrap_or(now + STATUS_EVERY)
    }

    fn take(&mut self, work: Work, way: Option<&Way>) {
        let (ask, is_again, reply) = match work {
            Work::Command { command, sender, is_again, reply } => {
                (Ask::Command { command, sender }, is_again, ReplyTo::Command(reply))
            }
            Work::Subscribe { person, is_feed, reply } => {
                let standing = self.fresh_standing().filter(|_| is_feed);
                let ask = Ask::Enter { person, wants_standing: standing.is_none() };
                (ask, false, ReplyTo::Enter(reply, standing))
            }
            Work::Page { from, reply } => (Ask::Page { from }, false, ReplyTo::Page(reply)),
            Work::React { ty, key, count, .. } => {
                self.counts.add(&ty, (&key, count), COUNT_EVERY, Instant::now());
                return;
            }
            Work::Latency { session, latency } => {
                if let Some(way) = way {
                    // One that is lost is made up for by the next.
                    say(way, &Up::Latency { session, latency: latency.map(spans) });
                }
                return;
            }
            // This node's, while the room's are the other's.
            Work::Types(_) => return,
            // The other node's own: it is asked for them as a whole request.
            other @ (Work::Decided { .. }
            | Work::Erase { .. }
            | Work::Undecided { .. }
            | Work::KeepFrom { .. }
            | Work::Trimmed(_)
            | Work::Lockstep(_)) => {
                return other.fail(&RoomError::Away(format!("the room {} is at another node", self.id)));
            }
        };
        let mut asked = Asked { ask: Arc::new(ask), is_again, deadline: Instant::now() + PATIENCE, reply };
        let id = self.next_id;
        self.next_id += 1;
        if let Some(way) = way.filter(|_| self.is_attached()) {
            asked.say(id, way);
        }
        self.asked.insert(id, asked);
    }

    /// The other node has opened the room on this way.
    fn is_attached(&self) -> bool {
        self.crowd.is_some()
    }

    fn fresh_standing(&self) -> Option<Standing> {
        let (told_at, standing) = self.standing.as_ref()?;
        (told_at.elapsed() < STANDING_FOR).then(|| standing.clone())
    }

    fn tell(&self, told: Told) {
        // No receiver is no error.
        let _ = self.shared.feed.send(Arc::new(told));
    }

    /// What is due by time.
    fn turn(&mut self, way: Option<&Way>) {
        let now = Instant::now();
        while let Some(first) = self.asked.first_entry().filter(|first| first.get().deadline <= now) {
            let asked = first.remove();
            let words = self.away(matches!(asked.reply, ReplyTo::Command(_)));
            asked.reply.fail(RoomError::Away(words));
        }
        let way = way.filter(|_| self.is_attached());
        // Reactions are of the moment: what cannot be told now is not told later.
        for (ty, counts) in self.counts.take_due(now) {
            if let Some(way) = way {
                say(way, &Up::React { ty, counts });
            }
        }
        if now >= self.status_at {
            self.status_at = now + STATUS_EVERY;
            let (mut crowd, _) = self.shared.presence();
            crowd.viewers = crowd.viewers.saturating_add(lead::viewers(&self.hub, &self.id));
            if let Some(way) = way.filter(|_| self.crowd != Some(crowd))
                && say(way, &Up::Crowd(crowd))
            {
                self.crowd = Some(crowd);
            }
        }
    }

    fn away(&self, is_command: bool) -> String {
        let why = self.words.as_deref().unwrap_or("it gave no answer in time");
        let again = if is_command {
            "the same cmd_id again tells what became of it"
        } else {
            "try again in a second"
        };
        format!("the node that has the room {} cannot be asked just now: {why}; {again}", self.id)
    }
}

/// False where it finds no place.
fn say(way: &Way, message: &Up) -> bool {
    way.send.try_send(packet(message, Vec::new())).is_ok()
}

async fn received(way: &mut Option<Way>) -> Option<Packet> {
    match way {
        Some(way) => way.receive.recv().await,
        None => std::future::pending().await,
    }
}

async fn found(attaching: &mut Option<Attaching>) -> Result<Way, String> {
    match attaching {
        Some(attaching) => attaching.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
