//! All rooms of a node, opened when somebody needs them and closed when nobody does.

use crate::{
    Feed, Sequenced, lead,
    room::{Room, Running, resumed},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{NodeClock, RoomId};
use unisono_hub::Hub;
use unisono_media::Frame;
use unisono_store::{LogError, RoomLog};
use unisono_timeline::{Body, Entry, Event, Moment, NewEvent, Prepared, Refused};

/// How long an unused room stays open.
const IDLE: Duration = Duration::from_secs(60);

/// Bounds of a node's rooms. At each the caller is refused, in words.
#[derive(Clone, Copy, Debug)]
pub struct RoomsLimits {
    /// Rooms open at once.
    pub rooms_max: usize,
    /// Feeds of one room.
    pub feeds_max: usize,
    /// Posts of one room that wait for their turn.
    pub posts_max: usize,
    /// Events a room takes per second, on average.
    pub events_per_second: u32,
    /// Events a room takes at once.
    pub burst: u32,
    /// Events that a feed may be behind before it reads from the log instead.
    pub buffer: usize,
}

impl Default for RoomsLimits {
    fn default() -> Self {
        Self {
            rooms_max: 4_096,
            feeds_max: 10_000,
            posts_max: 256,
            events_per_second: 100,
            burst: 200,
            buffer: 256,
        }
    }
}

/// Why an event was not posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// The event is not valid. The caller's fault.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The room gets too many. Try again in a second.
    #[error("this room takes {0} events per second; try again in a second")]
    TooFast(u32),
    /// As many posts wait already as may. Try again in a second.
    #[error("{0} events of this room wait to be written already; try again in a second")]
    Busy(usize),
    /// As many rooms are open as may be.
    #[error("the server has {0} rooms open already, its limit")]
    TooManyRooms(usize),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The operating system gave no randomness, or the event could not be written as JSON, or the server is going
    /// down: nothing a caller can help.
    #[error("the server could not make the event: {0}")]
    Internal(String),
}

/// Why there is no feed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// As many rooms are open as may be.
    #[error("the server has {0} rooms open already, its limit")]
    TooManyRooms(usize),
    /// As many feeds of this room are open as may be.
    #[error("this room has {0} feeds open already, its limit")]
    TooManyFeeds(usize),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What is open, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open rooms.
    pub rooms: usize,
    /// Open feeds.
    pub feeds: usize,
}

/// See the module.
pub struct Rooms {
    hub: Arc<Hub>,
    log: Arc<dyn RoomLog>,
    clock: NodeClock,
    limits: RoomsLimits,
    open: Mutex<HashMap<RoomId, Arc<Room>>>,
}

impl Rooms {
    /// No rooms yet. Events go into `log` first, then into the streams of `hub`.
    pub fn new(hub: Arc<Hub>, log: Arc<dyn RoomLog>, clock: NodeClock) -> Arc<Self> {
        Self::with_limits(hub, log, clock, RoomsLimits::default())
    }

    /// With bounds of one's own.
    pub fn with_limits(
        hub: Arc<Hub>,
        log: Arc<dyn RoomLog>,
        clock: NodeClock,
        limits: RoomsLimits,
    ) -> Arc<Self> {
        Arc::new(Self { hub, log, clock, limits, open: Mutex::default() })
    }

    /// Posts an event: ordered, durable and sent to everybody when this returns. Repeating one with the same
    /// `cmd_id` returns the event it made the first time.
    ///
    /// Once begun it is carried to its end even if the caller goes away, so that log and room never disagree.
    pub async fn post(self: &Arc<Self>, room: RoomId, new: NewEvent) -> Result<Arc<Event>, PostError> {
        let now = Instant::now();
        let room = self.room(&room, now).map_err(PostError::TooManyRooms)?;
        if !room.may_post(now) {
            return Err(PostError::TooFast(self.limits.events_per_second));
        }
        let turn =
            room.posts.clone().try_acquire_owned().map_err(|_| PostError::Busy(self.limits.posts_max))?;
        let rooms = self.clone();
        let post = tokio::spawn(async move {
            let done = rooms.sequence(&room, new).await;
            drop(turn);
            done
        });
        post.await.map_err(|error| PostError::Internal(error.to_string()))?
    }

