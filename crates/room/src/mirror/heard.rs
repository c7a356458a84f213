//! What the node that has the room says to its mirror.

use super::{
    Asked, Mirror, Packet, ReplyTo, Way, say,
    wire::{Ask, Down, Reply, SEQ_MAX, Up, read},
};
use crate::{
    Notice, RoomError, Standing,
    room::{Crowd, Subscribed},
    told::{Batch, Told},
};
use bytes::Bytes;
use std::{sync::Arc, time::Instant};
use unisono_timeline::{EventType, Types};

impl Mirror {
    /// Only where they are others than before: their schemas have to be compiled.
    fn set_types(&mut self, own: Vec<EventType>) {
        if self.types.as_ref() == Some(&own) {
            return;
        }
        match Types::new(own.clone()) {
            Ok(types) => self.shared.set_types(Arc::new(types)),
            Err(error) => tracing::warn!(room = %self.id, %error, "types of the node that has the room"),
        }
        self.types = Some(own);
    }

    /// False where the way is of no more use.
    pub(super) fn hear(&mut self, packet: &Packet, way: Option<&Way>) -> bool {
        let Some(message) = read::<Down>(packet) else {
            tracing::warn!(room = %self.id, "the node that has the room says what this version does not understand");
            return false;
        };
        match message {
            Down::Attached { last } => return last <= SEQ_MAX && self.attached(last, way),
            Down::Refused { words } => {
                tracing::debug!(room = %self.id, "a room at another node: {words}");
                self.words = Some(words);
                return false;
            }
            Down::Ruled { discipline, types } => {
                self.shared.set_discipline(discipline);
                self.set_types(types);
            }
            Down::Events => return self.events(&packet.parts),
            Down::Notice { kind } => {
                let kind = ["counts", "presence", "lockstep"].into_iter().find(|known| *known == kind);
                if let (Some(kind), Some(message)) = (kind, packet.parts.first()) {
                    self.tell(Told::Notice(Notice { kind, message: message.clone() }));
                }
            }
            Down::Answer { id, reply } => {
                if let Some(asked) = self.asked.remove(&id) {
                    self.answer(asked, reply, &packet.parts);
                }
            }
        }
        true
    }

    fn attached(&mut self, last: u64, way: Option<&Way>) -> bool {
        if self.has_begun && last < self.shared.told() {
            tracing::warn!(room = %self.id, "the room's log is another one: its feeds begin anew");
            self.tell(Told::Over);
        }
        if !self.has_begun || last < self.shared.told() {
            self.shared.set_told(last);
        }
        (self.has_begun, self.failures, self.words, self.standing) = (true, 0, None, None);
        self.crowd = Some(Crowd::default());
        self.status_at = Instant::now();
        let Some(way) = way else { return false };
        self.asked.retain(|_, asked| !asked.reply.is_void());
        for asked in self.asked.values_mut() {
            asked.forget_standing();
        }
        self.asked.iter_mut().all(|(id, asked)| asked.say(*id, way))
    }

    fn events(&self, parts: &[Bytes]) -> bool {
        let Ok(batch) = Batch::of_json(parts) else { return false };
        if batch.last() > SEQ_MAX || !is_rising(&batch) {
            return false;
        }
        let next = self.shared.told() + 1;
        if let Some(batch) = batch.starting_at(next).filter(|batch| batch.last() >= next) {
            self.shared.set_told(batch.last());
            self.tell(Told::Events(batch));
        }
        true
    }

    fn answer(&mut self, asked: Asked, reply: Reply, parts: &[Bytes]) {
        match (asked.reply, reply) {
            (reply, Reply::Refused { why, words }) => reply.fail(why.error(words)),
            (ReplyTo::Command(reply), Reply::Acked(ack)) => {
                let event = parts.first().and_then(|json| serde_json::from_slice(json).ok());
                let _ = reply.send(Ok((ack, event.map(Arc::new))));
            }
            (ReplyTo::Enter(reply, known), Reply::Entered { seq, has_mine, has_lockstep, members }) => {
                let mut parts = parts.iter().cloned();
                if let Some(seq) = seq.filter(|seq| *seq <= SEQ_MAX)
                    && let Some(message) = parts.next()
                {
                    self.standing = Some((Instant::now(), Standing { seq, message }));
                } else if seq.is_some() || known.is_none() {
                    return drop(reply.send(Err(nonsense())));
                }
                let told = self.standing.as_ref().filter(|_| seq.is_some()).map(|(_, told)| told.clone());
                let Some(standing) = told.or(known) else { return };
                let mut notice = |kind, is_there: bool| {
                    let message = if is_there { parts.next() } else { None };
                    message.map(|message| Notice { kind, message })
                };
                let (mine, lockstep) = (notice("mine", has_mine), notice("lockstep", has_lockstep));
                // In this order: what is told from here on comes live.
                let live = self.shared.feed.subscribe();
                let last_seq = self.shared.told();
                let begin = Subscribed { live, last_seq, standing, mine, lockstep, members };
                let _ = reply.send(Ok(begin));
            }
            (ReplyTo::Page(reply), Reply::Page) => {
                let batch = match Batch::of_json(parts) {
                    _ if parts.is_empty() => Ok(None),
                    Ok(batch) if is_rising(&batch) && batch.last() <= SEQ_MAX => Ok(Some(batch)),
                    Ok(_) | Err(_) => Err(nonsense()),
                };
                let _ = reply.send(batch);
            }
            (reply, Reply::Acked(_) | Reply::Entered { .. } | Reply::Page) => reply.fail(nonsense()),
        }
    }
}

impl Asked {
    /// False where it finds no place. From the first time on that it does it may have been carried out.
    pub(super) fn say(&mut self, id: u64, way: &Way) -> bool {
        let is_said = say(way, &Up::Ask { id, is_again: self.is_again, ask: self.ask.clone() });
        self.is_again |= is_said;
        is_said
    }

    /// What was told on an earlier way is asked for again: the room may be another one.
    fn forget_standing(&mut self) {
        if let (Ask::Enter { person, .. }, ReplyTo::Enter(_, known @ Some(_))) = (&*self.ask, &mut self.reply)
        {
            let person = person.clone();
            *known = None;
            self.ask = Arc::new(Ask::Enter { person, wants_standing: true });
        }
    }
}

fn nonsense() -> RoomError {
    RoomError::Away("the node that has the room gave an answer that cannot be read".to_owned())
}

/// As [`Batch::new`] wants them.
fn is_rising(batch: &Batch) -> bool {
    batch.events().windows(2).all(|two| two[0].0.seq < two[1].0.seq)
}
