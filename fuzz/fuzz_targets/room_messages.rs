//! What people say to a room, line by line: commands as feeds and the API take them, types of events with their schemas,
//! and lines of an exported log. A room driven by any of it stays one whose log gives the same room again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use unisono_api::CommandRequest;
use unisono_base::{Epoch, MediaTime, RoomId, Span};
use unisono_timeline::{
    At, Command, EventType, Moment, Person, Role, Seen, Sender, Sequencer, Types, Uuid, Verb, Witness,
    audit::Verifier,
};

const NOW: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);
const LINES_MAX: usize = 64;
const ROLES: [Role; 6] =
    [Role::Guest, Role::Member, Role::Bidder, Role::Moderator, Role::Host, Role::System];

/// As the gateway makes it; words it does not know give no command.
fn command(request: CommandRequest) -> Option<(Command, Option<Seen>)> {
    let span = |micros: u64| Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
    let verb: Verb = serde_json::from_value(request.verb.into()).ok()?;
    let at = match request.at {
        unisono_api::At::Now => At::Now,
        unisono_api::At::T(micros) => At::T(MediaTime::from_micros(micros)),
    };
    let seen = request.seen.map(|seen| Seen { t: MediaTime::from_micros(seen.t), seq: seen.seq });
    let command = Command {
        cmd_id: Uuid::parse_str(&request.cmd_id).ok()?,
        ty: request.ty,
        verb,
        lane: request.lane.as_deref().map(str::parse).transpose().ok()?,
        at,
        dur: request.dur.map(span),
        ttl: request.ttl.map(span),
        late: request.late.as_deref().map(str::parse).transpose().ok()?,
        subject: request.subject.as_deref().map(Uuid::parse_str).transpose().ok()?,
        data: request.data,
    };
    Some((command, seen))
}

fn room() -> RoomId {
    RoomId::parse(Default::default(), "live:x").expect("valid")
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let types = text.lines().filter_map(|line| serde_json::from_str::<EventType>(line).ok()).take(8);
    let types = Arc::new(Types::new(types).unwrap_or_default());
    let mut sequencer = Sequencer::new(room(), types.clone());
    sequencer.begin_term();
    let (mut verifier, mut log, mut now, mut last) = (Verifier::new(None), Vec::new(), NOW, None);
    for (number, line) in text.lines().take(LINES_MAX).enumerate() {
        verifier.line(line);
        // A second passes between two lines.
        now += Span::from_millis(1_000);
        let moment = Moment { now, newest: Some(now), epoch: Some(Epoch(1)), random: [number as u8; 32] };
        sequencer.handle_timeout(moment);
        let Some((mut command, claimed)) = serde_json::from_str(line).ok().and_then(command) else { continue };
        // An id of the fuzzer's own never meets the one of the event before it: nil means that.
        command.subject = command.subject.map(|id| if id.is_nil() { last.unwrap_or(id) } else { id });
        let witness = Witness {
            received: now,
            rtt_min: Span::ZERO,
            delivered: Some(now),
            buffer: Span::from_millis(3_500),
            claimed,
        };
        let person = Person { id: format!("~{}", number % 3).into(), name: None };
        let role = ROLES[(line.len() + number) % ROLES.len()];
        let ack = sequencer.handle_command(command, &Sender { person, role, witness }, moment);
        last = ack.id.or(last);
        log.extend(sequencer.take_entries());
    }
    log.extend(sequencer.take_entries());
    let mut again = Sequencer::new(room(), types);
    for entry in &log {
        let json = serde_json::to_value(entry).expect("an entry is plain data");
        again.apply(&serde_json::from_value(json).expect("it reads back"));
    }
    assert_eq!(again.snapshot(), sequencer.snapshot(), "everything follows from the log");
    let _ = verifier.finish().to_string();
});
