//! A stream: its tracks, its readers' doorbells, its state.

use crate::{
    Cursor, Cut, Cuts, EndReason, GroupHeader, ReleaseGate, Ring, RingLimits, Source,
    cuts::{At, Cutter, Role},
    diagnosis::{Change, Code, Diagnosis, Finding, Severity},
    quota::Meter,
    watcher::WatcherSlot,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};
use unisono_base::{Doorbell, Epoch, KeyId, MediaTime, Span, StreamId};
use unisono_media::{CodecConfig, Frame, Kind};

/// Doorbells per stream: one per WebRTC worker, one per packager and feed.
const DOORBELLS_MAX: usize = 256;

/// Bounds of the data track. An event may be posted an hour ahead of its frame, and a packager that starts late must
/// still find it, so media time does not push events out; bytes do, some hundreds of events later.
const EVENT_LIMITS: RingLimits = RingLimits { span: Span::from_secs(2 * 3_600), bytes_max: 1 << 20 };

/// Whether somebody publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A publisher is connected.
    Live {
        /// The running epoch.
        epoch: Epoch,
        /// How it arrives.
        source: Source,
    },
    /// The publisher is gone; viewers wait for it until the hub's linger time is over.
    Lost,
    /// Gone for good; this object is no longer in the hub.
    Ended,
}

/// One live stream. Lives from its first publisher until the linger time after its last.
pub struct Stream {
    id: StreamId,
    limits: RingLimits,
    pub(crate) control: Mutex<Control>,
    tracks: RwLock<Tracks>,
    cutter: Mutex<Cutter>,
    events: Arc<Ring>,
    gate: RwLock<Option<ReleaseGate>>,
    doorbells: RwLock<Vec<Subscriber>>,
    next_doorbell: AtomicU64,
    keyframe_wanted: AtomicBool,
    viewers: [AtomicUsize; Viewer::ALL.len()],
    bytes_in: AtomicU64,
    frames_in: AtomicU64,
    frames_dropped: AtomicU64,
    pub(crate) meter: Mutex<Meter>,
    diagnosis: Mutex<Diagnosis>,
    pub(crate) watcher: WatcherSlot,
}

/// Who publishes, and since when nobody does.
pub(crate) struct Control {
    pub(crate) state: State,
    pub(crate) key: KeyId,
    /// Counts publications: a writer whose number is not this one has been replaced.
    pub(crate) generation: u64,
    pub(crate) publisher: Option<Arc<dyn Doorbell>>,
    pub(crate) last_epoch: Option<Epoch>,
    pub(crate) lost_since: Option<Instant>,
    /// The generation that the node ended, and what its publisher is told.
    pub(crate) stopped: Option<(u64, Arc<str>)>,
}

/// Renditions of the tracks; the first of each list is the source.
#[derive(Clone, Debug, Default)]
struct Tracks {
    video: Vec<Arc<Ring>>,
    audio: Vec<Arc<Ring>>,
}

/// How a viewer watches; for counts on page, API and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A WHEP session.
    WebRtc,
    /// An HLS player, counted approximately by its requests.
    Hls,
}

impl Viewer {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::WebRtc, Self::Hls];
}

impl Stream {
    pub(crate) fn new(id: StreamId, limits: RingLimits, control: Control, watcher: WatcherSlot) -> Arc<Self> {
        Arc::new(Self {
            id,
            limits,
            control: Mutex::new(control),
            tracks: RwLock::default(),
            cutter: Mutex::default(),
            events: Arc::new(Ring::new(Kind::Data, EVENT_LIMITS)),
            gate: RwLock::default(),
            doorbells: RwLock::default(),
            next_doorbell: AtomicU64::new(0),
            keyframe_wanted: AtomicBool::new(false),
            viewers: Default::default(),
            bytes_in: AtomicU64::new(0),
            frames_in: AtomicU64::new(0),
            frames_dropped: AtomicU64::new(0),
            meter: Mutex::default(),
            diagnosis: Mutex::default(),
            watcher,
        })
    }

    /// Tenant and name.
    pub fn id(&self) -> &StreamId {
        &self.id
    }

    /// Whether somebody publishes now.
    pub fn state(&self) -> State {
        self.control.lock().state.clone()
    }

    /// The ring of the source rendition of a track. `None` while the publisher has not sent such a track.
    pub fn source(&self, kind: Kind) -> Option<Arc<Ring>> {
        self.renditions(kind).into_iter().next()
    }

    /// All renditions of a track, source first. For [`Kind::Data`] the event ring.
    pub fn renditions(&self, kind: Kind) -> Vec<Arc<Ring>> {
        let tracks = self.tracks.read();
        match kind {
            Kind::Video => tracks.video.clone(),
            Kind::Audio => tracks.audio.clone(),
            Kind::Data => vec![self.events.clone()],
        }
    }

