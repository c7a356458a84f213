//! Writing entries: each is applied the moment it is staged.

use super::{Moment, Sequencer, lanes::newest, refusal::Refusal};
use crate::{Ack, Body, Command, Entry, Event, Hidden, Lane, Late, Sender};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use unisono_base::MediaTime;
use uuid::Uuid;

impl Moment {
    /// An id for a command whose sender gave none. One per moment.
    pub fn command_id(&self) -> Uuid {
        uuid_v7(self.now, Sha256::new().chain_update(self.random).chain_update(b"command").finalize().into())
    }
}

impl Sequencer {
    /// 32 bytes that nobody can guess who does not know the moment's seed.
    pub(super) fn derive(&mut self, moment: Moment) -> [u8; 32] {
        self.derived += 1;
        let digest = Sha256::new().chain_update(moment.random).chain_update(self.derived.to_be_bytes());
        digest.finalize().into()
    }

    /// A fresh UUIDv7 (RFC 9562 §5.7).
    pub(super) fn new_id(&mut self, moment: Moment) -> Uuid {
        uuid_v7(moment.now, self.derive(moment))
    }

    /// An event without anything but its name, place and id. `seq` comes when it is staged.
    pub(super) fn event(
        &mut self,
        ty: impl Into<String>,
        lane: Lane,
        at: MediaTime,
        moment: Moment,
    ) -> Event {
        Event {
            room: self.state.room.clone(),
            epoch: moment.epoch.unwrap_or(self.state.epoch),
            seq: 0,
            id: self.new_id(moment),
            lane,
            ty: ty.into(),
            at,
            dur: None,
            ttl: None,
            late: lane.late(),
            actor: None,
            cause: None,
            subject: None,
            supersedes: None,
            cancels: None,
            rule: None,
            data: serde_json::Value::Null,
        }
    }

    /// The event that `command` of `sender` makes, its data left out.
    pub(super) fn event_of(
        &mut self,
        ty: impl Into<String>,
        (command, sender): (&Command, &Sender),
        (lane, late): (Lane, Option<Late>),
        moment: Moment,
    ) -> Result<Event, Refusal> {
        let at = self.place(command, sender, lane, moment)?;
        let event = self.event(ty, lane, at, moment);
        Ok(Event {
            dur: command.dur,
            ttl: command.ttl,
            late: command.late.or(late).unwrap_or(lane.late()),
            actor: Some(sender.person.clone()),
            cause: Some(command.cmd_id),
            subject: command.subject,
            ..event
        })
    }

    /// What the sequencer says by itself about `subject`, now or at `earliest` if that is later.
    pub(super) fn own_event(
        &mut self,
        ty: impl Into<String>,
        lane: Lane,
        subject: Uuid,
        earliest: Option<MediaTime>,
        moment: Moment,
    ) -> Event {
        let at = earliest.map_or(newest(moment), |earliest| earliest.max(newest(moment)));
        let at = self.state.events.get(subject).map_or(at, |known| at.max(known.at));
        let at = self.place_own(lane, at);
        Event { subject: Some(subject), ..self.event(ty, lane, at, moment) }
    }

    pub(super) fn stage_event(&mut self, event: Event, moment: Moment) -> Entry {
        let seq = self.state.last_seq + 1;
        self.stage(Body::Event(Arc::new(Event { seq, ..event })), moment)
    }

    pub(super) fn stage_hidden(&mut self, hidden: Hidden, moment: Moment) -> Entry {
        self.stage(Body::Hidden(Arc::new(hidden)), moment)
    }

    /// Stages the event and answers its command.
    pub(super) fn answer(&mut self, event: Event, moment: Moment) -> Result<Ack, Refusal> {
        let entry = self.stage_event(event, moment);
        Ack::of(&entry).ok_or_else(|| Refusal::invalid("a command has a cmd_id"))
    }

    fn stage(&mut self, body: Body, moment: Moment) -> Entry {
        let entry = Entry { n: self.state.last_n + 1, term: self.state.term, t: moment.now, body };
        self.state.apply(&entry, &self.types);
        self.staged.push(entry.clone());
        entry
    }
}

fn uuid_v7(now: MediaTime, random: [u8; 32]) -> Uuid {
    let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
    let mut ten = [0; 10];
    ten.copy_from_slice(&random[..10]);
    uuid::Builder::from_unix_timestamp_millis(millis, &ten).into_uuid()
}
