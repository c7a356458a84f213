//! What comes of one subscription, in order, into this node's hub.

use super::link::Input;
use crate::{Metrics, bell::Bell};
use serde_json::Value;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::StreamId;
use unisono_hub::{
    Cut, GroupHeader, Hub, PublishError, Relayed, RelayedTrack, Remote, Start, Stream, Written,
};
use unisono_media::{Frame, Kind};
use unisono_proto_relay::{
    Assembly, Event, GroupHead, NodeId, Piece, Place, Refusal, RelayedFrame, Resume, ToEdge, Track,
};

/// Something newer waits so long for what is missing. Longer than some lost packets take to be sent again over a long
/// link, shorter than a viewer's patience with a standing picture.
const PATIENCE: Duration = Duration::from_secs(1);

/// Items that came before the track they belong to was told, and bytes of frames in them.
const EARLY_MAX: usize = 8_192;
const EARLY_BYTES_MAX: usize = 64 << 20;

/// What a message means for the pull.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It goes on.
    GoOn,
    /// The origin refuses, with words.
    Refused(Refusal, String),
    /// The stream is over.
    Ended,
    /// It cannot be written here.
    Blocked(String),
}

/// See the module. Lives as long as one subscription; the stream in the hub outlives it.
pub(super) struct Incoming {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    id: StreamId,
    node: NodeId,
    bell: Arc<Bell>,
    relayed: Option<Relayed>,
    tracks: [Option<Inlet>; 2],
    /// Highest number of a track told so far.
    newest_track: u32,
    /// What came of tracks that are not told yet.
    early: VecDeque<Input>,
    early_bytes: usize,
    /// Messages of this subscription so far.
    seen: u64,
    /// Where another subscription would go on.
    resume: Resume,
    /// Tracks were told, and their first frame is here, or there are none.
    is_playable: bool,
    /// Nodes between the publisher's and this one, this one included.
    depth: u8,
}

/// A track on its way in.
struct Inlet {
    track: u32,
    assembly: Assembly,
    writer: RelayedTrack,
    /// Nobody could decode what comes before a keyframe.
    awaits_key: bool,
}

const KINDS: [Kind; 2] = [Kind::Video, Kind::Audio];

impl Incoming {
    /// `resume` is what an earlier subscription left; `bell` rings for keyframe requests.
    pub(super) fn new(
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
        id: StreamId,
        node: NodeId,
        bell: Arc<Bell>,
        resume: Resume,
    ) -> Self {
        Self {
            hub,
            metrics,
            id,
            node,
            bell,
            relayed: None,
            tracks: [None, None],
            newest_track: 0,
            early: VecDeque::new(),
            early_bytes: 0,
            seen: 0,
            resume,
            is_playable: false,
            depth: 0,
        }
    }

    /// Where to go on after this subscription.
    pub(super) fn resume(&self) -> Resume {
        self.resume
    }

    /// A door can let viewers in.
    pub(super) fn is_playable(&self) -> bool {
        self.is_playable
    }

    /// Nodes that it has passed, this one included; 0 while nothing is known.
    pub(super) fn depth(&self) -> u8 {
        self.depth
    }

    /// The stream written to.
    pub(super) fn stream(&self) -> Option<&Arc<Stream>> {
        self.relayed.as_ref().map(Relayed::stream)
    }

    /// A viewer needs a keyframe.
    pub(super) fn take_keyframe_request(&self) -> bool {
        self.relayed.as_ref().is_some_and(Relayed::take_keyframe_request)
    }

    /// An operator ended it here, or somebody publishes it here.
    pub(super) fn is_replaced(&self) -> bool {
        self.relayed.as_ref().is_some_and(Relayed::is_replaced)
    }

    /// It waited here for its publisher longer than the hub lets a stream wait: what comes now needs a new one.
    pub(super) fn is_over(&self) -> bool {
        self.relayed.as_ref().is_some_and(Relayed::is_over)
    }

