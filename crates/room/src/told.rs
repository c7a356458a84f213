//! What a room tells its feeds: encoded once, shared by all of them.

use bytes::Bytes;
use std::sync::Arc;
use unisono_timeline::Event;

const BEFORE: &[u8] = br#"{"type":"events","events":["#;
const AFTER: &[u8] = b"]}";

/// One message to everybody.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Events, in order.
    Events(Batch),
    /// Something of the moment, with no place in the order.
    Notice(Notice),
    /// The room is another one from here on: its order begins anew, or elsewhere. Every feed ends.
    Over,
}

/// Consecutive events as one message `{"type":"events","events":[…]}`, UTF-8.
#[derive(Clone, Debug)]
pub struct Batch {
    events: Arc<[(Arc<Event>, Bytes)]>,
    message: Bytes,
}

/// Counts, presence, the latency held in common: who misses one waits for the next.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its `type`.
    pub kind: &'static str,
    /// The whole message, UTF-8 JSON.
    pub message: Bytes,
}

impl Batch {
    /// `events` by rising `seq`, without gaps.
    pub(crate) fn new(events: &[Arc<Event>]) -> Result<Self, serde_json::Error> {
        Self::gather(events, |event, message| serde_json::to_writer(message, &**event))
    }

    /// The same of events that another node has encoded: each one's JSON stays as it is, byte for byte.
    pub(crate) fn of_json(pieces: &[Bytes]) -> Result<Self, serde_json::Error> {
        let parsed = pieces.iter().map(|json| serde_json::from_slice(json).map(Arc::new));
        let events = parsed.collect::<Result<Vec<Arc<Event>>, _>>()?;
        let mut pieces = pieces.iter();
        Self::gather(&events, |_, message| {
            message.extend_from_slice(pieces.next().map_or(&[][..], |json| json));
            Ok(())
        })
    }

    fn gather(
        events: &[Arc<Event>],
        mut write: impl FnMut(&Arc<Event>, &mut Vec<u8>) -> Result<(), serde_json::Error>,
    ) -> Result<Self, serde_json::Error> {
        let mut message = BEFORE.to_vec();
        let mut places = Vec::with_capacity(events.len());
        for event in events {
            if !places.is_empty() {
                message.push(b',');
            }
            let start = message.len();
            write(event, &mut message)?;
            places.push(start..message.len());
        }
        message.extend_from_slice(AFTER);
        let message = Bytes::from(message);
        let events = events.iter().zip(places).map(|(event, place)| (event.clone(), message.slice(place)));
        Ok(Self { events: events.collect(), message })
    }

    /// The events and each one's JSON.
    pub fn events(&self) -> &[(Arc<Event>, Bytes)] {
        &self.events
    }

    /// The message for feeds.
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// First `seq`; 0 for a batch of nothing, which nobody makes.
    pub(crate) fn first(&self) -> u64 {
        self.events.first().map_or(0, |(event, _)| event.seq)
    }

    /// Last `seq`.
    pub(crate) fn last(&self) -> u64 {
        self.events.last().map_or(0, |(event, _)| event.seq)
    }

    /// The part from `seq` on; the batch itself where that is all of it.
    pub(crate) fn starting_at(&self, seq: u64) -> Option<Self> {
        if self.first() >= seq {
            return Some(self.clone());
        }
        let rest: Vec<_> =
            self.events.iter().filter(|(event, _)| event.seq >= seq).map(|(_, json)| json.clone()).collect();
        if rest.is_empty() { None } else { Self::of_json(&rest).ok() }
    }
}
