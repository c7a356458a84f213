//! The other end of a mirror's way: at the node that has the room, or at one that mirrors it itself and is nearer.

use super::{
    Packet, Way,
    wire::{Ask, Down, PERSON_BYTES_MAX, Reply, SEQ_MAX, Up, latency, packet, read},
};
use crate::{
    Feed, FeedItem, RoomError, Rooms, Start, Submitted,
    room::{Crowd, Room, Work},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, HashSet},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use unisono_base::RoomId;
use unisono_timeline::{EventType, Types};

/// The first message comes within this.
const ATTACH_WITHIN: Duration = Duration::from_secs(5);
/// Answers under way for one mirror; beyond it nothing more is read from it until one is given.
const UNDER_WAY_MAX: usize = 4_096;
/// Sessions of one mirror whose latency is known.
const SESSIONS_MAX: usize = 20_000;
/// People and viewers that one node can claim.
const CROWD_MAX: usize = 10_000_000;
/// Keys of one batch of reactions, as many as a mirror counts apart; and reactions of one key.
const KEYS_MAX: usize = 65;
const REACTIONS_MAX: u64 = 1_000_000;
/// Numbers of sessions are those of a node below this, and of the way above.
const SESSION_BITS: u32 = 40;

type Answering = Pin<Box<dyn Future<Output = Packet> + Send>>;

impl Rooms {
    /// Gives `room` to the mirror at the other end of `way`, until that is over. `path`: the nodes that ask for it, the
    /// asking one last.
    pub async fn host(self: Arc<Self>, room: RoomId, path: Vec<u64>, mut way: Way) {
        let attach = tokio::time::timeout(ATTACH_WITHIN, way.receive.recv()).await.ok().flatten();
        let Some(Up::Attach { from }) = attach.as_ref().and_then(read) else { return };
        match Host::open(self, room, path, from).await {
            Ok((mut host, feed)) => {
                let _ = host.speak(feed, way).await;
            }
            Err(error) => {
                way.refuse(error.to_string()).await;
            }
        }
    }
}

struct Host {
    rooms: Arc<Rooms>,
    room: Arc<Room>,
    /// Among all ways of this node.
    number: u64,
    sessions: HashSet<u64>,
    under_way: FuturesUnordered<Answering>,
}

