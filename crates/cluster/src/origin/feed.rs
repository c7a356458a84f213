//! One stream for one edge: reads the hub's rings, says what changes, and starts a group's stream for each group. Never
//! waits for the link with a frame in its hand, so that a thin link delays no sound and loses no border.

use super::{
    Context,
    group::{Group, Outgoing},
};
use crate::{Metrics, bell::Bell};
use bytes::Bytes;
use quinn::Connection;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use unisono_base::Epoch;
use unisono_hub::{Cursor, GroupHeader, Read, Ring, State, Stream};
use unisono_media::{Frame, Kind};
use unisono_proto_relay::{
    Cut, Event, GroupHead, NodeId, Place, Resume, Subscribe, SubscriptionId, ToEdge, Track,
};

/// Sound goes before every picture.
const AUDIO_PRIORITY: i32 = i32::MAX - 1;
/// Groups of one track being written at once; the oldest makes room.
const WRITING_MAX: usize = 64;
/// How often late groups are looked for while no frame comes.
const TICK: Duration = Duration::from_secs(1);

/// So long the last groups of a stream that is over are written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Feed {
    id: SubscriptionId,
    node: NodeId,
    stream: Arc<Stream>,
    connection: Connection,
    say: mpsc::Sender<Bytes>,
    metrics: Arc<Metrics>,
    /// Nodes between the publisher's and this one.
    depth: u8,
    /// Messages of this subscription so far.
    sent: u64,
    state: Option<(bool, Option<Epoch>)>,
    was_live: bool,
    border: (Option<u64>, Option<unisono_base::Span>),
    tracks: [Option<Tape>; 2],
    /// Tracks so far, for their numbers.
    count: u32,
    events: Cursor,
    /// Changes of events told so far.
    rewrites: u64,
    resume: Resume,
}

/// A ring and our place in it.
struct Tape {
    track: u32,
    ring: Arc<Ring>,
    cursor: Cursor,
    /// The group that takes the next frame, if it is the one behind the last.
    open: Option<(Arc<GroupHeader>, Group)>,
    /// Those before it that are not written to their end yet.
    writing: VecDeque<Group>,
    /// Goes up with each group of a picture.
    priority: i32,
}

/// The order in which rings are read: sound first.
const KINDS: [Kind; 2] = [Kind::Audio, Kind::Video];

/// The link is gone.
struct Gone;

impl Feed {
    pub(super) fn new(
        context: &Context,
        stream: Arc<Stream>,
        connection: Connection,
        say: mpsc::Sender<Bytes>,
        subscribe: &Subscribe,
    ) -> Self {
        let node = context.identity.node;
        let depth = context.depth(stream.id());
        let events = stream.events();
        let from = subscribe.resume.events.filter(|(from, _)| *from == node).map(|(_, next)| next);
        let events = from.and_then(|next| events.at(next)).or(events.oldest_group());
        Self {
            id: subscribe.id,
            node,
            connection,
            say,
            metrics: context.metrics.clone(),
            depth,
            sent: 0,
            state: None,
            was_live: false,
            border: (None, None),
            tracks: [None, None],
            count: 0,
            events: events.unwrap_or_else(|| stream.events().tail()),
            rewrites: 0,
            resume: subscribe.resume,
            stream,
        }
    }

    /// Runs until the stream ends or the link is gone.
    pub(super) async fn run(mut self) {
        let bell = Arc::new(Bell::default());
        let Some(_subscription) = self.stream.subscribe(bell.clone()) else {
            tracing::error!(stream = %self.stream.id(), "relay: the stream has no room for another reader");
            return;
        };
        tracing::trace!(node = %self.node, "relay: feed begins");
        while self.step().await.is_ok_and(|goes_on| goes_on) {
            let _ = tokio::time::timeout(TICK, bell.rung()).await;
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.finish()).await;
    }

    /// What was read reaches the edge, though nothing will follow.
    async fn finish(&mut self) {
        let now = Instant::now();
        for tape in self.tracks.iter_mut().flatten() {
            for group in tape.writing.iter_mut().chain(tape.open.iter_mut().map(|(_, group)| group)) {
                group.finish(now);
                group.written().await;
            }
        }
    }

