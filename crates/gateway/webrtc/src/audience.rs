//! The viewers that one stream has on one worker: one doorbell for all of them, and one latency figure per frame.

use crate::{
    SessionId,
    bell::{Bells, Target},
    gateway::Shared,
};
use std::{collections::HashMap, sync::Arc, time::Instant};
use unisono_base::MediaTime;
use unisono_hub::{Cursor, Read, Ring, Stream, Subscription};
use unisono_media::{CodecConfig, Kind};

/// Arrival times waiting to be measured in one turn; more are not measured.
const ARRIVALS_MAX: usize = 256;

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
    viewers: Vec<SessionId>,
    /// Reads along at the tail, for the latency of each frame.
    probe: Option<(Arc<Ring>, Cursor)>,
    _subscription: Subscription,
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
        id: SessionId,
    ) -> bool {
        let key = key(stream);
        if let Some(audience) = self.all.get_mut(&key) {
            audience.viewers.push(id);
            return true;
        }
        // AAC goes nowhere from here; the Opus made of it rings by itself.
        let wants = |config: &CodecConfig| !matches!(config, CodecConfig::Aac(_));
        let Some(subscription) = stream.subscribe_to(bells.bell(Target::Audience(key)), wants) else {
            return false;
        };
        let audience =
            Audience { stream: stream.clone(), viewers: vec![id], probe: None, _subscription: subscription };
        self.all.insert(key, audience);
        shared.metrics.audiences.inc();
        true
    }

    /// One viewer less; the last one takes the audience along.
    pub(crate) fn leave(&mut self, shared: &Shared, stream: &Arc<Stream>, id: SessionId) {
        let key = key(stream);
        let Some(audience) = self.all.get_mut(&key) else { return };
        audience.viewers.retain(|viewer| *viewer != id);
        if audience.viewers.is_empty() {
            self.all.remove(&key);
            shared.metrics.audiences.dec();
        }
    }

    /// Copies the viewers to look after into `viewers`, and notes which frames are new.
    pub(crate) fn begin(&mut self, key: AudienceKey, viewers: &mut Vec<SessionId>, now: MediaTime) {
        viewers.clear();
        let Some(audience) = self.all.get_mut(&key) else { return };
        viewers.extend_from_slice(&audience.viewers);
        audience.note_arrivals(&mut self.arrivals, now);
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

impl Audience {
    fn note_arrivals(&mut self, arrivals: &mut Vec<(MediaTime, MediaTime)>, now: MediaTime) {
        if self.probe.is_none() {
            let lead = self.stream.source(Kind::Video).or_else(|| self.stream.source(Kind::Audio));
            self.probe = lead.map(|ring| {
                let tail = ring.tail();
                (ring, tail)
            });
        }
        let Some((ring, cursor)) = &mut self.probe else { return };
        loop {
            match ring.read(cursor) {
                Read::Frame { frame, .. } if arrivals.len() < ARRIVALS_MAX => {
                    arrivals.push((frame.arrived, now));
                }
                Read::Frame { .. } | Read::Skipped { .. } => {}
                Read::Pending => return,
                Read::Ended(_) => break,
            }
        }
        self.probe = None;
    }
}