    /// Takes in what came.
    pub(super) fn handle(&mut self, input: Input, now: Instant) -> After {
        if self.is_early(&input) {
            self.keep(input);
            return After::GoOn;
        }
        match input {
            Input::Told(message) => return self.told(message, now),
            Input::Head(head) => {
                if let Some(inlet) = self.inlet(head.track) {
                    inlet.assembly.handle_head(head);
                }
            }
            Input::Frame(group, frame) => {
                let is_taken = match self.inlet(group.track) {
                    Some(inlet) => inlet.assembly.handle_frame(group.first, frame),
                    None => false,
                };
                self.metrics.missed("behind", u64::from(!is_taken));
            }
            Input::End(group, is_whole) => {
                if let Some(inlet) = self.inlet(group.track) {
                    inlet.assembly.handle_end(group.first, is_whole);
                }
            }
        }
        self.pump(now);
        After::GoOn
    }

    /// Of a track that the origin has told us of, but on a stream that is slower than this one.
    fn is_early(&self, input: &Input) -> bool {
        let track = match input {
            Input::Told(_) => return false,
            Input::Head(head) => head.track,
            Input::Frame(group, _) | Input::End(group, _) => group.track,
        };
        track > self.newest_track
    }

    /// Until the track is told. Beyond the bound the oldest goes, as if it had been lost.
    fn keep(&mut self, input: Input) {
        self.early_bytes += bytes_of(&input);
        self.early.push_back(input);
        while self.early.len() > EARLY_MAX || self.early_bytes > EARLY_BYTES_MAX {
            let Some(oldest) = self.early.pop_front() else { break };
            self.early_bytes -= bytes_of(&oldest);
            self.metrics.missed("early", 1);
        }
    }

    fn told(&mut self, message: ToEdge, now: Instant) -> After {
        self.seen += 1;
        match message {
            ToEdge::Live { .. } if self.is_over() => return After::Ended,
            ToEdge::Live { epoch, accepts_pli, depth, .. } => {
                self.depth = depth.saturating_add(1);
                if let Err(error) = self.begin(Remote { epoch, accepts_pli }) {
                    return After::Blocked(error.to_string());
                }
            }
            ToEdge::Tracks { video, audio, .. } => {
                self.set_tracks([video, audio]);
                self.early_bytes = 0;
                for input in std::mem::take(&mut self.early) {
                    self.handle(input, now);
                }
            }
            ToEdge::Cuts { list, target, .. } => {
                if let Some(relayed) = &self.relayed {
                    relayed.add_cuts(list.iter().map(border), target);
                }
            }
            ToEdge::Event(_, event) => self.append_event(event),
            ToEdge::Rewritten(_, event) => self.rewrite_event(&event),
            ToEdge::Lost(_) => {
                if let Some(relayed) = &self.relayed {
                    relayed.set_lost();
                }
            }
            ToEdge::Refused(_, why, words) => return After::Refused(why, words),
            ToEdge::Ended(_) => return After::Ended,
            // Of the link, not of a subscription; never handed here.
            ToEdge::Welcome(_) | ToEdge::Pong(..) | ToEdge::Peers(_) => self.seen -= 1,
        }
        self.pump(now);
        After::GoOn
    }