    /// Sends what is new; false once the stream is over.
    async fn step(&mut self) -> Result<bool, Gone> {
        let state = self.stream.state();
        self.tell_state(&state).await?;
        // An edge has nowhere to put what comes before somebody publishes.
        if self.was_live {
            self.tell_tracks().await?;
            for place in 0..KINDS.len() {
                self.read(place).await?;
            }
            self.tell_events().await?;
        }
        if state == State::Ended {
            self.say(ToEdge::Ended(self.id)).await?;
        }
        Ok(state != State::Ended)
    }

    async fn tell_state(&mut self, state: &State) -> Result<(), Gone> {
        let (now, message) = match state {
            State::Live { epoch, source } => {
                self.was_live = true;
                let live = ToEdge::Live {
                    id: self.id,
                    epoch: *epoch,
                    accepts_pli: source.accepts_pli,
                    depth: self.depth,
                };
                ((true, Some(*epoch)), live)
            }
            State::Lost => ((false, None), ToEdge::Lost(self.id)),
            State::Ended => return Ok(()),
        };
        if self.state != Some(now) {
            self.state = Some(now);
            self.say(message).await?;
        }
        Ok(())
    }

    /// Says which tracks there are when that has changed. What is left in a ring that ends is sent before.
    async fn tell_tracks(&mut self) -> Result<(), Gone> {
        let rings = KINDS.map(|kind| self.stream.source(kind).filter(|ring| ring.config().is_some()));
        let is_same = |place: usize| match (&rings[place], &self.tracks[place]) {
            (Some(ring), Some(tape)) => Arc::ptr_eq(ring, &tape.ring),
            (None, None) => true,
            _ => false,
        };
        let changed = [!is_same(0), !is_same(1)];
        if changed == [false, false] {
            return Ok(());
        }
        let mut told = [None, None];
        for (place, ring) in rings.into_iter().enumerate() {
            if changed[place] {
                self.read(place).await?;
                self.tracks[place] = None;
            }
            let Some(ring) = ring else { continue };
            let mut is_resumed = false;
            if changed[place] {
                let resume =
                    if KINDS[place] == Kind::Video { &mut self.resume.video } else { &mut self.resume.audio };
                let behind =
                    resume.take().and_then(|Place { epoch, group, index }| ring.behind(epoch, group, index));
                is_resumed = behind.is_some();
                self.count += 1;
                self.tracks[place] = Some(Tape::new(self.count, ring.clone(), behind));
            }
            let (Some(config), Some(tape)) = (ring.config(), &self.tracks[place]) else { continue };
            told[place] = Some(Track { track: tape.track, config, first: tape.cursor.next(), is_resumed });
        }
        let [audio, video] = told;
        self.say(ToEdge::Tracks { id: self.id, video, audio }).await
    }

    /// Reads one ring to its end.
    async fn read(&mut self, place: usize) -> Result<(), Gone> {
        let now = Instant::now();
        loop {
            let Some(tape) = &mut self.tracks[place] else { return Ok(()) };
            match tape.ring.read(&mut tape.cursor) {
                Read::Frame { frame, group, index } => self.send(place, frame, group, index, now).await?,
                Read::Skipped { frames, reason } => {
                    tracing::warn!(stream = %self.stream.id(), frames, reason = reason.as_str(), "relay: frames lost");
                    self.metrics.missed(reason.as_str(), frames);
                    if let Some((_, mut cut)) = tape.open.take() {
                        cut.cut_short();
                    }
                }
                Read::Pending | Read::Ended(_) => {
                    tape.sweep(now);
                    return Ok(());
                }
            }
        }
    }