    /// The rendition of a track whose newest configuration satisfies `wanted`.
    pub fn rendition(&self, kind: Kind, wanted: impl Fn(&CodecConfig) -> bool) -> Option<Arc<Ring>> {
        self.renditions(kind).into_iter().find(|ring| ring.config().is_some_and(|c| wanted(&c)))
    }

    /// The room's events as a data track; present from the start.
    pub fn events(&self) -> &Arc<Ring> {
        &self.events
    }

    /// Puts other events in the place of those for which `change` gives one, such as what was erased: whoever reads the data track from
    /// here on, a packager that starts late included, gets what is left of them.
    pub fn rewrite_events(&self, change: impl Fn(&Bytes) -> Option<Bytes>) {
        self.events.rewrite(change);
        self.ring_doorbells();
    }

    /// Appends one event (UTF-8 JSON) to the data track. Called by the room's sequencer only.
    pub fn append_event(&self, frame: Frame) {
        let epoch = self.control.lock().last_epoch.unwrap_or_default();
        let header = GroupHeader {
            epoch,
            group: frame.t.as_micros().max(0) as u64 / 1_000_000,
            segment: 0,
            config: Arc::new(CodecConfig::Events),
        };
        let is_held = self.holds(frame.t, frame.arrived);
        self.events.append(frame, Some(header), is_held);
        self.ring_doorbells();
    }

    /// From now on `gate` decides what every exit may have; `None` lifts it with the next frame or sweep. What was given
    /// already cannot be taken back: a gate begins ahead of the newest frame.
    pub fn set_gate(&self, gate: Option<ReleaseGate>) {
        *self.gate.write() = gate;
    }

    /// As [`Self::set_gate`], but not over a gate that still holds something or is about to: that one is the error. `next` may
    /// hold the same and more.
    pub fn replace_gate(&self, next: ReleaseGate, now: MediaTime) -> Result<(), ReleaseGate> {
        let mut gate = self.gate.write();
        if let Some(current) = gate.filter(|current| !current.is_over(now) && !current.is_within(&next)) {
            return Err(current);
        }
        *gate = Some(next);
        Ok(())
    }

    /// The gate in force.
    pub fn gate(&self) -> Option<ReleaseGate> {
        *self.gate.read()
    }

    /// True while nobody may have what belongs to `t`. `now`: the node's timeline clock.
    pub(crate) fn holds(&self, t: MediaTime, now: MediaTime) -> bool {
        self.gate.read().is_some_and(|gate| gate.holds(t, now))
    }

    /// Gives the exits what is no longer held back. Follows the publisher's frames and the hub's sweep.
    pub(crate) fn release(&self, now: MediaTime) {
        let is_held = |t| self.holds(t, now);
        let tracks = self.tracks.read();
        let mut any = self.events.release(is_held);
        for ring in tracks.video.iter().chain(&tracks.audio) {
            any |= ring.release(is_held);
        }
        drop(tracks);
        if any {
            self.ring_doorbells();
        }
    }

    /// Where segments begin.
    pub fn cuts(&self) -> Cuts {
        self.cutter.lock().cuts().clone()
    }

    /// The cut in force at the newest frame of the lead track.
    pub fn newest_cut(&self) -> Option<Cut> {
        self.cutter.lock().cuts().list.back().copied()
    }

    /// The newest cut, the target duration and the horizon, of one moment.
    pub fn border(&self) -> (Option<Cut>, Option<Span>, Option<MediaTime>) {
        let cutter = self.cutter.lock();
        let cuts = cutter.cuts();
        (cuts.list.back().copied(), cuts.target, cuts.horizon)
    }

    /// Rings `doorbell` at every new frame, event, track or change of state, until the subscription is dropped.
    /// `None` when the stream has 256 doorbells already.
    pub fn subscribe(self: &Arc<Self>, doorbell: Arc<dyn Doorbell>) -> Option<Subscription> {
        self.subscribe_to(doorbell, |_| true)
    }

    /// The same, but of frames only at those of a codec that the reader `wants`: what it cannot use would wake it in vain.
    pub fn subscribe_to(
        self: &Arc<Self>,
        doorbell: Arc<dyn Doorbell>,
        wants: fn(&CodecConfig) -> bool,
    ) -> Option<Subscription> {
        let mut doorbells = self.doorbells.write();
        if doorbells.len() >= DOORBELLS_MAX {
            return None;
        }
        let id = self.next_doorbell.fetch_add(1, Ordering::Relaxed);
        doorbells.push(Subscriber { id, doorbell, wants });
        Some(Subscription { stream: Arc::downgrade(self), id })
    }

