//! A room whose log never fails, and commands in a few words.

use super::*;
use crate::{Event, Seen};

pub(super) const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

pub(super) fn secs(seconds: f64) -> Span {
    Span::from_micros((seconds * 1e6) as i64)
}

/// A sender at a WebRTC viewer's distance: sees what was ingested 200 ms ago.
fn sender(id: &str, role: Role) -> Sender {
    let witness = Witness {
        received: NOW,
        rtt_min: Span::ZERO,
        delivered: Some(NOW),
        buffer: Span::from_millis(500),
        claimed: None,
    };
    Sender { person: Person { id: id.into(), name: None }, role, witness }
}

pub(super) fn host() -> Sender {
    sender("host", Role::Host)
}

pub(super) fn member(id: &str) -> Sender {
    sender(id, Role::Bidder)
}

/// A sequencer, its log, and a clock that only moves when told.
pub(super) struct Room {
    pub(super) sequencer: Sequencer,
    pub(super) log: Vec<Entry>,
    pub(super) now: MediaTime,
    commands: u128,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { sequencer: new_sequencer(), log: Vec::new(), now: NOW, commands: 0 }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { now: self.now, newest: Some(self.now), epoch: Some(Epoch(7)), random: [9; 32] }
    }

    /// A fresh command.
    pub(super) fn command(&mut self, verb: Verb, ty: &str, subject: Option<Uuid>, data: Value) -> Command {
        self.commands += 1;
        Command {
            cmd_id: Uuid::from_u128(self.commands),
            ty: ty.to_owned(),
            verb,
            lane: None,
            at: At::Now,
            dur: (verb == Verb::Open).then_some(Span::from_secs(30)),
            ttl: None,
            late: None,
            subject,
            data,
        }
    }

    /// Carries it out at the room's time, the sender seeing the newest frame unless it claims something.
    pub(super) fn handle(&mut self, command: Command, who: &Sender) -> Ack {
        let claimed = who.witness.claimed;
        let witness = Witness { received: self.now, delivered: Some(self.now), claimed, ..who.witness };
        let moment = self.moment();
        let ack = self.sequencer.handle_command(command, &Sender { witness, ..who.clone() }, moment);
        self.log.extend(self.sequencer.take_entries());
        ack
    }

    pub(super) fn ask(
        &mut self,
        who: &Sender,
        verb: Verb,
        ty: &str,
        subject: Option<Uuid>,
        data: Value,
    ) -> Ack {
        let command = self.command(verb, ty, subject, data);
        self.handle(command, who)
    }

    /// As [`Self::ask`] by somebody who claims to have seen `t`, `behind` of it delivered late.
    pub(super) fn ask_seen(&mut self, who: &Sender, subject: Uuid, ty: &str, seen: Seen, data: Value) -> Ack {
        let witness = Witness { claimed: Some(seen), buffer: Span::from_secs(6), ..who.witness };
        self.ask(&Sender { witness, ..who.clone() }, Verb::Enter, ty, Some(subject), data)
    }

    pub(super) fn open(&mut self, ty: &str, data: Value) -> Uuid {
        let ack = self.ask(&host(), Verb::Open, ty, None, data);
        assert_eq!(ack.status, Status::Accepted, "{ack:?}");
        ack.id.expect("an event")
    }

    /// Lets time pass and does what is due, each at its own time.
    pub(super) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.sequencer.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.sequencer.handle_timeout(self.moment());
            let entries = self.sequencer.take_entries();
            assert!(!entries.is_empty(), "due at {due} and nothing done");
            self.log.extend(entries);
        }
        self.now = until;
    }

    /// Throws the sequencer away and reads the log, which must come to the same.
    pub(super) fn restart(&mut self) {
        let mut resumed = new_sequencer();
        self.log.iter().for_each(|entry| resumed.apply(entry));
        assert_eq!(resumed.snapshot(), self.sequencer.snapshot());
        resumed.state.term = self.sequencer.state.term;
        assert_eq!(resumed.state, self.sequencer.state, "everything follows from the log");
        resumed.begin_term();
        self.sequencer = resumed;
    }

    pub(super) fn events(&self) -> Vec<Arc<Event>> {
        let event = |entry: &Entry| match &entry.body {
            Body::Event(event) => Some(event.clone()),
            Body::Hidden(_) => None,
        };
        self.log.iter().filter_map(event).collect()
    }

    pub(super) fn types_told(&self) -> Vec<String> {
        self.events().iter().map(|event| event.ty.clone()).collect()
    }

    pub(super) fn last(&self) -> Arc<Event> {
        self.events().last().expect("an event").clone()
    }
}

pub(super) fn new_sequencer() -> Sequencer {
    let room = RoomId::parse(Tenant::default(), "live:alice").expect("valid");
    let scored: crate::EventType = serde_json::from_value(json!({
        "name": "goals", "lane": "round", "class": {"rule": "latest", "key": "/team"},
        "send": "host",
    }))
    .expect("valid");
    Sequencer::new(room, Arc::new(Types::new([scored]).expect("valid")))
}

/// The event of an accepted command.
pub(super) fn ack_event(room: &Room, ack: &Ack) -> Arc<Event> {
    assert_eq!(ack.status, Status::Accepted, "{ack:?}");
    let found = room.events().into_iter().find(|event| Some(event.id) == ack.id);
    found.expect("told")
}