    async fn send(
        &mut self,
        place: usize,
        frame: Arc<Frame>,
        header: Arc<GroupHeader>,
        index: u32,
        now: Instant,
    ) -> Result<(), Gone> {
        // Asked for after the frame was read, so that the border in front of it is among them.
        let (newest, target, horizon) = self.stream.border();
        if self.border != (newest.map(|cut| cut.segment), target) {
            self.tell_cuts().await?;
        }
        let (id, after) = (self.id, self.sent);
        let Some(tape) = &mut self.tracks[place] else { return Ok(()) };
        let is_open = tape.open.as_ref().is_some_and(|(open, _)| Arc::ptr_eq(open, &header));
        if !is_open {
            let head = GroupHead {
                id,
                track: tape.track,
                epoch: header.epoch,
                group: header.group,
                segment: header.segment,
                first: tape.cursor.last_read().unwrap_or(0),
                index,
                config: header.config.clone(),
            };
            tape.begin(&self.connection, head, header, &self.metrics, now);
        }
        if let Some((_, group)) = &tape.open
            && !group.push(Outgoing { frame, after, horizon })
        {
            self.metrics.missed("late", 1);
        }
        Ok(())
    }

    async fn tell_cuts(&mut self) -> Result<(), Gone> {
        let cuts = self.stream.cuts();
        let told = self.border.0;
        let new = cuts.list.iter().filter(|cut| told.is_none_or(|told| cut.segment > told));
        let list = new.map(|cut| Cut {
            epoch: cut.epoch,
            segment: cut.segment,
            t: cut.t,
            independent: cut.independent,
            discontinuities: cut.discontinuities,
        });
        let list = list.collect();
        self.border = (cuts.list.back().map(|cut| cut.segment), cuts.target);
        self.say(ToEdge::Cuts { id: self.id, list, target: cuts.target }).await
    }

    async fn tell_events(&mut self) -> Result<(), Gone> {
        let ring = self.stream.events().clone();
        let (rewrites, rewritten) = ring.rewritten(self.rewrites);
        self.rewrites = rewrites;
        // Also what an edge has from an earlier link: nobody told it then.
        let told = self.events.next();
        for (next, frame) in rewritten.into_iter().filter(|(next, _)| *next <= told) {
            let (t, arrived, json) = (frame.t, frame.arrived, frame.payload.clone());
            self.say(ToEdge::Rewritten(self.id, Event { t, arrived, next, json })).await?;
        }
        loop {
            match ring.read(&mut self.events) {
                Read::Frame { frame, .. } => {
                    let (t, arrived, json) = (frame.t, frame.arrived, frame.payload.clone());
                    let event = Event { t, arrived, next: self.events.next(), json };
                    self.say(ToEdge::Event(self.id, event)).await?;
                }
                Read::Skipped { frames, reason } => self.metrics.missed(reason.as_str(), frames),
                Read::Pending | Read::Ended(_) => return Ok(()),
            }
        }
    }

    async fn say(&mut self, message: ToEdge) -> Result<(), Gone> {
        self.sent += 1;
        self.say.send(message.encode()).await.map_err(|_| Gone)
    }
}

impl Tape {
    /// At `behind`, or else at the oldest group that is whole, so that the edge has as much to play as this node.
    fn new(track: u32, ring: Arc<Ring>, behind: Option<Cursor>) -> Self {
        let cursor = behind.or_else(|| ring.oldest_group()).unwrap_or_else(|| ring.tail());
        Self { track, ring, cursor, open: None, writing: VecDeque::new(), priority: 0 }
    }

    fn begin(
        &mut self,
        connection: &Connection,
        head: GroupHead,
        header: Arc<GroupHeader>,
        metrics: &Arc<Metrics>,
        now: Instant,
    ) {
        if let Some((_, mut last)) = self.open.take() {
            last.finish(now);
            self.writing.push_back(last);
        }
        if self.writing.len() >= WRITING_MAX {
            self.writing.pop_front();
        }
        let priority = match self.ring.kind() {
            Kind::Video => {
                self.priority = (self.priority + 1).min(AUDIO_PRIORITY - 1);
                self.priority
            }
            Kind::Audio | Kind::Data => AUDIO_PRIORITY,
        };
        self.open = Some((header, Group::begin(connection, head, priority, metrics)));
        self.sweep(now);
    }

    fn sweep(&mut self, now: Instant) {
        self.writing.retain(|group| !group.is_over(now));
    }
}