    /// Asks the publisher for a keyframe; requests between two looks of the publisher count once.
    pub fn request_keyframe(&self) {
        if !self.keyframe_wanted.swap(true, Ordering::Relaxed)
            && let Some(publisher) = &self.control.lock().publisher
        {
            publisher.ring();
        }
    }

    pub(crate) fn take_keyframe_request(&self) -> bool {
        self.keyframe_wanted.swap(false, Ordering::Relaxed)
    }

    /// What is wrong with it now, the worst first. Time has gone on to `now` on the node's clock, where one is known.
    pub fn diagnosis(&self, now: Option<MediaTime>) -> Vec<Finding> {
        self.diagnose(|diagnosis| diagnosis.findings(now))
    }

    /// Something went wrong at one moment; it is shown for a minute.
    pub fn happened(&self, code: Code, severity: Severity, words: String, now: MediaTime) {
        self.diagnose(|diagnosis| diagnosis.happened(code, severity, words, now));
    }

    /// Notes something, and says in the log what began and what ended by it.
    pub(crate) fn diagnose<T>(&self, note: impl FnOnce(&mut Diagnosis) -> T) -> T {
        let mut diagnosis = self.diagnosis.lock();
        let noted = note(&mut diagnosis);
        let changes = diagnosis.take_changes();
        drop(diagnosis);
        for change in changes {
            match change {
                Change::Begins(Finding { code, severity: Severity::Info, words, .. }) => {
                    tracing::info!(stream = %self.id, %code, "{words}");
                }
                Change::Begins(Finding { code, words, .. }) => {
                    tracing::warn!(stream = %self.id, %code, "{words}");
                }
                Change::Ends(Finding { code, .. }) => {
                    tracing::info!(stream = %self.id, %code, "this is over: {code}");
                }
            }
        }
        noted
    }

    /// Adjusts a viewer count.
    pub fn set_viewers(&self, kind: Viewer, count: usize) {
        self.viewers[kind as usize].store(count, Ordering::Relaxed);
    }