    /// A feed from now, or from `from_seq` on. Dropping it ends it.
    pub async fn subscribe(&self, room: RoomId, from_seq: Option<u64>) -> Result<Feed, SubscribeError> {
        let room = self.room(&room, Instant::now()).map_err(SubscribeError::TooManyRooms)?;
        let mut slot = room.sequencer.lock().await;
        let last = resumed(&mut slot, &*self.log, room.id()).await?.sequencer.last_seq();
        if room.feed.receiver_count() >= self.limits.feeds_max {
            return Err(SubscribeError::TooManyFeeds(self.limits.feeds_max));
        }
        // Taken while nobody can post: everything up to `last` is in the log, everything after comes live.
        let live = room.feed.subscribe();
        drop(slot);
        Ok(Feed::new(room, self.log.clone(), live, last, from_seq))
    }

    /// The last `seq` of a room and its number of feeds; a room that nobody uses is read from the log.
    pub async fn look(&self, room: RoomId) -> Result<(u64, usize), SubscribeError> {
        let room = self.room(&room, Instant::now()).map_err(SubscribeError::TooManyRooms)?;
        let mut slot = room.sequencer.lock().await;
        let last = resumed(&mut slot, &*self.log, room.id()).await?.sequencer.last_seq();
        Ok((last, room.feed.receiver_count()))
    }

    /// The node's timeline clock now, in microseconds.
    pub fn clock_micros(&self) -> i64 {
        self.clock.at(Instant::now()).as_micros()
    }

    /// What is open.
    pub fn counts(&self) -> Counts {
        let open = self.open.lock();
        Counts { rooms: open.len(), feeds: open.values().map(|room| room.feed.receiver_count()).sum() }
    }

    /// Closes rooms that nobody has used for a minute; they are in the log. Call now and then.
    pub fn sweep(&self, now: Instant) {
        // Feeds and posts hold their room: a count of one is this map alone, and new holders come through it.
        self.open.lock().retain(|_, room| {
            Arc::strong_count(room) > 1 || now.saturating_duration_since(room.used()) < IDLE
        });
    }

    /// The open room, opened if need be. Where the limit is reached, rooms nobody uses this moment make way.
    fn room(&self, id: &RoomId, now: Instant) -> Result<Arc<Room>, usize> {
        let mut open = self.open.lock();
        if let Some(room) = open.get(id) {
            room.touch(now);
            return Ok(room.clone());
        }
        if open.len() >= self.limits.rooms_max {
            open.retain(|_, room| Arc::strong_count(room) > 1);
        }
        if open.len() >= self.limits.rooms_max {
            return Err(self.limits.rooms_max);
        }
        let room = Room::new(id.clone(), &self.limits, now);
        open.insert(id.clone(), room.clone());
        Ok(room)
    }

    async fn sequence(&self, room: &Room, new: NewEvent) -> Result<Arc<Event>, PostError> {
        let mut slot = room.sequencer.lock().await;
        let Running { sequencer, chain } = resumed(&mut slot, &*self.log, room.id()).await?;
        let entry = match sequencer.prepare(new, self.moment(room)?)? {
            Prepared::Known(event) => return Ok(event),
            Prepared::New(entry) => entry,
        };
        let sealed = chain.seal(vec![entry.clone()], fresh_seed()?);
        if let Err(error) = self.log.append(room.id(), sequencer.last_n(), sealed).await {
            // Whether it was written is unknown now; the log says so when it is read again. If it was, feeds get it
            // from there at the next event; the data track, which is for the live picture, goes without.
            *slot = None;
            return Err(error.into());
        }
        sequencer.commit(&entry);
        self.tell(room, entry)
    }

    fn moment(&self, room: &Room) -> Result<Moment, PostError> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(|error| PostError::Internal(error.to_string()))?;
        let (epoch, newest) = lead::of(&self.hub, room.id());
        Ok(Moment { now: self.clock.at(Instant::now()), newest, epoch, random })
    }

    /// Tells everybody, in order: the caller still holds the sequencer.
    fn tell(&self, room: &Room, entry: Entry) -> Result<Arc<Event>, PostError> {
        let Body::Event(event) = entry.body else {
            return Err(PostError::Internal("the sequencer made something else than an event".to_owned()));
        };
        let told = Sequenced::new(event.clone()).map_err(|error| PostError::Internal(error.to_string()))?;
        if event.lane.is_timed()
            && let Some(stream) = self.hub.stream(room.id().stream())
        {
            let now = self.clock.at(Instant::now());
            let mut frame = Frame::new(event.at, now, told.json());
            frame.dts = now.min(event.at);
            frame.duration = event.dur.unwrap_or_default();
            frame.key = true;
            stream.append_event(frame);
        }
        // No receiver is no error: the log has it.
        let _ = room.feed.send(Arc::new(told));
        Ok(event)
    }
}

fn fresh_seed() -> Result<[u8; 32], PostError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| PostError::Internal(error.to_string()))?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