impl Host {
    async fn open(
        rooms: Arc<Rooms>,
        id: RoomId,
        path: Vec<u64>,
        from: Option<u64>,
    ) -> Result<(Self, Feed), RoomError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        rooms.open_for(&id, path)?;
        // A mirror that has told nothing begins with what comes next: what was before its feeds read by themselves.
        let feed = rooms.subscribe(id, Start::From(from.unwrap_or(u64::MAX)), None).await?;
        let room = feed.room().clone();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok((Self { rooms, room, number, sessions: HashSet::new(), under_way: FuturesUnordered::new() }, feed))
    }

    /// `None` once either end is over.
    async fn speak(&mut self, mut feed: Feed, Way { send, mut receive }: Way) -> Option<()> {
        let mut ruled = self.room.shared.ruled.subscribe();
        send.send(packet(&Down::Attached { last: feed.last_at_start() }, Vec::new())).await.ok()?;
        ruled.mark_changed();
        loop {
            let takes_more = self.under_way.len() < UNDER_WAY_MAX;
            let said = tokio::select! {
                item = feed.next() => told(item?),
                Ok(()) = ruled.changed() => {
                    let mut discipline = self.room.shared.discipline();
                    discipline.forget_over(self.rooms.now());
                    let types = own_types(&self.rooms.types_of(&self.room));
                    Some(packet(&Down::Ruled { discipline, types }, Vec::new()))
                }
                Some(answer) = self.under_way.next() => Some(answer),
                asked = receive.recv(), if takes_more => {
                    self.hear(read(&asked?)?).await?;
                    None
                }
            };
            if let Some(said) = said {
                send.send(said).await.ok()?;
            }
        }
    }

    /// `None` for what no mirror of this version says.
    async fn hear(&mut self, message: Up) -> Option<()> {
        match message {
            Up::Attach { .. } => return None,
            Up::Ask { id, is_again, ask } => {
                let answering = self.ask(id, is_again, ask).await;
                self.under_way.push(answering);
            }
            Up::React { ty, counts } => self.react(&ty, counts),
            Up::Crowd(Crowd { members, viewers }) => {
                let crowd = Crowd { members: members.min(CROWD_MAX), viewers: viewers.min(CROWD_MAX) };
                self.room.shared.set_elsewhere(self.number, Some(crowd));
            }
            Up::Latency { session, latency: said } => {
                let session = self.number << SESSION_BITS | session & ((1 << SESSION_BITS) - 1);
                match said {
                    Some(_) if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains(&session) => {
                        return Some(());
                    }
                    Some(_) => self.sessions.insert(session),
                    None => self.sessions.remove(&session),
                };
                let _ = self.room.work.try_send(Work::Latency { session, latency: said.map(latency) });
            }
        }
        Some(())
    }

    /// Types and limits are this node's: a mirror's word is not taken for them.
    fn react(&self, ty: &str, counts: BTreeMap<String, u64>) {
        let types = self.rooms.types_of(&self.room);
        let Some(every) = types.get(ty).and_then(|registered| registered.counted_every()) else { return };
        let every = Duration::from_micros(every.as_micros().max(0).unsigned_abs());
        for (key, count) in counts.into_iter().take(KEYS_MAX) {
            let count = count.min(REACTIONS_MAX);
            let _ = self.room.work.try_send(Work::React { ty: ty.to_owned(), key, count, every });
        }
    }

    /// Commands are submitted here and now, in the order they come; the rest is only waited for.
    async fn ask(&mut self, id: u64, is_again: bool, ask: Arc<Ask>) -> Answering {
        let room = self.room.clone();
        match Arc::unwrap_or_clone(ask) {
            Ask::Command { command, sender } => {
                let submitted = if sender.person.id.len() > PERSON_BYTES_MAX {
                    Err(RoomError::Refused("the id of a person is too long".to_owned()))
                } else {
                    self.rooms.submit_from(&room, command, *sender, is_again, Instant::now()).await
                };
                Box::pin(async move {
                    let answered = match submitted {
                        Ok(Submitted::Done(ack)) => Ok((ack, None)),
                        Ok(Submitted::Waiting(answer)) => answer.come().await,
                        Err(error) => Err(error),
                    };
                    match answered {
                        Ok((ack, event)) => {
                            let json = event.and_then(|event| serde_json::to_vec(&*event).ok());
                            answer(id, Reply::Acked(ack), json.map(Bytes::from).into_iter().collect())
                        }
                        Err(error) => answer(id, Reply::refuse(&error), Vec::new()),
                    }
                })
            }
            Ask::Enter { person, wants_standing } => Box::pin(async move {
                let begin = match room.subscribe(person).await {
                    Ok(begin) => begin,
                    Err(error) => return answer(id, Reply::refuse(&error), Vec::new()),
                };
                let (mine, lockstep) = (begin.mine, begin.lockstep);
                let standing = wants_standing.then_some(begin.standing);
                let reply = Reply::Entered {
                    seq: standing.as_ref().map(|standing| standing.seq),
                    has_mine: mine.is_some(),
                    has_lockstep: lockstep.is_some(),
                    members: begin.members,
                };
                let notices = [mine, lockstep].into_iter().flatten().map(|notice| notice.message);
                let standing = standing.map(|standing| standing.message);
                answer(id, reply, standing.into_iter().chain(notices).collect())
            }),
            Ask::Page { from } => Box::pin(async move {
                match room.page(from.min(SEQ_MAX)).await {
                    Ok(batch) => {
                        let pieces =
                            batch.iter().flat_map(|batch| batch.events()).map(|(_, json)| json.clone());
                        answer(id, Reply::Page, pieces.collect())
                    }
                    Err(error) => answer(id, Reply::refuse(&error), Vec::new()),
                }
            }),
        }
    }
}

impl Drop for Host {
    /// With the mirror go its people. The link may have ended, and this with it, in the middle of anything.
    fn drop(&mut self) {
        self.room.shared.set_elsewhere(self.number, None);
        for session in &self.sessions {
            // A number that stays behind where the room is that busy counts as one viewer until the room is closed.
            let _ = self.room.work.try_send(Work::Latency { session: *session, latency: None });
        }
    }
}

/// Those that are no templates, which every node of this version has.
fn own_types(types: &Types) -> Vec<EventType> {
    let templates = Types::default();
    let is_own = |ty: &&EventType| templates.get(&ty.name).is_none_or(|known| known.event_type() != *ty);
    types.iter().filter(is_own).cloned().collect()
}

fn answer(id: u64, reply: Reply, parts: Vec<Bytes>) -> Packet {
    packet(&Down::Answer { id, reply }, parts)
}

/// What a mirror's own feeds need; they read by themselves what they miss.
fn told(item: FeedItem) -> Option<Packet> {
    match item {
        FeedItem::Events(batch) => {
            let pieces = batch.events().iter().map(|(_, json)| json.clone()).collect();
            Some(packet(&Down::Events, pieces))
        }
        FeedItem::Notice(notice) => {
            Some(packet(&Down::Notice { kind: notice.kind.to_owned() }, vec![notice.message]))
        }
        FeedItem::Snapshot(_) | FeedItem::Lagged { .. } => None,
    }
}
