//! Rooms at two nodes: which one has the sequencer, and what another node says of its people.

use super::{Rooms, Submitted, Visitor};
use crate::{RoomError, Upstream, room::Room};
use std::{sync::Arc, time::Instant};
use unisono_base::{MediaTime, RoomId, Span};
use unisono_hub::State;
use unisono_timeline::{Ack, Command, Sender, Types, Uuid, Witness};

/// How old another node's stamp may be: as long as a command may wait there for its link, and a second on its way.
const STAMP_AGE_MAX: Span = Span::from_secs(9);
/// Longest round trip another node may claim of a viewer of its own, as gateways bound it.
const RTT_MAX: Span = Span::from_secs(2);
/// Most that a player may hold back by another node's word.
const BUFFER_MAX: Span = Span::from_secs(30);

impl Rooms {
    /// From now on rooms that are not here are mirrored from `upstream`. `kept`: those whose log is at this node.
    pub fn set_upstream(&self, upstream: Arc<dyn Upstream>, kept: impl IntoIterator<Item = RoomId>) {
        self.kept.lock().extend(kept);
        *self.upstream.write() = Some(upstream);
    }

    /// True where the room's sequencer is at another node.
    pub fn is_elsewhere(&self, id: &RoomId) -> bool {
        match self.elsewhere(id) {
            Some(is_elsewhere) => is_elsewhere,
            None => match self.open.lock().get(id) {
                Some(room) => room.is_mirror(),
                None => !self.kept.lock().contains(id),
            },
        }
    }

    /// Where the room's stream is says where the room is: `None` while there is none, and the room stays where it was.
    pub(super) fn elsewhere(&self, id: &RoomId) -> Option<bool> {
        if self.upstream.read().is_none() {
            return Some(false);
        }
        match self.world.hub.stream(id.stream())?.state() {
            State::Live { source, .. } => Some(source.is_relayed()),
            State::Lost | State::Ended => None,
        }
    }

    /// The upstream to mirror a room from that is to be opened; `None`: it is opened here.
    pub(super) fn mirrors(&self, id: &RoomId, elsewhere: Option<bool>) -> Option<Arc<dyn Upstream>> {
        let upstream = self.upstream.read().clone()?;
        let mut kept = self.kept.lock();
        if elsewhere.unwrap_or_else(|| !kept.contains(id)) {
            return Some(upstream);
        }
        kept.insert(id.clone());
        None
    }

    /// The types in force in this room: those of the node that has it.
    pub(crate) fn types_of(&self, room: &Room) -> Arc<Types> {
        room.shared.types().unwrap_or_else(|| self.types())
    }

    /// Opens the room for a node that asks for it; `path` goes on to this node's own upstream where the room is there.
    pub(crate) fn open_for(&self, id: &RoomId, path: Vec<u64>) -> Result<Arc<Room>, RoomError> {
        self.room_by(id, path, Instant::now())
    }

    /// As [`Self::submit`], for somebody at another node, who says who it is and what it knows of his view. `is_again`: the
    /// same command may have come before, and its answer have been lost between the nodes: how much somebody says does not
    /// count twice. Who may say nothing at all may not now, either: it may have been refused then.
    pub(crate) async fn submit_from(
        &self,
        room: &Arc<Room>,
        command: Command,
        sender: Sender,
        is_again: bool,
        now: Instant,
    ) -> Result<Submitted, RoomError> {
        let sender = Box::new(Sender {
            witness: self.plausible(room, (sender.witness, command.subject), now),
            ..sender
        });
        if room.is_mirror() {
            return self.pass_on(room, command, sender, is_again);
        }
        let visitor = Visitor { person: sender.person.clone(), role: sender.role };
        if is_again {
            if let Some(sealed) = self.world.log.find_command(room.id(), command.cmd_id).await?
                && let Some(ack) = Ack::again(&sealed.entry)
            {
                return Ok(Submitted::Done(ack));
            }
            self.may_ever(room, &command, &visitor, now)?;
        } else {
            self.may(room, &command, &visitor, now)?;
        }
        if let Some(ack) = self.counted(room, &command, sender.role)? {
            return Ok(Submitted::Done(ack));
        }
        self.pass_on(room, command, sender, is_again)
    }

    /// Another node's word about a view, within what can be: its stamp is neither in the future nor older than
    /// [`STAMP_AGE_MAX`], nobody answers what is not there yet, whatever the clocks of two nodes differ by, and nobody was
    /// given more of the stream than there is.
    pub(crate) fn plausible(
        &self,
        room: &Room,
        (said, subject): (Witness, Option<Uuid>),
        now: Instant,
    ) -> Witness {
        let now = self.world.clock.at(now);
        let oldest = (now - STAMP_AGE_MAX).max(subject.and_then(made).unwrap_or(MediaTime::from_micros(0)));
        let rtt_min = said.rtt_min.clamp(Span::ZERO, RTT_MAX);
        let (_, newest) = crate::lead::of(&self.world.hub, room.id());
        let half = Span::from_micros(rtt_min.as_micros() / 2);
        Witness {
            received: said.received.max(oldest).min(now),
            rtt_min,
            delivered: newest.map(|newest| said.delivered.unwrap_or(newest - half).min(newest)),
            buffer: said.buffer.clamp(Span::ZERO, BUFFER_MAX),
            claimed: said.claimed,
        }
    }
}

/// When an event was made by this node's clock, as its id says; to the millisecond, at most one later.
fn made(id: Uuid) -> Option<MediaTime> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let micros =
        i64::try_from(seconds).ok()?.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))?;
    Some(MediaTime::from_micros(micros.checked_add(1_000)?))
}
