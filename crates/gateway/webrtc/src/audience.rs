//! The viewers that one stream has on one worker: one doorbell for all of them, and one latency figure per frame.

use crate::{
    SessionId,
    bell::{Bells, Target},
    gateway::Shared,
    tail::Tail,
    worker::Place,
};
use std::{collections::HashMap, sync::Arc, time::Instant};
use unisono_base::MediaTime;
use unisono_hub::{Cursor, Ring, Stream, Subscription};
use unisono_media::{CodecConfig, Kind};

/// Arrival times waiting to be measured in one turn; more are not measured.
const ARRIVALS_MAX: usize = 256;
/// Rings of one stream that are read for all: picture, sound, and the sound made from it.
const TAILS_MAX: usize = 4;

/// Names an audience within a worker: the address of its stream, which it keeps alive.
pub(crate) type AudienceKey = u64;

/// All audiences of a worker.
#[derive(Default)]
pub(crate) struct Audiences {
    all: HashMap<AudienceKey, Audience>,
    /// When each frame of this turn had arrived, and when it was taken up.
    arrivals: Vec<(MediaTime, MediaTime)>,
}

struct Audience {
    stream: Arc<Stream>,
    viewers: Vec<(SessionId, Place)>,
    /// Who is served first; another one each time, so that nobody is always the last.
    first: usize,
    /// The rings its viewers stand at the end of.
    tails: Vec<Tail>,
    /// Where the stream's events were when somebody looked last.
    events: Cursor,
    _subscription: Subscription,
}

/// One turn's work for an audience.
#[derive(Default)]
pub(crate) struct Round {
    /// Who is served in turn, and where in the worker's list it lies.
    pub(crate) viewers: Vec<(SessionId, Place)>,
    /// What is new, for those who stand at the end of a ring.
    pub(crate) tails: Vec<Tail>,
    /// Events of the stream are new, which each viewer reads by itself.
    pub(crate) has_events: bool,
}

fn key(stream: &Arc<Stream>) -> AudienceKey {
    Arc::as_ptr(stream) as usize as u64
}

impl Audiences {
    /// One viewer more; false when the stream takes no further doorbell.
    pub(crate) fn join(
        &mut self,
        shared: &Shared,
        bells: &Arc<Bells>,
        stream: &Arc<Stream>,
        viewer: (SessionId, Place),
    ) -> bool {
        let key = key(stream);
        if let Some(audience) = self.all.get_mut(&key) {
            audience.viewers.push(viewer);
            return true;
        }
        // AAC goes nowhere from here; the Opus made of it rings by itself.
        let wants = |config: &CodecConfig| !matches!(config, CodecConfig::Aac(_));
        let Some(subscription) = stream.subscribe_to(bells.bell(Target::Audience(key)), wants) else {
            return false;
        };
        let audience = Audience {
            stream: stream.clone(),
            viewers: vec![viewer],
            first: 0,
            tails: Vec::new(),
            events: stream.events().tail(),
            _subscription: subscription,
        };
        self.all.insert(key, audience);
        shared.metrics.audiences.inc();
        true
    }

    /// One viewer less; the last one takes the audience along.
    pub(crate) fn leave(&mut self, shared: &Shared, stream: &Arc<Stream>, id: SessionId) {
        let key = key(stream);
        let Some(audience) = self.all.get_mut(&key) else { return };
        audience.viewers.retain(|(viewer, _)| *viewer != id);
        if audience.viewers.is_empty() {
            self.all.remove(&key);
            shared.metrics.audiences.dec();
        }
    }

    /// What is to be done for an audience whose bell rang, in place of what `round` held. Give it back with [`Self::end`].
    pub(crate) fn begin(&mut self, key: AudienceKey, round: &mut Round, now: MediaTime) {
        round.viewers.clear();
        round.has_events = false;
        let Some(audience) = self.all.get_mut(&key) else { return };
        audience.tails.retain_mut(Tail::read);
        audience.note_arrivals(&mut self.arrivals, now);
        let events = audience.stream.events().tail();
        round.has_events = std::mem::replace(&mut audience.events, events) != events;
        let (last, first) = audience.viewers.split_at(audience.first % audience.viewers.len().max(1));
        round.viewers.extend_from_slice(first);
        round.viewers.extend_from_slice(last);
        audience.first = audience.first.wrapping_add(1);
        std::mem::swap(&mut round.tails, &mut audience.tails);
    }

    /// After [`Self::begin`]; the audience may have gone meanwhile.
    pub(crate) fn end(&mut self, key: AudienceKey, round: &mut Round) {
        round.tails.retain_mut(Tail::clear);
        if let Some(audience) = self.all.get_mut(&key) {
            std::mem::swap(&mut round.tails, &mut audience.tails);
        }
        round.tails.clear();
    }

    /// Records the latency of the frames that this turn has sent.
    pub(crate) fn measure(&mut self, shared: &Shared) {
        if self.arrivals.is_empty() {
            return;
        }
        let now = shared.clock.at(Instant::now());
        for (arrived, taken_up) in self.arrivals.drain(..) {
            let dwell = &shared.metrics.dwell;
            dwell.wake.observe((taken_up - arrived).as_secs_f64().max(0.0));
            dwell.send.observe((now - taken_up).as_secs_f64().max(0.0));
            shared.metrics.frame_latency.observe((now - arrived).as_secs_f64().max(0.0));
        }
    }
}

impl Round {
    /// A viewer stands at `cursor`, the end of `ring`: from now on that is read for all.
    pub(crate) fn follow(&mut self, ring: &Arc<Ring>, cursor: Cursor) {
        if self.tails.len() < TAILS_MAX && !self.tails.iter().any(|tail| tail.is_of(ring)) {
            self.tails.push(Tail::new(ring.clone(), cursor));
        }
    }
}

impl Audience {
    /// Of pictures; of the sound where there are none.
    fn note_arrivals(&self, arrivals: &mut Vec<(MediaTime, MediaTime)>, now: MediaTime) {
        let of = |kind| self.tails.iter().find(|tail| tail.kind() == kind);
        let Some(lead) = of(Kind::Video).or_else(|| of(Kind::Audio)) else { return };
        let room = ARRIVALS_MAX.saturating_sub(arrivals.len());
        arrivals.extend(lead.frames().iter().take(room).map(|fresh| (fresh.frame.arrived, now)));
    }
}