    /// Time has come to `now`: gives up what is late.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.pump(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.tracks.iter().flatten().filter_map(|inlet| inlet.assembly.poll_timeout()).min()
    }

    fn begin(&mut self, remote: Remote) -> Result<(), PublishError> {
        match &self.relayed {
            Some(relayed) => relayed.set_remote(remote),
            None => self.relayed = Some(self.hub.relay(&self.id, remote, self.bell.clone())?),
        }
        Ok(())
    }

    fn set_tracks(&mut self, told: [Option<Track>; 2]) {
        let Some(relayed) = &self.relayed else { return };
        let is_silent = told.iter().all(Option::is_none);
        for ((told, inlet), kind) in told.into_iter().zip(&mut self.tracks).zip(KINDS) {
            let Some(track) = told else {
                *inlet = None;
                relayed.close_track(kind);
                continue;
            };
            if inlet.as_ref().is_some_and(|inlet| inlet.track == track.track) {
                continue;
            }
            let start = match (track.is_resumed, track.first) {
                (true, _) => Start::Resumed,
                (false, 0) => Start::First,
                (false, _) => Start::Middle,
            };
            self.newest_track = self.newest_track.max(track.track);
            let assembly = Assembly::new(track.first, kind.into(), PATIENCE);
            let writer = relayed.open_track(&track.config, start);
            let awaits_key = kind == Kind::Video && !track.is_resumed;
            *inlet = Some(Inlet { track: track.track, assembly, writer, awaits_key });
        }
        self.is_playable |= is_silent;
    }

    fn append_event(&mut self, event: Event) {
        let Some(relayed) = &self.relayed else { return };
        self.resume.events = Some((self.node, event.next));
        relayed.append_event(Frame::new(event.t, event.arrived, event.json));
    }

    /// What is left of an event, in the place of all that is here of it.
    fn rewrite_event(&self, left: &Event) {
        let id = |json: &[u8]| serde_json::from_slice::<Value>(json).ok()?.get("id").cloned();
        let (Some(stream), Some(wanted)) = (self.stream(), id(&left.json)) else { return };
        stream.rewrite_events(|json| (id(json).as_ref() == Some(&wanted)).then(|| left.json.clone()));
    }

    fn inlet(&mut self, track: u32) -> Option<&mut Inlet> {
        self.tracks.iter_mut().flatten().find(|inlet| inlet.track == track)
    }

    /// Writes what is in order.
    fn pump(&mut self, now: Instant) {
        let lead = if self.tracks[0].is_some() { Kind::Video } else { Kind::Audio };
        for (inlet, kind) in self.tracks.iter_mut().zip(KINDS) {
            let Some(inlet) = inlet else { continue };
            while let Some(piece) = inlet.assembly.poll(now, self.seen) {
                match piece {
                    Piece::Lost(frames) => {
                        let stream = &self.id;
                        tracing::warn!(%stream, track = kind.as_str(), frames, "relay: the link was too thin or too slow");
                        self.metrics.missed("lost", frames);
                        inlet.writer.lose();
                        inlet.awaits_key = kind == Kind::Video;
                    }
                    Piece::Frame { frame, .. } if inlet.awaits_key && !frame.frame.key => {
                        self.metrics.missed("before_keyframe", 1);
                    }
                    Piece::Frame { head, index, frame } => {
                        inlet.awaits_key = false;
                        let place = Place { epoch: head.epoch, group: head.group, index };
                        if inlet.write(&head, frame) == Written::Stored {
                            let resume = if kind == Kind::Video {
                                &mut self.resume.video
                            } else {
                                &mut self.resume.audio
                            };
                            *resume = Some(place);
                            self.is_playable |= kind == lead;
                        }
                    }
                }
            }
        }
    }
}

impl Inlet {
    fn write(&mut self, head: &GroupHead, frame: RelayedFrame) -> Written {
        let header = GroupHeader {
            epoch: head.epoch,
            group: head.group,
            segment: head.segment,
            config: head.config.clone(),
        };
        self.writer.append(header, frame.frame, frame.horizon)
    }
}

fn bytes_of(input: &Input) -> usize {
    match input {
        Input::Frame(_, frame) => frame.frame.payload.len(),
        Input::Told(_) | Input::Head(_) | Input::End(..) => 0,
    }
}

fn border(cut: &unisono_proto_relay::Cut) -> Cut {
    Cut {
        epoch: cut.epoch,
        segment: cut.segment,
        t: cut.t,
        independent: cut.independent,
        discontinuities: cut.discontinuities,
    }
}
