//! The one writer of a room: gives each event its place in the order.

use crate::Lane;
use crate::{
    At, Body, Entry, Event, NewEvent, Refused,
    event::{AHEAD_MAX, BEHIND_MAX, MOVED_MAX},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};
use unisono_base::{Epoch, MediaTime, RoomId};
use uuid::Uuid;

/// Commands remembered per room, so that repeating one makes nothing new. The oldest is forgotten.
const COMMANDS_MAX: usize = 1_024;

/// What the sequencer must know of the world at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The node's timeline clock.
    pub now: MediaTime,
    /// T of the newest frame of the stream's lead track.
    pub newest: Option<MediaTime>,
    /// The running epoch of the stream, if there is one.
    pub epoch: Option<Epoch>,
    /// Ten fresh random bytes for the event's id.
    pub random: [u8; 10],
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Prepared {
    /// A new entry: make it durable, then [`Sequencer::commit`] it, then tell the room.
    New(Entry),
    /// The command was carried out before; this is what it made.
    Known(Arc<Event>),
}

/// The order of one room. Two steps, so that nothing is told before it is durable: [`Self::prepare`] changes
/// nothing, [`Self::commit`] takes the entry in.
#[derive(Debug)]
pub struct Sequencer {
    room: RoomId,
    term: u64,
    last_n: u64,
    last_seq: u64,
    epoch: Epoch,
    lanes: BTreeMap<Lane, MediaTime>,
    commands: HashMap<Uuid, Arc<Event>>,
    command_order: VecDeque<Uuid>,
}

impl Sequencer {
    /// The sequencer of a room whose log ends with `entries`, oldest first; none for a room that is new.
    pub fn resume<'a>(room: RoomId, entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut sequencer = Self {
            room,
            term: 0,
            last_n: 0,
            last_seq: 0,
            epoch: Epoch::default(),
            lanes: BTreeMap::new(),
            commands: HashMap::new(),
            command_order: VecDeque::new(),
        };
        for entry in entries {
            sequencer.commit(entry);
        }
        sequencer.term += 1;
        sequencer
    }

    /// `n` of the last entry, 0 before the first: what the next append expects.
    pub fn last_n(&self) -> u64 {
        self.last_n
    }

    /// `seq` of the last event, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// This incarnation.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Makes the entry that `new` would be. An `at` that lies before the last one of its lane is moved up to it,
    /// by at most 5 s; beyond that the event is refused, because a caller would not recognise it.
    pub fn prepare(&self, new: NewEvent, moment: Moment) -> Result<Prepared, Refused> {
        if let Some(known) = new.cmd_id.and_then(|cmd| self.commands.get(&cmd)) {
            return Ok(Prepared::Known(known.clone()));
        }
        new.check()?;
        let at = self.in_lane(new.lane, resolve(new.at, moment)?)?;
        let millis = u64::try_from(moment.now.as_micros() / 1_000).unwrap_or(0);
        let event = Event {
            room: self.room.clone(),
            epoch: moment.epoch.unwrap_or(self.epoch),
            seq: self.last_seq + 1,
            id: uuid::Builder::from_unix_timestamp_millis(millis, &moment.random).into_uuid(),
            lane: new.lane,
            ty: new.ty,
            at,
            dur: new.dur,
            ttl: new.ttl,
            late: new.late.unwrap_or(new.lane.late()),
            actor: new.actor,
            cause: new.cmd_id,
            subject: None,
            supersedes: None,
            cancels: None,
            rule: None,
            data: new.data,
        };
        let body = Body::Event(Arc::new(event));
        Ok(Prepared::New(Entry { n: self.last_n + 1, term: self.term, t: moment.now, body }))
    }

    /// Takes a durable entry in: the one just prepared, or those of the log in order.
    pub fn commit(&mut self, entry: &Entry) {
        self.last_n = entry.n;
        self.term = self.term.max(entry.term);
        let Body::Event(event) = &entry.body else { return };
        self.last_seq = event.seq;
        self.epoch = event.epoch;
        let lane = self.lanes.entry(event.lane).or_insert(event.at);
        *lane = event.at.max(*lane);
        if let Some(cmd) = event.cause {
            self.remember(cmd, event.clone());
        }
    }

    fn in_lane(&self, lane: Lane, at: MediaTime) -> Result<MediaTime, Refused> {
        match self.lanes.get(&lane) {
            Some(&last) if last - at > MOVED_MAX => {
                Err(Refused::LaneIsAhead { lane, last: last.as_micros() })
            }
            Some(&last) => Ok(at.max(last)),
            None => Ok(at),
        }
    }

    fn remember(&mut self, cmd: Uuid, event: Arc<Event>) {
        if self.commands.insert(cmd, event).is_some() {
            return;
        }
        self.command_order.push_back(cmd);
        if self.command_order.len() > COMMANDS_MAX
            && let Some(oldest) = self.command_order.pop_front()
        {
            self.commands.remove(&oldest);
        }
    }
}

/// The T that `at` means. The newest frame is now unless it is old: then the publisher is away, and the event is
/// for the frame that comes next.
fn resolve(at: At, moment: Moment) -> Result<MediaTime, Refused> {
    let At::T(t) = at else {
        return Ok(moment.newest.filter(|t| moment.now - *t <= BEHIND_MAX).unwrap_or(moment.now));
    };
    // Compared as numbers: a T from outside may be anything, and a difference of two could overflow.
    let ahead = i128::from(t.as_micros()) - i128::from(moment.now.as_micros());
    let seconds = (ahead.abs() / 1_000_000) as i64;
    if ahead > i128::from(AHEAD_MAX.as_micros()) {
        return Err(Refused::TooFarAhead(seconds));
    }
    if -ahead > i128::from(BEHIND_MAX.as_micros()) {
        return Err(Refused::TooOld(seconds));
    }
    Ok(t)
}

#[cfg(test)]
mod tests;