    /// One viewer more.
    pub fn viewer_joined(&self, kind: Viewer) {
        self.viewers[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One viewer less.
    pub fn viewer_left(&self, kind: Viewer) {
        self.viewers[kind as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Viewers of one kind.
    pub fn viewers(&self, kind: Viewer) -> usize {
        self.viewers[kind as usize].load(Ordering::Relaxed)
    }

    /// Frames and payload bytes taken in since the stream began.
    pub fn ingested(&self) -> (u64, u64) {
        (self.frames_in.load(Ordering::Relaxed), self.bytes_in.load(Ordering::Relaxed))
    }

    /// Frames that came before the first keyframe, which nobody could decode.
    pub fn dropped(&self) -> u64 {
        self.frames_dropped.load(Ordering::Relaxed)
    }

    /// Media bits per second over the last seconds; `None` before two looks of [`crate::Hub::sweep`].
    pub fn bitrate_bps(&self) -> Option<u64> {
        self.meter.lock().rate_bps()
    }

    /// Id of the key that publishes, or that did last.
    pub fn key(&self) -> KeyId {
        self.control.lock().key.clone()
    }

    /// Ends the publication that runs, if one does: its publisher is told `words`, viewers wait for the next.
    pub fn stop_publisher(&self, words: &str) -> bool {
        let mut control = self.control.lock();
        if !matches!(control.state, State::Live { .. }) {
            return false;
        }
        control.stopped = Some((control.generation, words.into()));
        control.generation += 1;
        control.state = State::Lost;
        let publisher = control.publisher.take();
        drop(control);
        if let Some(publisher) = publisher {
            publisher.ring();
        }
        self.ring_doorbells();
        true
    }

    /// Adds a rendition made by this node (a transcoder's output) beside the source and returns the handle its
    /// maker writes through. Dropping the handle takes the rendition away.
    pub fn add_rendition(self: &Arc<Self>, config: CodecConfig) -> Rendition {
        let kind = config.kind();
        let ring = Arc::new(Ring::new(kind, self.limits));
        match kind {
            Kind::Video => self.tracks.write().video.push(ring.clone()),
            Kind::Audio | Kind::Data => self.tracks.write().audio.push(ring.clone()),
        }
        Rendition { stream: self.clone(), ring, config: Arc::new(config), group: None }
    }

    /// Something other than a frame changed.
    pub(crate) fn ring_doorbells(&self) {
        self.doorbells.read().iter().for_each(|subscriber| subscriber.doorbell.ring());
    }

    /// There is a frame of this codec.
    pub(crate) fn ring_for_frame(&self, config: &CodecConfig) {
        let doorbells = self.doorbells.read();
        let wanting = doorbells.iter().filter(|subscriber| (subscriber.wants)(config));
        wanting.for_each(|subscriber| subscriber.doorbell.ring());
    }

    pub(crate) fn begin_epoch(&self, epoch: Epoch) {
        self.cutter.lock().begin(epoch);
    }

    /// The ring a publisher's track continues in, or a new one where the codec changed.
    pub(crate) fn open_track(&self, config: &CodecConfig) -> Arc<Ring> {
        let mut tracks = self.tracks.write();
        let list = if config.kind() == Kind::Video { &mut tracks.video } else { &mut tracks.audio };
        let continues = |ring: &Arc<Ring>| ring.config().is_none_or(|old| old.continues_as(config));
        if let Some(ring) = list.first().filter(|ring| continues(ring)) {
            return ring.clone();
        }
        for old in list.drain(..) {
            old.end(EndReason::CodecChanged);
        }
        let ring = Arc::new(Ring::new(config.kind(), self.limits));
        list.push(ring.clone());
        ring
    }

    /// Takes a track away that the new publisher does not have.
    pub(crate) fn close_track(&self, kind: Kind) {
        let mut tracks = self.tracks.write();
        let list = if kind == Kind::Video { &mut tracks.video } else { &mut tracks.audio };
        for ring in list.drain(..) {
            ring.end(EndReason::CodecChanged);
        }
    }

    pub(crate) fn has_video(&self) -> bool {
        !self.tracks.read().video.is_empty()
    }

    pub(crate) fn segment_at(&self, role: Role, at: At, key: bool, reconfigured: bool) -> u64 {
        self.cutter.lock().frame(role, at, key, reconfigured)
    }

    /// Borders decided at another node.
    pub(crate) fn take_over_cuts(&self, cuts: impl IntoIterator<Item = Cut>, target: Option<Span>) {
        self.cutter.lock().take_over(cuts, target);
    }

    /// No border will come below `t`, says the node that decides.
    pub(crate) fn move_horizon(&self, t: MediaTime) {
        self.cutter.lock().move_horizon(t);
    }

    /// Readers of every kind that have a doorbell here.
    pub fn readers(&self) -> usize {
        self.doorbells.read().len()
    }

    pub(crate) fn count(&self, bytes: usize) {
        self.frames_in.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self) {
        self.frames_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.control.lock().state = State::Ended;
        let tracks = self.tracks.read();
        for ring in tracks.video.iter().chain(&tracks.audio).chain([&self.events]) {
            ring.end(EndReason::StreamEnded);
        }
        drop(tracks);
        self.ring_doorbells();
    }
}

/// Writer of a rendition that this node makes. Frames keep the T of the source.
pub struct Rendition {
    stream: Arc<Stream>,
    ring: Arc<Ring>,
    config: Arc<CodecConfig>,
    group: Option<(Epoch, u64)>,
}

impl Rendition {
    /// The ring readers read.
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// A cursor at the source's tail, to start transcoding from now.
    pub fn tail(&self) -> Cursor {
        self.ring.tail()
    }

    /// Appends a frame made from a source frame of `epoch`. Groups are whole seconds, as in any audio track.
    pub fn append(&mut self, epoch: Epoch, frame: Frame) {
        let group = frame.t.as_micros().max(0) as u64 / 1_000_000;
        let is_new = self.group != Some((epoch, group));
        self.group = Some((epoch, group));
        let header = is_new.then(|| GroupHeader {
            epoch,
            group,
            segment: self.stream.newest_cut().map_or(0, |cut| cut.segment),
            config: self.config.clone(),
        });
        self.ring.append(frame, header, false);
        self.stream.ring_for_frame(&self.config);
    }
}

impl Drop for Rendition {
    fn drop(&mut self) {
        let mut tracks = self.stream.tracks.write();
        tracks.video.retain(|ring| !Arc::ptr_eq(ring, &self.ring));
        tracks.audio.retain(|ring| !Arc::ptr_eq(ring, &self.ring));
        drop(tracks);
        self.ring.end(EndReason::CodecChanged);
        self.stream.ring_doorbells();
    }
}

/// A reader's doorbell, and which frames it rings for.
struct Subscriber {
    id: u64,
    doorbell: Arc<dyn Doorbell>,
    wants: fn(&CodecConfig) -> bool,
}

/// Keeps a doorbell on a stream; dropping it takes the doorbell off.
pub struct Subscription {
    stream: Weak<Stream>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.upgrade() {
            stream.doorbells.write().retain(|subscriber| subscriber.id != self.id);
        }
    }
}
